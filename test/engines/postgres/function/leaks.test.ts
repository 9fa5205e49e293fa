import { describe, expect, test } from '@jest/globals';
import { postgres } from '../../../../functions/postgres/engine.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { expectSilence, nasty } from '../../../conformance/duties/silence.ts';
import { fakeServer } from '../../../conformance/relay.ts';
import { inTurn, message, quoting } from '../fake.ts';
import { endpoint } from './support.ts';

describe('the password stays hidden from a server that repeats all it hears', () => {
  const as = { username: 'nemo', password: new Secret(nasty()) };
  const at = (to: { host: string; port: number }) =>
    postgres.login(
      endpoint({ ...to, database: 'd', superuser: { username: '', password: '' } }),
      as,
      new Deadline(3000),
    );

  test('in a login that fails with the password for a SQLSTATE', async () => {
    await using server = await fakeServer(inTurn((heard) => quoting(heard, heard)));

    const result = await at(server);

    expect(result).toMatchObject({ is: 'unknown', why: { layer: 'database' } });
    expectSilence(result, as.password);
  });

  test('in bytes that the driver cannot read', async () => {
    for (const bytes of [
      message('R', 7),
      message('R'),
      message('E', 'M'),
      message('\x01', 0),
      Buffer.from('T\0\0\0\x04'),
    ]) {
      await using server = await fakeServer(inTurn((heard) => Buffer.concat([bytes, quoting(heard, 'XX000')])));

      const result = await at(server);

      expect(result.is).toBe('unknown');
      expectSilence(result, as.password);
    }
  });
});
