import { expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { postgres } from '../../../../functions/postgres/engine.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { ConnectionError, DatabaseError, PrivilegeError } from '../../../../shared/database/errors.ts';
import { describeServers } from '../../../servers.ts';
import {
  change,
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
