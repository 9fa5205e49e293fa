import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { postgres } from '../../../../functions/postgres/engine.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { UserNameError } from '../../../../shared/database/errors.ts';
import { parseSecret } from '../../../../shared/database/secret-value.ts';
import { describeServers } from '../../../servers.ts';
import { newRole, outcome } from './support.ts';

/** PostgreSQL's own limit, in bytes. */
const LONGEST = 63;

describeServers('postgres', 'a name', (server) => {
  test('is refused as a whole where the server would cut it to somebody else’s', async () => {
    const short = 'n'.repeat(LONGEST);
    const long = `${short}_clone`;
    await using role = await newRole(server, { username: short });
    const from = { username: long, password: role.password };
    // The danger is real: the server takes the one for the other.
    expect(await outcome(server, from, role.password)).toBe('accepted');

    const text = new Secret(JSON.stringify({ engine: 'postgres', host: 'h', username: long, password: 'p' }));
    expect(() => parseSecret({ text, called: 'AWSCURRENT' }, postgres)).toThrow(UserNameError);
  });
});

test('a name is refused if it is too long or has a NUL, and only then', () => {
  const longest = fc.string({ unit: 'binary', minLength: 1, maxLength: 100, size: 'max' });
  fc.assert(
    fc.property(longest, (name) => {
      const fits = Buffer.byteLength(name) <= LONGEST && !name.includes('\0');
      expect(postgres.usernameProblem(name, 'postgres') === undefined).toBe(fits);
    }),
  );
  expect(postgres.usernameProblem('a\0b', 'postgres')).toMatch(/NUL/);
});
