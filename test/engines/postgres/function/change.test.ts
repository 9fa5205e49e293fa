import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { postgres } from '../../../../functions/postgres/engine.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import {
  ConnectionError,
  DatabaseError,
  PasswordPolicyError,
  PrivilegeError,
  ReadOnlyServerError,
} from '../../../../shared/database/errors.ts';
import { fakeServer } from '../../../conformance/relay.ts';
import { describeServers, testUnless } from '../../../servers.ts';
import { connect } from '../connection.ts';
import { accepting, done, inTurn, notHeld, quoting, READY } from '../fake.ts';
import {
  change,
  describeOwnServers,
  eventually,
  expectChanged,
  expectUnchanged,
  failure,
  newRole,
  session,
  sessionsOf,
  sql,
  unique,
} from './support.ts';

/** Of the lock for this user. */
const keyOf = (username: string) => `hashtextextended(${pg.escapeLiteral(`secret-rotation:${username}`)}, 0)`;

describeServers('postgres', 'changing the own password', (server) => {
  const newPassword = () => new Secret(unique('new'));

  test.each([
    ['as it is', 'SELECT'],
    ['with password_encryption = md5', 'ALTER ROLE %I SET password_encryption = md5'],
    ['that acts as another one', 'ALTER ROLE %I SET role = pg_monitor; GRANT pg_monitor TO %I'],
    ['with default_transaction_read_only = on', 'ALTER ROLE %I SET default_transaction_read_only = on'],
    ['with a statement_timeout of its own', 'ALTER ROLE %I SET statement_timeout = 1'],
    ['with escapes in plain strings', 'ALTER ROLE %I SET standard_conforming_strings = off'],
  ])('works for a user %s, and stores SCRAM', async (_, more) => {
    await using role = await newRole(server, { more });
    const to = newPassword();
    await using own = await session(server, role);

    expect(await change(own.session, role.password, to)).toBe('set');

    await expectChanged(server, role, to);
    const name = pg.escapeLiteral(role.username);
    const [stored] = await sql(server, `SELECT rolpassword FROM pg_authid WHERE rolname = ${name}`);
    expect(stored).toEqual({ rolpassword: expect.stringMatching(/^SCRAM-SHA-256\$4096:/) });
  });

  const before16 = Number.parseInt(server.version, 10) < 16 ? 'there is no scram_iterations before 16' : undefined;
  for (const [setting, stored] of [
    [1000, 1000],
    [20_000, 20_000],
    [2_000_000_000, 100_000],
  ])
    testUnless(before16)(`follows scram_iterations = ${setting}, up to a number that a login can bear`, async () => {
      await using role = await newRole(server, { more: `ALTER ROLE %I SET scram_iterations = ${setting}` });
      const to = newPassword();
      await using own = await session(server, role);

      expect(await change(own.session, role.password, to)).toBe('set');

      await expectChanged(server, role, to);
      const name = pg.escapeLiteral(role.username);
      const [row] = await sql(server, `SELECT rolpassword FROM pg_authid WHERE rolname = ${name}`);
      expect(row).toEqual({ rolpassword: expect.stringContaining(`SCRAM-SHA-256$${stored}:`) });
    });

  test('waits for the disk, and is done as the user itself, whatever its settings say', async () => {
    await using role = await newRole(server, {
      more: 'ALTER ROLE %I SET synchronous_commit = off; ALTER ROLE %I SET role = pg_monitor; GRANT pg_monitor TO %I',
    });
    await using own = await session(server, role);
    const query = jest.spyOn(pg.Client.prototype, 'query');
    let seen: unknown;

    await postgres.exclusively(own.session, own.session.account, async () => {
      const client = query.mock.contexts[0] as pg.Client;
      query.mockRestore();
      const settings = await client.query(
        "SELECT current_setting('synchronous_commit') synchronous, current_user = session_user itself",
      );
      seen = settings.rows;
    });

    expect(seen).toEqual([{ synchronous: 'on', itself: true }]);
  });

  test('keeps those out that work on the user from another database', async () => {
    await using role = await newRole(server);
    await using one = await session(server, role);
    await using other = await session({ ...server, database: 'template1' }, role, new Deadline(6000)); // 1 s for statements
    const alone = <T>({ session }: typeof one, work: () => Promise<T>) =>
      postgres.exclusively(session, session.account, work);

    const error = await alone(one, () => failure(alone(other, async () => {})));

    expect(error).toMatchObject({ name: 'DeadlineError', user: role.username, host: server.host });
    expect(await alone(other, async () => 'alone')).toBe('alone');
  });

  testUnless(Number.parseInt(server.version, 10) < 17 ? 'there is no transaction_timeout before 17' : undefined)(
    'takes its time, whatever transaction_timeout the user has',
    async () => {
      await using role = await newRole(server, { more: "ALTER ROLE %I SET transaction_timeout = '50ms'" });
      const to = newPassword();
      await using own = await session(server, role);

      await postgres.exclusively(own.session, own.session.account, async (stillAlone) => {
        await sleep(200);
        await stillAlone();
        await postgres.changeOwnPassword(own.session, role.password, to);
      });

      await expectChanged(server, role, to);
    },
  );

  test.each(['read committed', 'repeatable read', 'serializable'])(
    'sees what was done under the lock before, by default %s',
    async (level) => {
      await using role = await newRole(server, {
        more: `ALTER ROLE %I SET default_transaction_isolation = '${level}'`,
      });
      await using holder = await connect(server);
      await holder.query(`BEGIN; SELECT pg_advisory_xact_lock(${keyOf(role.username)})`);
      await using own = await session(server, role);

      const seeing = postgres.exclusively(own.session, own.session.account, () =>
        own.session.rows<{ comment: string | null }>(
          `SELECT shobj_description(oid, 'pg_authid') AS comment FROM pg_roles WHERE rolname = ${pg.escapeLiteral(role.username)}`,
        ),
      );
      await eventually(async () => (await sessionsOf(server, role)).includes('active'));
      await holder.query(`COMMENT ON ROLE ${pg.escapeIdentifier(role.username)} IS 'done'; COMMIT`);

      expect(await seeing).toEqual([{ comment: 'done' }]);
    },
  );

  test.each(['postgres', 'template1'])(
    'names the session that holds the lock for too long, in the database %s, and how to end it',
    async (database) => {
      await using role = await newRole(server);
      await using holder = await connect({ ...server, database });
      const [{ pid } = { pid: 0 }] = (
        await holder.query(`SELECT pg_backend_pid() AS pid, pg_advisory_lock(${keyOf(role.username)})`)
      ).rows;
      await using own = await session(server, role, new Deadline(9000));

      const error = await failure(change(own.session, role.password, newPassword()));

      expect(error).toMatchObject({ name: 'DeadlineError', code: '55P03', user: role.username, host: server.host });
      expect(error.message).toContain(`Session ${pid} of user "${server.superuser.username}"`);
      const [cure = ''] = /SELECT pg_terminate_backend\(\d+\)/.exec(error.message) ?? [];
      await sql(server, cure);
      await using another = await session(server, role);
      const to = newPassword();
      expect(await change(another.session, role.password, to)).toBe('set');
      await expectChanged(server, role, to);
    },
  );

  test('is one after the other also where two begin at once in two databases', async () => {
    await using role = await newRole(server);
    await using one = await session(server, role);
    await using other = await session({ ...server, database: 'template1' }, role);

    const order: string[] = [];
    const slowly = ({ session }: typeof one) =>
      postgres.exclusively(session, session.account, async (stillAlone) => {
        order.push('begin');
        await stillAlone();
        await stillAlone();
        order.push('end');
      });
    await Promise.all([slowly(one), slowly(other)]);

    expect(order).toEqual(['begin', 'end', 'begin', 'end']);
  });

  test('is not called done if the work hides that it failed', async () => {
    await using role = await newRole(server);
    await using own = await session(server, role);
    // A statement that has to fail, and not the session with it.
    Object.assign(own.session, { account: { username: unique('nobody'), realm: '' } });

    const error = await failure(
      postgres.exclusively(own.session, own.session.account, async () => {
        await postgres.changeOwnPassword(own.session, role.password, newPassword()).catch(() => {});
      }),
    );

    expect(error).toBeInstanceOf(DatabaseError);
    expect(error.message).toContain('rolled back');
  });

  test('does not happen if an administrator ends the session meanwhile, and says so', async () => {
    await using role = await newRole(server);
    const to = newPassword();
    await using own = await session(server, role);

    const error = await failure(
      postgres.exclusively(own.session, own.session.account, async () => {
        await postgres.changeOwnPassword(own.session, role.password, to);
        await sql(
          server,
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ${pg.escapeLiteral(role.username)}`,
        );
        await eventually(async () => (await sessionsOf(server, role)).length === 0);
      }),
    );

    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ code: '57P01', user: role.username, host: server.host });
    await expectUnchanged(server, role, to);
  });

  test('names the right that is missing', async () => {
    // Seen on PostgreSQL 15: only a superuser changes the password of a role with REPLICATION. Where that is no longer so,
    // a role without a right over itself is not to be had, and the statement for somebody else's role has to do.
    await using role = await newRole(server, server.row === 'postgres 15' ? { options: 'REPLICATION' } : {});
    await using another = await newRole(server);
    await using own = await session(server, role);
    if (server.row !== 'postgres 15')
      Object.assign(own.session, { account: { username: another.username, realm: '' } });
    const to = newPassword();

    const error = await failure(change(own.session, role.password, to));

    expect(error).toBeInstanceOf(PrivilegeError);
    expect(error).toMatchObject({ layer: 'privilege', retryHelps: false, code: '42501', user: role.username });
    expect(error.message).toContain(role.username);
    await expectUnchanged(server, role, to);
  });
});

/** COMMIT waits for a standby that is not there. The superuser's own does not. */
await describeOwnServers('postgres', 'a commit that waits for a standby', {}, (server) => {
  const name = pg.escapeLiteral;
  const begin = async () => {
    const role = await newRole(server);
    await sql(server, 'ALTER ROLE postgres SET synchronous_commit = local');
    await sql(server, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    await sql(server, 'SELECT pg_reload_conf()');
    const own = await session(server, role);
    const to = new Secret(unique('new'));
    const outcome = change(own.session, role.password, to).catch((error) => error);
    await eventually(async () => {
      const waiting = `SELECT FROM pg_stat_activity WHERE usename = ${name(role.username)} AND wait_event = 'SyncRep'`;
      return (await sql(server, waiting)).length > 0;
    });
    return { role, to, outcome, [Symbol.asyncDispose]: () => own[Symbol.asyncDispose]() };
  };
  const signal = ({ role }: Awaited<ReturnType<typeof begin>>, by: 'terminate' | 'cancel') =>
    sql(server, `SELECT pg_${by}_backend(pid) FROM pg_stat_activity WHERE usename = ${name(role.username)}`);

  test('and is ended in the middle of it may have happened, and has', async () => {
    await using under = await begin();
    await signal(under, 'terminate');

    const error = await under.outcome;

    expect(error).toBeInstanceOf(ConnectionError);
    expect((error as Error).message).toContain('may have happened');
    await expectChanged(server, under.role, under.to);
  });

  test('and is cancelled in the middle of it has happened', async () => {
    await using under = await begin();
    await signal(under, 'cancel');

    expect(await under.outcome).toBe('set');
    await expectChanged(server, under.role, under.to);
  });
});

test('what the server answers to COMMIT is never taken for "nothing was changed"', async () => {
  const cancelled = (heard: string) => Buffer.concat([quoting(heard, '57014'), READY]);
  await using server = await fakeServer(inTurn(accepting, notHeld, cancelled, done));
  const as = { username: 'nemo', password: new Secret('password') };
  await using own = await session({ ...server, database: 'd', superuser: { username: '', password: '' } }, as);

  const error = await failure(postgres.exclusively(own.session, own.session.account, async () => {}));

  expect(error).toMatchObject({ name: 'DatabaseError', code: '57014', user: as.username, retryHelps: true });
  expect(error.message).toContain('the change may have happened');
});

describe('what the server answers to ALTER ROLE … PASSWORD', () => {
  test.each([
    ['a check of passwords in PL/pgSQL', 'P0001', PasswordPolicyError],
    ['a check that looks into a table', '23514', PasswordPolicyError],
    ['a check that is broken', '42883', PasswordPolicyError],
    ['passwordcheck', '22023', PasswordPolicyError],
    ['a missing right', '42501', PrivilegeError],
    ['a replica', '25006', ReadOnlyServerError],
    ['a role that is gone', '42704', DatabaseError],
    ['a change at the same time', 'XX000', DatabaseError],
    ['a full disk', '53100', DatabaseError],
    ['a shutdown', '57P01', ConnectionError],
  ])('%s (%s)', async (_, code, kind) => {
    await using server = await fakeServer(inTurn(accepting, (heard) => Buffer.concat([quoting(heard, code), READY])));
    const as = { username: 'nemo', password: new Secret('password') };
    await using own = await session({ ...server, database: 'd', superuser: { username: '', password: '' } }, as);

    const error = await failure(postgres.changeOwnPassword(own.session, as.password, new Secret('next')));

    expect(error.constructor).toBe(kind);
    expect(error).toMatchObject({ code });
  });
});
