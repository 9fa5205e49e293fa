import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { postgres } from '../../../functions/postgres/engine.ts';
import { connect } from '../../../local/servers/postgres.ts';
import { Deadline } from '../../../shared/deadline.ts';
import { DeadlineError } from '../../../shared/errors.ts';
import { Secret } from '../../../shared/secret.ts';
import { describeServers, type SharedServer } from '../../servers.ts';
import { relay } from './fake.ts';
import {
  change,
  endpoint,
  eventually,
  expectUnchanged,
  failure,
  newRole,
  outcome,
  type Role,
  session,
  sessionsOf,
  unique,
} from './support.ts';

/** Of 12 s in all, a sixth is for statements. */
const REMAINING = 12_000;
const STATEMENTS = 2000;

/** A transaction of somebody else that holds what a change needs; it ends by rollback. */
async function holding(
  server: SharedServer,
  statement: string,
): Promise<{ release(): Promise<void> } & AsyncDisposable> {
  await using cleanUp = new AsyncDisposableStack();
  const client = cleanUp.use(await connect(server));
  await client.query(`BEGIN; ${statement}`);
  const open = cleanUp.move();
  const release = async () => void (await client.query('ROLLBACK'));
  return { release, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

const advisoryLock = ({ username }: Role) =>
  `SELECT pg_advisory_xact_lock(hashtextextended(${pg.escapeLiteral(`secret-rotation:${username}`)}, 0))`;
const lockedRow = ({ username }: Role) => `ALTER ROLE ${pg.escapeIdentifier(username)} PASSWORD 'never committed'`;

describeServers('postgres', 'a deadline', (server) => {
  test.each([
    ['the lock of another rotation', advisoryLock],
    ['an ALTER ROLE that is not committed', lockedRow],
  ])('ends the wait for %s, on the server too', async (_, lock) => {
    await using role = await newRole(server);
    const to = new Secret(unique('new'));
    await using holder = await holding(server, lock(role));
    await using own = await session(server, role, new Deadline(REMAINING));

    const error = await failure(change(own.session, role.password, to));

    expect(await sessionsOf(server, role)).not.toContain('active');
    expect(error).toBeInstanceOf(DeadlineError);
    expect(error).toMatchObject({ layer: 'deadline', code: '55P03', user: role.username, host: server.host });
    expect(error.message).toContain('nothing was changed');
    await holder.release();
    await expectUnchanged(server, role, to);
  });

  test('leaves to the second statement what the first has left, on the server too', async () => {
    await using role = await newRole(server);
    await using rotation = await holding(server, advisoryLock(role));
    await using _ = await holding(server, lockedRow(role));
    await using own = await session(server, role, new Deadline(REMAINING));

    const changed = failure(change(own.session, role.password, new Secret(unique('new'))));
    setTimeout(() => rotation.release(), 0.6 * STATEMENTS);
    const error = await changed;

    expect(await sessionsOf(server, role)).not.toContain('active');
    // The server's code: with as much time again as the first had, it would be silent when the client gives up.
    expect(error).toMatchObject({ layer: 'deadline', code: expect.stringMatching(/^(55P03|57014)$/) });
  });

  test.each([
    ['the lock of another rotation', advisoryLock],
    ['an ALTER ROLE that is not committed', lockedRow],
  ])('holds on the server when the client is killed while it waits for %s', async (_, lock) => {
    await using role = await newRole(server);
    const next = unique('new');
    await using holder = await holding(server, lock(role));
    const order = {
      to: endpoint(server),
      username: role.username,
      from: role.password.reveal(),
      next,
      remaining: REMAINING,
    };
    const program = fileURLToPath(new URL('change-password.ts', import.meta.url));
    const client = spawn(process.execPath, [program, JSON.stringify(order)], { stdio: 'ignore' });
    await eventually(async () => (await sessionsOf(server, role)).includes('active'));

    client.kill('SIGKILL');
    await once(client, 'exit');

    await eventually(async () => (await sessionsOf(server, role)).length === 0);
    await holder.release();
    await expectUnchanged(server, role, new Secret(next));
  });

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

  test('ends the wait for a server that has gone silent', async () => {
    await using role = await newRole(server);
    await using wire = await relay(server);
    await using own = await session({ ...server, host: wire.host, port: wire.port }, role, new Deadline(REMAINING));
    wire.stall();
    const started = performance.now();

    const error = await failure(change(own.session, role.password, new Secret(unique('new'))));

    expect(performance.now() - started).toBeLessThan(3 * STATEMENTS);
    expect(error).toBeInstanceOf(DeadlineError);
    expect(error).toMatchObject({ layer: 'deadline', user: role.username, host: wire.host });
    expect(error.message).toContain('may have happened');
  });

  test('that has passed ends a login before it begins', async () => {
    await using role = await newRole(server);

    const result = await postgres.login(endpoint(server), role, new Deadline(0));

    expect(result).toMatchObject({ is: 'unknown', why: { layer: 'deadline', user: role.username, host: server.host } });
  });
});

describeServers('postgres', 'a session', (server) => {
  test('is gone from the server when it is closed', async () => {
    await using role = await newRole(server);
    const { session: own } = await session(server, role);
    expect(await sessionsOf(server, role)).toHaveLength(1);

    await own.close();

    await eventually(async () => (await sessionsOf(server, role)).length === 0);
  });

  test('is gone after it is closed in a transaction, and may be closed twice', async () => {
    await using role = await newRole(server);
    const to = new Secret(unique('new'));
    const { session: own } = await session(server, role);

    const error = await failure(
      postgres.exclusively(own, own.account, async () => {
        await postgres.changeOwnPassword(own, role.password, to);
        await own.close();
        await own.close();
      }),
    );

    expect(error).toMatchObject({ layer: 'TCP' });
    await eventually(async () => (await sessionsOf(server, role)).length === 0);
    expect(await outcome(server, role, to)).toBe('refused');
  });

  test('of a login that is barred is gone, too', async () => {
    await using role = await newRole(server, { more: 'ALTER ROLE %I NOLOGIN' });

    await outcome(server, role, role.password);

    await eventually(async () => (await sessionsOf(server, role)).length === 0);
  });

  test.each([
    ['has gone silent', 'stall'],
    ['is cut', 'cut'],
  ] as const)('does not hang when it is closed on a connection that %s', async (_, how) => {
    await using role = await newRole(server);
    await using wire = await relay(server);
    const { session: own } = await session({ ...server, host: wire.host, port: wire.port }, role);
    wire[how]();
    const started = performance.now();

    await own.close();

    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
