/** What testSecret called alone finds on MySQL and MariaDB, where it sends no change. */

import { expect, test } from '@jest/globals';
import { Rotating, type RotatingOptions } from '../../../rotation/rotating.ts';
import { describeOwnServers, describeServers, type SharedServer, testUnless } from '../../../servers.ts';
import { quoted } from './account.ts';

const BY_ADMIN = {
  admin: { madeTheUser: true },
  environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
} satisfies RotatingOptions;

const ALTERNATING = { admin: { madeTheUser: true } } satisfies RotatingOptions;

const isMariaDb = ({ row }: SharedServer) => row.startsWith('mariadb');
const onMariaDb = (server: SharedServer) => testUnless(isMariaDb(server) ? undefined : 'a matter of MariaDB');
const onMySql = (server: SharedServer) => testUnless(isMariaDb(server) ? 'a matter of MySQL' : undefined);

const WITH_TWIN = [
  ['a twin that is yet to be made', false],
  ['a twin that is there', true],
] as const;

describeServers('mysql', 'testSecret alone finds', (server) => {
  test.each(WITH_TWIN)('every right of the base that the admin cannot pass on, %s', async (_, hasTwin) => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    if (hasTwin) {
      await rotating.expectRotated(rotating.twin);
      await rotating.expectRotated(rotating.user);
    }
    const [user, role] = [quoted(rotating.user), `r${rotating.user.slice(-8)}`];
    // On MySQL, this admin may grant any role (ROLE_ADMIN) and any dynamic privilege (UPDATE on mysql.*).
    const faults = isMariaDb(server)
      ? [
          ['FILE on *.*', `GRANT FILE ON *.* TO ${user}`, `REVOKE FILE ON *.* FROM ${user}`],
          [`the role \`${role}\``, `GRANT ${role} TO ${user}`, `REVOKE ${role} FROM ${user}`],
          // The admin has all of it but DELETE HISTORY.
          [
            `ALL PRIVILEGES on \`${role}\`.*`,
            `GRANT ALL PRIVILEGES ON ${role}.* TO ${user}`,
            `REVOKE ALL PRIVILEGES ON ${role}.* FROM ${user}`,
          ],
        ]
      : [['FILE on *.*', `GRANT FILE ON *.* TO ${user}`, `REVOKE FILE ON *.* FROM ${user}`]];
    if (isMariaDb(server)) await rotating.sql(`CREATE ROLE ${role}`);
    try {
      for (const [, plant = ''] of faults) await rotating.sql(plant);

      const found = await rotating.preflight();

      for (const [words] of faults)
        expect(found).toContainEqual({
          errorType: 'PrivilegeError',
          message: expect.stringContaining(`settle ${words}`),
        });
      expect(found).toHaveLength(faults.length);
      for (const [, , mend = ''] of faults) await rotating.sql(mend);
      for (const [words = '', plant = '', mend = ''] of faults) {
        await rotating.sql(plant);
        const { error } = await rotating.rotate();
        expect(error).toMatch(/PrivilegeError/);
        expect(error).toContain(`settle ${words}`);
        await rotating.sql(mend);
      }
      await rotating.expectRotated(rotating.twin);
    } finally {
      if (isMariaDb(server)) await rotating.sql(`DROP ROLE IF EXISTS ${role}`);
    }
  });

  test('nothing where the base has what the admin may pass on', async () => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    const [user, database] = [quoted(rotating.user), `x${rotating.user.slice(-8)}`];
    await rotating.sql(`CREATE DATABASE ${database}`);
    try {
      await rotating.sql(`CREATE TABLE ${database}.t (a INT, b INT)`);
      const all = isMariaDb(server) ? 'SELECT, INSERT, UPDATE, CREATE VIEW, EXECUTE, EVENT' : 'ALL PRIVILEGES';
      await rotating.sql(`GRANT ${all} ON \`${database.replace('x', '_')}\`.* TO ${user}`);
      await rotating.sql(`GRANT SELECT (a), UPDATE (b) ON ${database}.t TO ${user} WITH GRANT OPTION`);
      await rotating.sql(`GRANT PROCESS, SELECT${isMariaDb(server) ? '' : ', BACKUP_ADMIN'} ON *.* TO ${user}`);
      expect(await rotating.preflight()).toEqual([]);
      await rotating.expectRotated(rotating.twin);
    } finally {
      await rotating.sql(`DROP DATABASE ${database}`);
    }
  });

  test.each([
    ['single-user-by-admin', BY_ADMIN],
    ['alternating-users', ALTERNATING],
  ])('an admin without CREATE USER, %s', async (_, options) => {
    await using rotating = await Rotating.on(server, options);
    const admin = quoted(rotating.admin);
    await rotating.sql(`REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${admin}`);
    if (!isMariaDb(server)) await rotating.sql(`REVOKE rds_superuser_role FROM ${admin}`);
    await rotating.sql(`GRANT SELECT, PROCESS, SHOW VIEW, TRIGGER, EVENT ON *.* TO ${admin}`);
    const [first] = await rotating.preflight();
    const { attempts } = await rotating.rotate();
    expect(first?.errorType).toBe(attempts[0]?.steps.at(-1)?.error?.errorType);
    if (isMariaDb(server)) expect(first?.message).toContain(`run GRANT CREATE USER ON *.* TO ${admin}`);
  });

  test.each([
    ['REQUIRE X509', 'a client certificate (REQUIRE X509)'],
    ['REQUIRE SSL', 'has to log in over TLS (REQUIRE SSL)'],
  ])('a user who logs in in another way than this function, by admin: %s', async (clause, words) => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} ${clause}`);
    expect(await rotating.preflight()).toEqual([
      { errorType: 'LoginBarredError', message: expect.stringContaining(words) },
    ]);
    await rotating.expectRefused('LoginBarredError', words, { step: 'setSecret' });
  });

  test('all that is wrong with a user at once, by admin', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    const user = quoted(rotating.user);
    await rotating.sql(`GRANT FILE ON *.* TO ${user}`);
    await rotating.sql(`ALTER USER ${user} REQUIRE X509 ACCOUNT LOCK`);
    const found = await rotating.preflight();
    expect(found).toEqual([
      { errorType: 'PrivilegeError', message: expect.stringContaining('FILE on *.*') },
      { errorType: 'LoginBarredError', message: expect.stringContaining('is locked') },
      { errorType: 'LoginBarredError', message: expect.stringContaining('REQUIRE X509') },
    ]);
  });

  test('a user with accounts for several hosts, single user', async () => {
    await using rotating = await Rotating.on(server, { ...ALTERNATING, tags: { 'rotation-strategy': 'single-user' } });
    await rotating.sql(`CREATE USER ?@'127.0.0.1' IDENTIFIED BY ?`, [rotating.user, rotating.password()]);
    expect(await rotating.preflight()).toEqual([
      { errorType: 'SeveralAccountsError', message: expect.stringContaining('"127.0.0.1"') },
    ]);
    await rotating.expectRefused('SeveralAccountsError', '"127.0.0.1"');
  });

  onMySql(server)('a user who may not keep its old password, dual password', async () => {
    await using rotating = await Rotating.on(server, { tags: { 'rotation-strategy': 'dual-password' } });
    const words = `run GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ${quoted(rotating.user)}`;
    expect(await rotating.preflight()).toEqual([
      { errorType: 'PrivilegeError', message: expect.stringContaining(words) },
    ]);
    await rotating.expectRefused('PrivilegeError', words);
  });
});

/** What each strategy is told in its own way. */
const STRATEGIES: [string, RotatingOptions][] = [
  ['single user', {}],
  ['by admin', BY_ADMIN],
  ['alternating users', ALTERNATING],
];

await describeOwnServers('mysql', 'testSecret alone finds', {}, (server) => {
  test.each(STRATEGIES)('a read-only server, %s', async (_, options) => {
    await using rotating = await Rotating.on(server, options);
    await rotating.sql('SET GLOBAL read_only = ON');
    try {
      const found = await rotating.preflight();
      expect(found[0]).toEqual({
        errorType: 'ReadOnlyServerError',
        message: expect.stringContaining('(read_only)'),
      });
      expect(found).toHaveLength(1);
      await rotating.expectRefused('ReadOnlyServerError', '(read_only)', { step: 'setSecret' });
    } finally {
      await rotating.sql('SET GLOBAL read_only = OFF');
    }
  });

  for (const [name, options] of STRATEGIES) {
    onMySql(server)(`rules for passwords that the settings do not meet, ${name}`, async () => {
      const environment = { ...options.environment, EXCLUDE_PUNCTUATION: 'true' };
      await using rotating = await Rotating.on(server, { ...options, environment });
      await rotating.sql("INSTALL COMPONENT 'file://component_validate_password'");
      try {
        await rotating.sql('SET GLOBAL validate_password.policy = MEDIUM');
        const words = 'does not satisfy its password policy';
        expect(await rotating.preflight()).toEqual([
          { errorType: 'PasswordPolicyError', message: expect.stringContaining(words) },
        ]);
        expect((await rotating.rotate()).error).toMatch(new RegExp(`PasswordPolicyError: .*${words}`));
        await rotating.sql('SET GLOBAL validate_password.special_char_count = 0');
        await rotating.expectRotated();
        expect(await rotating.preflight()).toEqual([]);
      } finally {
        await rotating.sql("UNINSTALL COMPONENT 'file://component_validate_password'");
      }
    });

    onMariaDb(server)(`a plugin that checks passwords and takes no hash, ${name}`, async () => {
      await using rotating = await Rotating.on(server, options);
      await rotating.sql("INSTALL SONAME 'simple_password_check'");
      try {
        const words = 'takes no password hash';
        expect(await rotating.preflight()).toEqual([
          { errorType: 'PasswordPolicyError', message: expect.stringContaining(words) },
        ]);
        expect((await rotating.rotate()).error).toMatch(new RegExp(`PasswordPolicyError: .*${words}`));
        await rotating.sql('SET GLOBAL strict_password_validation = OFF');
        await rotating.expectRotated();
        expect(await rotating.preflight()).toEqual([]);
      } finally {
        await rotating.sql('SET GLOBAL strict_password_validation = ON');
        await rotating.sql("UNINSTALL SONAME 'simple_password_check'");
      }
    });
  }
});
