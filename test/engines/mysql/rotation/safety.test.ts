/** What an admin must not be led to do on MySQL and MariaDB. On real servers with the built function. */

import { expect, test } from '@jest/globals';
import { newPassword, Rotating, type RotatingOptions } from '../../../rotation/rotating.ts';
import { describeServers, type SharedServer, testUnless } from '../../../servers.ts';
import { quoted } from './account.ts';

const BY_ADMIN = {
  admin: { madeTheUser: true },
  environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
} satisfies RotatingOptions;

const ALTERNATING = { admin: { madeTheUser: true } } satisfies RotatingOptions;

const isMariaDb = (server: SharedServer) => server.row.startsWith('mariadb');

describeServers('mysql', 'single user by admin', (server) => {
  test('sees what a role holds, also where the roles in it hold less', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    const [user, outer] = [quoted(rotating.user), `r${rotating.user.slice(-8)}`];
    const inner = `${outer}_inner`;
    for (const role of [outer, inner]) await rotating.sql(`CREATE ROLE ${role}`);
    try {
      await rotating.sql(`GRANT CREATE USER ON *.* TO ${outer}`);
      await rotating.sql(`GRANT ${inner} TO ${outer}`);
      await rotating.sql(`GRANT ${outer} TO ${user}`);
      await rotating.setPassword(newPassword());
      await rotating.expectRefused('PrivilegeError', 'which holds CREATE USER on *.*');
    } finally {
      for (const role of [outer, inner]) await rotating.sql(`DROP ROLE ${role}`);
    }
  });
});

describeServers('mysql', 'a password that was retained beside the old one', (server) => {
  const onlyMySql = testUnless(isMariaDb(server) ? 'MariaDB keeps one password for a user' : undefined);
  const retaining = async (rotating: Rotating) => {
    const password = newPassword();
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} IDENTIFIED BY ? RETAIN CURRENT PASSWORD`, [password]);
    return password;
  };
  const expectOnlyNewOne = async (rotating: Rotating, old: readonly string[]) => {
    await rotating.expectRotated();
    for (const password of old) expect(await rotating.logsIn(password)).toBe(false);
  };

  onlyMySql('does not outlive the admin’s change, if it is an earlier one', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    const retained = rotating.password();
    const password = await retaining(rotating);
    rotating.edit({ password });
    await expectOnlyNewOne(rotating, [retained, password]);
  });

  onlyMySql('does not outlive the admin’s change, if it is AWSCURRENT’s', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    const current = rotating.password();
    await expectOnlyNewOne(rotating, [current, await retaining(rotating)]);
  });
});

describeServers('mysql', 'a locked user that is called like the twin', (server) => {
  test('is not taken as empty by an admin that may not see whose views and routines there are', async () => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    const [twin, admin, database] = [quoted(rotating.twin), quoted(rotating.admin), `x${rotating.user.slice(-8)}`];
    await rotating.sql(`REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${admin}`);
    if (!isMariaDb(server)) await rotating.sql(`REVOKE rds_superuser_role FROM ${admin}`);
    await rotating.sql(`GRANT CREATE USER ON *.* TO ${admin}`);
    await rotating.sql(`GRANT SELECT ON mysql.* TO ${admin}`);
    await rotating.sql(`CREATE USER ${twin} ACCOUNT LOCK`);
    await rotating.sql(`CREATE DATABASE ${database}`);
    try {
      await rotating.sql(`CREATE DEFINER = ${twin} VIEW ${database}.v AS SELECT 1 AS one`);
      await rotating.expectRefused('ForeignUserError', 'is there already');
      await rotating.sql(`GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO ${admin}`);
      await rotating.expectRefused('ForeignUserError', 'is there already');
    } finally {
      await rotating.sql(`DROP DATABASE ${database}`);
    }
    await rotating.expectRotated();
  });

  test('is not empty where another user may act as it', async () => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    await rotating.sql(`CREATE USER ${quoted(rotating.twin)} ACCOUNT LOCK`);
    // root@% has no PROXY to grant.
    await rotating.sql(
      `INSERT INTO mysql.proxies_priv (Host, User, Proxied_host, Proxied_user, With_grant, Grantor) VALUES ('%', 'somebody', '%', '${rotating.twin}', 0, '')`,
    );
    await rotating.expectRefused('ForeignUserError', 'is there already');
    await rotating.sql(`DELETE FROM mysql.proxies_priv WHERE Proxied_user = '${rotating.twin}'`);
    await rotating.expectRotated();
  });
});
