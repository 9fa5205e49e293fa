/** Whose password an admin does not set on MySQL and MariaDB. On real servers with the built function. */

import { expect, test } from '@jest/globals';
import { newPassword, Rotating, type RotatingOptions } from '../../../rotation/rotating.ts';
import { describeServers, type SharedServer, testUnless } from '../../../servers.ts';
import { quoted } from './account.ts';

const BY_ADMIN = {
  admin: { madeTheUser: true },
  environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
} satisfies RotatingOptions;

const isMariaDb = (server: SharedServer) => server.row.startsWith('mariadb');
const onlyMySql = (server: SharedServer) =>
  testUnless(isMariaDb(server) ? 'MariaDB has no place for a mark' : undefined);

const roleOf = (rotating: Rotating) => `role_${rotating.user.slice(-8)}`;

describeServers('mysql', 'single user by admin touches no password', (server) => {
  test.each<[string, (user: string, role: string) => string[], (role: string) => string]>([
    ['may make users', (user) => [`GRANT CREATE USER ON *.* TO ${user}`], () => 'holds CREATE USER on *.*'],
    ['may read files', (user) => [`GRANT SELECT, FILE ON *.* TO ${user}`], () => 'holds FILE on *.*'],
    ['may grant', (user) => [`GRANT USAGE ON *.* TO ${user} WITH GRANT OPTION`], () => 'holds GRANT OPTION on *.*'],
    ['may write the grant tables', (user) => [`GRANT UPDATE ON \`my%\`.* TO ${user}`], () => 'holds UPDATE on `my%`.*'],
    [
      'may take a role with a role that has such a right, which it does not start with',
      (user, role) => [
        `CREATE ROLE ${role}`,
        `CREATE ROLE ${role}_boss`,
        `GRANT SUPER ON *.* TO ${role}_boss`,
        `GRANT ${role}_boss TO ${role}`,
        `GRANT ${role} TO ${user}`,
      ],
      (role) => `has the role \`${role}_boss\`${isMariaDb(server) ? '' : '@`%`'}, which holds SUPER on *.*`,
    ],
  ])('of a user who %s, and names the reason', async (_, statements, words) => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    const role = roleOf(rotating);
    for (const statement of statements(quoted(rotating.user), role)) await rotating.sql(statement);
    // With a password that nobody knows, as a confused deputy would have it.
    await rotating.setPassword(newPassword());
    await rotating.expectRefused('PrivilegeError', `The user "${rotating.user}" ${words(role)}`, { step: 'setSecret' });
    for (const each of [role, `${role}_boss`]) await rotating.sql(`DROP ROLE IF EXISTS ${each}`);
  });

  test('but of an application’s user it does', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    const [user, role] = [quoted(rotating.user), roleOf(rotating)];
    await rotating.sql(`CREATE ROLE ${role}`);
    await rotating.sql(`GRANT ${role} TO ${user}`);
    await rotating.sql(`GRANT ALL ON \`app\\_%\`.* TO ${user} WITH GRANT OPTION`);
    await rotating.sql(`GRANT SELECT, PROCESS ON *.* TO ${user}`);
    await rotating.setPassword(newPassword());
    await rotating.expectRotated();
    await rotating.sql(`DROP ROLE ${role}`);
  });

  test.each([
    ['is locked', 'ACCOUNT LOCK', 'ACCOUNT UNLOCK', 'is locked (ACCOUNT LOCK); no password was set'],
    ['has to change its password', 'PASSWORD EXPIRE', undefined, 'PASSWORD EXPIRE'],
  ])('of a user who %s, which it does not lift', async (_, bar, lift, words) => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    const before = rotating.password();
    await rotating.setPassword(newPassword());
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} ${bar}`);
    await rotating.expectRefused('LoginBarredError', words, { step: 'setSecret' });
    if (lift === undefined) await rotating.setPassword(before);
    else await rotating.sql(`ALTER USER ${quoted(rotating.user)} ${lift}`);
    await rotating.expectRotated();
  });

  test.each([
    ['AWSAuthenticationPlugin', 'IAM tokens only'],
    ['unix_socket', 'by the plugin "unix_socket"'],
    ['parsec', 'by the plugin "parsec"'],
  ])('of a user who authenticates by %s', async (plugin, words) => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    await rotating.setPassword(newPassword());
    const values = [plugin, rotating.user];
    if (isMariaDb(server))
      await rotating.sql(`UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.plugin', ?) WHERE User = ?`, values);
    else await rotating.sql('UPDATE mysql.user SET plugin = ? WHERE User = ?', values);
    await rotating.rotate().then(({ attempts }) =>
      expect(attempts[0]?.steps.at(-1)?.error).toMatchObject({
        errorType: 'LoginBarredError',
        // Once something else makes the server read its tables anew, it knows the plugin, and has not loaded it.
        errorMessage: expect.stringMatching(`${words}|plugin by which the account authenticates is not loaded`),
      }),
    );
  });

  const mark = (rotating: Rotating, at: string, secret: string, base: string) =>
    rotating.sql(`ALTER USER ${quoted(at)} ATTRIBUTE '${JSON.stringify({ 'secret-rotation': { secret, base } })}'`);

  onlyMySql(server)('of a user who is another secret’s twin', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    await mark(rotating, rotating.user, 'arn:other', 'x');
    await rotating.expectRefused('ForeignUserError', 'is in the hands of another secret, arn:other', {
      step: 'setSecret',
    });
    await mark(rotating, rotating.user, rotating.arn, 'x');
    await rotating.expectRotated();
  });

  onlyMySql(server)('of a user who is the base of another secret’s twin', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    await rotating.sql(`CREATE USER ${quoted(rotating.twin)} IDENTIFIED BY 'x'`);
    await mark(rotating, rotating.twin, 'arn:other', rotating.user);
    await rotating.expectRefused('ForeignUserError', 'is in the hands of another secret, arn:other', {
      step: 'setSecret',
    });
  });

  test('where the admin may not see what the user holds, and has the statement', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    const admin = quoted(rotating.admin);
    await rotating.sql(`REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${admin}`);
    if (!isMariaDb(server)) await rotating.sql(`REVOKE rds_superuser_role FROM ${admin}`);
    await rotating.sql(`GRANT CREATE USER ON *.* TO ${admin}`);
    const cure = `GRANT SELECT ON mysql.* TO ${admin}`;
    await rotating.expectRefused('PrivilegeError', cure, { step: 'setSecret' });
    await rotating.sql(cure);
    await rotating.expectRotated();
  });
});
