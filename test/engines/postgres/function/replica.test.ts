import { expect, test } from '@jest/globals';
import { Secret } from '../../../../shared/core/secret.ts';
import { ReadOnlyServerError } from '../../../../shared/database/errors.ts';
import { fakeServer } from '../../../conformance/relay.ts';
import { accepting, done, errorResponse, inTurn, notHeld, READY } from '../fake.ts';
import { change, describeOwnServers, failure, newRole, outcome, session, sql, unique } from './support.ts';

await describeOwnServers('postgres', 'a replica', {}, (server) => {
  test('accepts a login and takes no new password', async () => {
    const role = await newRole(server);
    // Without a primary to follow it stays in recovery.
    await sql(server, `COPY (SELECT) TO PROGRAM 'cat > standby.signal'`);
    await server.restart();
    await using own = await session(server, role);

    const error = await failure(change(own.session, role.password, new Secret(unique('new'))));

    expect(error).toBeInstanceOf(ReadOnlyServerError);
    expect(error).toMatchObject({ layer: 'database', retryHelps: false, user: role.username, host: server.host });
    expect(error.message).toContain("give the writer's");
    expect(await outcome(server, role, role.password)).toBe('accepted');
  });
});

test('a reader that finds out late is understood, too', async () => {
  const late = () => Buffer.concat([errorResponse({ C: '25006', M: 'read-only' }), READY]);
  await using server = await fakeServer(inTurn(accepting, notHeld, late, done));
  const as = { username: 'nemo', password: new Secret('password') };
  await using own = await session({ ...server, database: 'd', superuser: { username: '', password: '' } }, as);

  const error = await failure(change(own.session, as.password, new Secret('next')));

  expect(error).toBeInstanceOf(ReadOnlyServerError);
});
