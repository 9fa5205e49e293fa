import { expect, test } from '@jest/globals';
import { postgres } from '../../../../functions/postgres/engine.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { DeadlineError } from '../../../../shared/core/errors.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { describeServers } from '../../../servers.ts';
import { eventually, failure, newRole, outcome, session, sessionsOf, unique } from './support.ts';

/** Milliseconds, of which a sixth is for statements. */
const REMAINING = 12_000;

describeServers('postgres', 'a deadline', (server) => {
  test('ends a transaction that is left idle, and what was begun in it', async () => {
    await using role = await newRole(server);
    const to = new Secret(unique('new'));
    await using own = await session(server, role, new Deadline(REMAINING));

    const error = await failure(
      postgres.exclusively(own.session, own.session.account, async () => {
        await postgres.changeOwnPassword(own.session, role.password, to);
        await eventually(async () => (await sessionsOf(server, role)).length === 0);
      }),
    );

    expect(error).toBeInstanceOf(DeadlineError);
    expect(error).toMatchObject({ layer: 'deadline', code: '25P03', user: role.username, host: server.host });
    expect(await outcome(server, role, to)).toBe('refused');
  });
});
