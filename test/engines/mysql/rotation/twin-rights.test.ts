/** That base and twin hold the same on MySQL and MariaDB, by the servers' own words. */

import { expect, test } from '@jest/globals';
import connection from 'mysql2/promise';
import { mysql } from '../../../../functions/mysql/engine.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { type Pair, supported } from '../../../../shared/database/engine.ts';
import { proxy } from '../../../rotation/proxy.ts';
import { Rotating, type RotatingOptions } from '../../../rotation/rotating.ts';
import { describeOwnServers, describeServers, type SharedServer, testUnless } from '../../../servers.ts';
import { comparable, quoted, wordsOn } from './account.ts';
import { dropped, type Names, objects, type Shape, shapes } from './shapes.ts';

const OPTIONS = { admin: { madeTheUser: true } } satisfies RotatingOptions;

const productOf = (server: SharedServer) => (server.row.startsWith('mysql') ? 'MySQL' : 'MariaDB');

/** A base that has them all, and can be rid of some. */
async function furnish(rotating: Rotating, server: SharedServer): Promise<{ all: Shape[] } & AsyncDisposable> {
  const names: Names = {
    user: quoted(rotating.user),
    admin: quoted(rotating.admin),
    some: `x${rotating.user.slice(-8)}`,
  };
  const product = productOf(server);
  const all = shapes(names).filter(({ on }) => on === undefined || on === product);
  for (const statement of [...objects(names, product), ...all.flatMap(({ give }) => give)])
    await rotating.sql(statement);
  return {
    all,
    async [Symbol.asyncDispose]() {
      for (const statement of dropped(names)) await rotating.sql(statement);
    },
  };
}

async function expectSame(rotating: Rotating): Promise<void> {
  expect(await comparable(rotating, rotating.twin)).toEqual(await comparable(rotating, rotating.user));
}

describeServers('mysql', 'what the twin may', (server) => {
  test('is what the base may, in the server’s words; again after rights were taken, and after the twin had been active', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await using furnished = await furnish(rotating, server);
    const words = await wordsOn(rotating, quoted(rotating.user));
    expect(furnished.all.length).toBeGreaterThanOrEqual(25);
    for (const { what, line } of furnished.all)
      expect([what, words.some((each) => each.includes(line))]).toEqual([what, true]);

    await rotating.expectRotated(rotating.twin);
    await expectSame(rotating);

    await rotating.expectRotated(rotating.user);
    for (const { take = [] } of furnished.all) for (const statement of take) await rotating.sql(statement);
    await rotating.expectRotated(rotating.twin);
    await expectSame(rotating);

    // What was taken and is given again.
    await rotating.expectRotated(rotating.user);
    for (const { take, give } of furnished.all.filter(({ what }) => !what.includes('gone')))
      for (const statement of take ? give : []) await rotating.sql(statement);
    await rotating.expectRotated(rotating.twin);
    await expectSame(rotating);
  }, 180_000);

  test('is given in as many statements as there are rights, and few more', async () => {
    const GRANTS = 200;
    const sent: string[] = [];
    await using between = await proxy(server, (from, bytes) => {
      if (from === 'client') sent.push(bytes.toString('latin1'));
    });
    const { endpoint } = between;
    const options = { admin: { ...OPTIONS.admin, secret: endpoint }, secret: endpoint };
    await using rotating = await Rotating.on(server, options);
    for (let at = 0; at < GRANTS; at++)
      for (const user of [rotating.user, rotating.admin])
        await rotating.sql(`GRANT SELECT ON \`${rotating.user}_${at}\`.* TO ${quoted(user)} WITH GRANT OPTION`);

    await rotating.expectRotated(rotating.twin);

    const grants = sent.filter((text) => /GRANT SELECT/.test(text)).length;
    expect(grants).toBeGreaterThanOrEqual(GRANTS);
    expect(sent.length).toBeLessThan(1.5 * GRANTS);
  });

  test.each([
    ['REQUIRE SSL'],
    ['REQUIRE X509'],
    [`REQUIRE SUBJECT '/CN=o\\'brien' AND ISSUER '/CN="ca"\\\\' AND CIPHER 'TLS_AES_256_GCM_SHA384'`],
    [`REQUIRE ISSUER '/CN= WITH GRANT OPTION' WITH MAX_USER_CONNECTIONS 7`],
  ])('follows %s, with which no password alone logs in', async (clause) => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.expectRotated(rotating.twin);
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} ${clause}`);
    await converge(rotating, server);
    await expectSame(rotating);
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} REQUIRE NONE WITH MAX_USER_CONNECTIONS 0`);
    await converge(rotating, server);
    await expectSame(rotating);
  });

  const onlyMySql = testUnless(productOf(server) === 'MariaDB' ? 'MariaDB has one default role' : undefined);
  onlyMySql('follows the base to many default roles', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const roles = Array.from(
      { length: 45 },
      (_, number) => `a_role_with_a_long_name_${rotating.user.slice(-4)}${number}`,
    );
    const [user, twin] = [quoted(rotating.user), quoted(rotating.twin)];
    await rotating.sql(`CREATE ROLE ${roles.join()}`);
    try {
      await rotating.sql(`GRANT ${roles.join()} TO ${user}`);
      await rotating.sql(`ALTER USER ${user} DEFAULT ROLE ALL`);
      await rotating.expectRotated(rotating.twin);
      await expectSame(rotating);
      await rotating.expectRotated(rotating.user);
      await rotating.sql(`ALTER USER ${twin} DEFAULT ROLE ${roles.slice(0, 40).join()}`);
      await rotating.expectRotated(rotating.twin);
      await expectSame(rotating);
    } finally {
      await rotating.sql(`DROP ROLE ${roles.join()}`);
    }
  });

  test('follows the base to a right on a table that is gone, and the table may come again', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const database = `x${rotating.user.slice(-8)}`;
    await rotating.sql(`CREATE DATABASE ${database}`);
    try {
      await rotating.sql(`CREATE TABLE ${database}.t (id int)`);
      await rotating.sql(`GRANT SELECT ON ${database}.t TO ${quoted(rotating.user)}`);
      await rotating.sql(`DROP TABLE ${database}.t`);
      await rotating.expectRotated(rotating.twin);
      expect(await wordsOn(rotating, quoted(rotating.twin))).toContainEqual(
        expect.stringContaining(`GRANT SELECT ON \`${database}\`.\`t\` TO`),
      );
    } finally {
      await rotating.sql(`DROP DATABASE ${database}`);
    }
  });

  test('cannot be a right on a column that is gone: the error takes away that right alone', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const database = `x${rotating.user.slice(-8)}`;
    const user = quoted(rotating.user);
    await rotating.sql(`CREATE DATABASE ${database}`);
    try {
      await rotating.sql(`CREATE TABLE ${database}.t (a int, b int, c int)`);
      await rotating.sql(`GRANT SELECT (a), UPDATE (b), INSERT (a, c) ON ${database}.t TO ${user}`);
      await rotating.sql(`ALTER TABLE ${database}.t DROP COLUMN b, DROP COLUMN c`);
      const cures = ['INSERT (`c`)', 'UPDATE (`b`)'].map(
        (name) => `REVOKE ${name} ON \`${database}\`.\`t\` FROM ${user}`,
      );

      const remedies = await remediesFor(rotating, 'TwinRightsError');

      expect(remedies.sort()).toEqual(cures);
      for (const remedy of remedies) await rotating.sql(remedy);
      expect((await wordsOn(rotating, user)).join()).toMatch(/(SELECT|INSERT) \(`a`\), (SELECT|INSERT) \(`a`\) ON/);
      await rotating.expectRotated(rotating.twin);
      await expectSame(rotating);
    } finally {
      await rotating.sql(`DROP DATABASE ${database}`);
    }
  });

  test('cannot be a right on what went with its database: the error has the statements', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const database = `x${rotating.user.slice(-8)}`;
    const user = quoted(rotating.user);
    await rotating.sql(`CREATE DATABASE ${database}`);
    await rotating.sql(`CREATE TABLE ${database}.t (a int)`);
    await rotating.sql(`CREATE PROCEDURE ${database}.p() SELECT 1`);
    await rotating.sql(`CREATE FUNCTION ${database}.f() RETURNS INT DETERMINISTIC RETURN 1`);
    await rotating.sql(`GRANT EXECUTE ON PROCEDURE ${database}.p TO ${user}`);
    await rotating.sql(`GRANT EXECUTE, ALTER ROUTINE ON FUNCTION ${database}.f TO ${user}`);
    await rotating.sql(`GRANT SELECT, INSERT (a) ON ${database}.t TO ${user}`);
    await rotating.sql(`GRANT SELECT ON ${database}.* TO ${user}`);
    await rotating.sql(`DROP DATABASE ${database}`);

    for (let n = 0; n < 4; n++) {
      const { error } = await rotating.rotate();
      if (error === undefined) break;
      expect(error).toContain('TwinRightsError');
      for (const remedy of remediesIn(error)) await rotating.sql(remedy);
    }
    await rotating.expectRotated();
    await expectSame(rotating);
  });
});

/** The statements to run in an error of every attempt. */
async function remediesFor(rotating: Rotating, errorType: string): Promise<string[]> {
  await expectRefusal(rotating, errorType, 'run ');
  const { error } = await rotating.rotate();
  return remediesIn(error);
}

function remediesIn(message = ''): string[] {
  return (/: run (.*?)\. AWSCURRENT works/s.exec(message)?.[1] ?? '').split('; ');
}

/** As the user in AWSCURRENT. */
async function as({ host, port }: SharedServer, rotating: Rotating, statement: string): Promise<void> {
  const [user, password] = [String(rotating.value()['username']), rotating.password()];
  const client = await connection.createConnection({ host, port, user, password });
  await client.query(statement).finally(() => client.end());
}

/** What the strategy does with an admin's session, for a base that cannot log in. */
async function converge(rotating: Rotating, server: SharedServer): Promise<void> {
  const { store } = rotating.manager;
  const admin = JSON.parse((store.getSecretValue({ SecretId: 'admin' }) as { SecretString: string }).SecretString);
  const { host, port } = server;
  const to = { host, port, tls: 'off', options: {} } as const;
  const result = await mysql.login(
    to,
    { username: admin.username, password: new Secret(admin.password) },
    new Deadline(60_000),
  );
  if (result.is !== 'accepted') throw result.why;
  const twins = supported(mysql.twins(admin.engine));
  const pair: Pair = {
    base: { username: rotating.user, realm: '%' },
    twin: { username: rotating.twin, realm: '%' },
    owner: rotating.arn,
  };
  try {
    for (const difference of (await twins.differences(result.session, pair)) as never[])
      await twins.apply(result.session, pair, difference);
    expect(await twins.differences(result.session, pair)).toEqual([]);
  } finally {
    await result.session.close();
  }
}

/** On every attempt, with AWSCURRENT as it was. */
async function expectRefusal(rotating: Rotating, errorType: string, words: string): Promise<void> {
  const before = rotating.value();
  const { attempts, succeeded } = await rotating.rotate({ attempts: 3 });
  expect(succeeded).toBe(false);
  for (const { steps } of attempts)
    expect(steps.at(-1)?.error).toMatchObject({ errorType, errorMessage: expect.stringContaining(words) });
  expect(rotating.value()).toEqual(before);
  expect(await rotating.logsIn(rotating.password(), String(before['username']))).toBe(true);
}

describeServers('mysql', 'what the admin cannot give', (server) => {
  const isMariaDb = productOf(server) === 'MariaDB';
  const onlyMySql = testUnless(isMariaDb ? 'MariaDB has no such right' : undefined);

  test('is named, on every attempt, and nothing is promoted; what it may is given meanwhile', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const [user, admin] = [quoted(rotating.user), quoted(rotating.admin)];
    await rotating.sql(`GRANT PROCESS, FILE, SHOW DATABASES ON *.* TO ${user}`);
    const cure = `GRANT FILE ON *.* TO ${admin} WITH GRANT OPTION`;
    await expectRefusal(rotating, 'PrivilegeError', `settle FILE on *.* of ${quoted(rotating.twin)}`);
    await expectRefusal(rotating, 'PrivilegeError', cure);
    await rotating.sql(cure);
    await rotating.expectRotated(rotating.twin);
    await expectSame(rotating);
  });

  test('on a database is named with it', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const database = `x${rotating.user.slice(-8)}`;
    const [role, own] = [`${database}_role`, isMariaDb ? 'DELETE HISTORY' : 'SELECT'];
    await rotating.sql(`CREATE ROLE ${role}`);
    try {
      await rotating.sql(`GRANT INSERT, ${own} ON ${database}.* TO ${quoted(rotating.user)}`);
      if (isMariaDb) {
        const cure = `GRANT DELETE HISTORY ON \`${database}\`.* TO ${quoted(rotating.admin)} WITH GRANT OPTION`;
        await expectRefusal(rotating, 'PrivilegeError', cure);
        await rotating.sql(cure);
        await rotating.sql(`GRANT ${role} TO ${quoted(rotating.user)}`);
        const roleCure = `GRANT \`${role}\` TO ${quoted(rotating.admin)} WITH ADMIN OPTION`;
        await expectRefusal(rotating, 'PrivilegeError', roleCure);
        await rotating.sql(roleCure);
      }
      await rotating.expectRotated(rotating.twin);
      await expectSame(rotating);
    } finally {
      await rotating.sql(`DROP ROLE ${role}`);
    }
  });

  test('of PROXY is refused before there is a twin', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.sql(`GRANT PROXY ON ${quoted('somebody')} TO ${quoted(rotating.user)}`).catch(async () => {
      // root@% has not got it here.
      await rotating.sql(
        `INSERT INTO mysql.proxies_priv (Host, User, Proxied_host, Proxied_user, With_grant, Grantor) VALUES ('%', '${rotating.user}', '%', 'somebody', 0, '')`,
      );
      await rotating.sql('FLUSH PRIVILEGES');
    });
    await expectRefusal(rotating, 'PrivilegeError', 'PROXY on ');
    expect(await rotating.sql(`SELECT 1 FROM mysql.user WHERE User = '${rotating.twin}'`)).toEqual([]);
    await rotating.sql(`DELETE FROM mysql.proxies_priv WHERE User = '${rotating.user}'`);
    await rotating.sql('FLUSH PRIVILEGES');
    await rotating.expectRotated(rotating.twin);
  });

  onlyMySql('of SYSTEM_USER is refused before it shuts the admin out of the twin', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const [user, admin] = [quoted(rotating.user), quoted(rotating.admin)];
    await rotating.sql(`GRANT SYSTEM_USER ON *.* TO ${user}`);
    const cure = `GRANT SYSTEM_USER ON *.* TO ${admin} WITH GRANT OPTION`;
    await expectRefusal(rotating, 'PrivilegeError', cure);
    expect(await rotating.sql(`SELECT 1 FROM mysql.user WHERE User = '${rotating.twin}'`)).toEqual([]);
    await rotating.sql(`REVOKE SYSTEM_USER ON *.* FROM ${user}`);
    await rotating.expectRotated(rotating.twin);
    await rotating.expectRotated(rotating.user);
    await rotating.sql(`GRANT SYSTEM_USER ON *.* TO ${user}`);
    const before = await rotating.stored();
    await expectRefusal(rotating, 'PrivilegeError', cure);
    expect(await rotating.stored()).toEqual(before);
    await rotating.sql(cure);
    await rotating.expectRotated(rotating.twin);
    await expectSame(rotating);
  });

  test('to see is named, with the statement', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const admin = quoted(rotating.admin);
    await rotating.sql(`REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${admin}`);
    if (!isMariaDb) await rotating.sql(`REVOKE rds_superuser_role FROM ${admin}`);
    await rotating.sql(`GRANT CREATE USER ON *.* TO ${admin}`);
    await expectRefusal(rotating, 'PrivilegeError', `GRANT SELECT ON mysql.* TO ${admin}`);
    await rotating.sql(`GRANT SELECT ON mysql.* TO ${admin}`);
    await rotating.expectRotated(rotating.twin);
  });
});

describeServers('mysql', 'a twin that is active and holds what the base does not', (server) => {
  test('does not stop it where the base holds that by a right on more', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const database = `x${rotating.user.slice(-8)}`;
    await rotating.sql(`CREATE DATABASE ${database}`);
    try {
      await rotating.sql(`CREATE TABLE ${database}.t (id int)`);
      await rotating.sql(`GRANT SELECT (id), INSERT ON ${database}.t TO ${quoted(rotating.user)}`);
      await rotating.expectRotated(rotating.twin);
      await rotating.sql(`GRANT SELECT, INSERT, UPDATE ON ${database}.* TO ${quoted(rotating.user)}`);
      await rotating.sql(`REVOKE SELECT (id), INSERT ON ${database}.t FROM ${quoted(rotating.user)}`);
      await rotating.expectRotated(rotating.user);
      await rotating.expectRotated(rotating.twin);
      await expectSame(rotating);
    } finally {
      await rotating.sql(`DROP DATABASE ${database}`);
    }
  });

  test.each([
    ['a right', (twin: string) => `GRANT SELECT ON app_data.* TO ${twin}`, 'SELECT on `app_data`.*'],
    ['the right to grant', (twin: string) => `GRANT USAGE ON *.* TO ${twin} WITH GRANT OPTION`, 'GRANT OPTION on *.*'],
  ])('stops the rotation: %s', async (_, grant, what) => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.expectRotated(rotating.twin);
    const twin = quoted(rotating.twin);
    await rotating.sql(grant(twin));
    const before = await rotating.stored();
    await expectRefusal(rotating, 'TwinRightsError', `holds what the base "${rotating.user}" does not: ${what}`);
    expect(await rotating.stored()).toEqual(before);
    await rotating.sql(grant(quoted(rotating.user)));
    await rotating.expectRotated(rotating.user);
    await rotating.expectRotated(rotating.twin);
    await expectSame(rotating);
  });

  test('does not stop it where the twin has made a routine, which the base may use then', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const [user, twin, database] = [quoted(rotating.user), quoted(rotating.twin), `X${rotating.user.slice(-8)}`];
    await rotating.sql(`CREATE DATABASE ${database}`);
    try {
      await rotating.sql(`GRANT CREATE ROUTINE, SELECT ON ${database}.* TO ${user}`);
      await rotating.expectRotated(rotating.twin);
      await as(server, rotating, `CREATE PROCEDURE ${database}.\`a\`\`Migration\`() SELECT 1`);
      await as(server, rotating, `CREATE FUNCTION ${database}.f() RETURNS INT DETERMINISTIC RETURN 1`);
      expect((await wordsOn(rotating, twin)).join()).toContain('ALTER ROUTINE');

      await rotating.expectRotated(rotating.user);

      await as(server, rotating, `CALL ${database}.\`a\`\`Migration\`()`);
      await as(server, rotating, `SELECT ${database}.f()`);
      await as(server, rotating, `DROP FUNCTION ${database}.f`);
      await rotating.expectRotated(rotating.twin);
      await expectSame(rotating);

      // Of another's routine, the twin alone has been given something.
      await rotating.expectRotated(rotating.user);
      await rotating.expectRotated(rotating.twin);
      await rotating.sql(`CREATE PROCEDURE ${database}.others() SELECT 1`);
      await rotating.sql(`GRANT EXECUTE ON PROCEDURE ${database}.others TO ${twin}`);
      await expectRefusal(rotating, 'TwinRightsError', 'does not: EXECUTE on PROCEDURE');
    } finally {
      await rotating.sql(`DROP DATABASE ${database}`);
    }
  });

  test('stops the rotation: another default role', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.expectRotated(rotating.twin);
    const [user, twin] = [quoted(rotating.user), quoted(rotating.twin)];
    const [first, second] = ['a', 'b'].map((letter) => `${letter}${rotating.user.slice(-8)}`);
    const setDefault = (role: string | undefined, of: string) =>
      rotating.sql(`SET DEFAULT ROLE ${role} ${productOf(server) === 'MySQL' ? 'TO' : 'FOR'} ${of}`);
    for (const role of [first, second]) {
      await rotating.sql(`CREATE ROLE ${role}`);
      for (const each of [user, twin]) await rotating.sql(`GRANT ${role} TO ${each}`);
    }
    try {
      await setDefault(first, user);
      await setDefault(second, twin);
      await expectRefusal(rotating, 'TwinRightsError', `does not: the default role \`${second}\``);
      await setDefault(second, user);
      await rotating.expectRotated(rotating.user);
    } finally {
      for (const role of [first, second]) await rotating.sql(`DROP ROLE ${role}`);
    }
  });
});

await describeOwnServers(
  'mysql',
  'partial revokes',
  { settings: { 'loose-partial_revokes': 'ON' } },
  (server) => {
    test('are the twin’s too, and are lifted from it', async () => {
      await using rotating = await Rotating.on(server, OPTIONS);
      const user = quoted(rotating.user);
      await rotating.sql(`GRANT SELECT, INSERT, UPDATE ON *.* TO ${user}`);
      await rotating.sql(`REVOKE INSERT, UPDATE ON mysql.* FROM ${user}`);
      await rotating.sql(`REVOKE SELECT ON sys.* FROM ${user}`);
      await rotating.expectRotated(rotating.twin);
      await expectSame(rotating);
      expect(await wordsOn(rotating, quoted(rotating.twin))).toContainEqual(
        expect.stringContaining('REVOKE INSERT, UPDATE ON `mysql`.* FROM'),
      );

      await rotating.sql(`GRANT UPDATE ON mysql.* TO ${user}`);
      await rotating.sql(`REVOKE INSERT ON sys.* FROM ${user}`);
      await expectRefusal(rotating, 'TwinRightsError', 'INSERT on `sys`.*');
      await rotating.sql(`REVOKE INSERT ON sys.* FROM ${quoted(rotating.twin)}`);
      await rotating.expectRotated(rotating.user);
      await rotating.expectRotated(rotating.twin);
      await expectSame(rotating);

      await rotating.expectRotated(rotating.user);
      await rotating.sql(`REVOKE INSERT, UPDATE ON *.* FROM ${user}`);
      await rotating.expectRotated(rotating.twin);
      await expectSame(rotating);
    });

    test('that are the admin’s, too, come with what it grants', async () => {
      await using rotating = await Rotating.on(server, OPTIONS);
      const [user, admin] = [quoted(rotating.user), quoted(rotating.admin)];
      await rotating.sql(`REVOKE rds_superuser_role FROM ${admin}`);
      await rotating.sql(`GRANT SELECT, INSERT, UPDATE, CREATE USER ON *.* TO ${admin} WITH GRANT OPTION`);
      await rotating.sql(`GRANT ROLE_ADMIN, APPLICATION_PASSWORD_ADMIN ON *.* TO ${admin}`);
      await rotating.sql(`REVOKE INSERT ON mysql.* FROM ${admin}`);
      await rotating.sql(`GRANT SELECT, INSERT, UPDATE ON *.* TO ${user}`);
      await rotating.sql(`REVOKE INSERT, UPDATE ON mysql.* FROM ${user}`);
      await rotating.expectRotated(rotating.twin);
      await expectSame(rotating);
    });

    test('come with the privilege, whatever else the admin cannot give', async () => {
      await using rotating = await Rotating.on(server, OPTIONS);
      const [user, twin, role] = [quoted(rotating.user), quoted(rotating.twin), `r${rotating.user.slice(-8)}`];
      await rotating.expectRotated(rotating.twin);
      await rotating.expectRotated(rotating.user);
      await rotating.sql(`CREATE ROLE ${role}`);
      await rotating.sql(`REVOKE ROLE_ADMIN ON *.* FROM rds_superuser_role`);
      try {
        await rotating.sql(`GRANT SELECT ON *.* TO ${user}`);
        await rotating.sql(`REVOKE SELECT ON mysql.* FROM ${user}`);
        await rotating.sql(`GRANT ${role} TO ${user}`);
        await expectRefusal(rotating, 'PrivilegeError', `settle the role \`${role}\`@\`%\` of ${twin}`);
        const words = (await wordsOn(rotating, twin)).join();
        expect(words.includes('GRANT SELECT ON *.*')).toBe(words.includes('REVOKE SELECT ON `mysql`.*'));
        await rotating.sql(`GRANT ${role} TO ${quoted(rotating.admin)} WITH ADMIN OPTION`);
        await rotating.expectRotated(rotating.twin);
        await expectSame(rotating);
      } finally {
        await rotating.sql(`DROP ROLE ${role}`);
        await rotating.sql(`GRANT ROLE_ADMIN ON *.* TO rds_superuser_role WITH GRANT OPTION`);
      }
    });
  },
  async (server) => (server.row.startsWith('mysql') ? undefined : 'MariaDB has no partial revokes'),
);
