/** Whose user a twin is on MySQL and MariaDB, what stops a rotation, and from which states it goes on. With the built function. */

import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { mysql } from '../../../../functions/mysql/engine.ts';
import type { MySqlSession } from '../../../../functions/mysql/session.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { type Pair, supported } from '../../../../shared/database/engine.ts';
import { forms, newPassword, Rotating, type RotatingOptions } from '../../../rotation/rotating.ts';
import { describeServers, type SharedServer, testUnless, testWithLog } from '../../../servers.ts';
import { type RowName, rowsOf, usersOf } from '../../servers.ts';
import { comparable, quoted, wordsOn } from './account.ts';
import { rotation } from './engine.ts';

const OPTIONS = { admin: { madeTheUser: true } } satisfies RotatingOptions;
const ALLOWED = { ...OPTIONS, environment: { ADMIN_MAY_SET_PASSWORDS: 'true' } } satisfies RotatingOptions;

const isMariaDb = (server: SharedServer) => server.row.startsWith('mariadb');
const onlyMySql = (server: SharedServer) =>
  testUnless(isMariaDb(server) ? 'MariaDB has no place for a mark' : undefined);
const onlyMariaDb = (server: SharedServer) =>
  testUnless(isMariaDb(server) ? undefined : 'MySQL has a place for a mark');

/** @returns its password */
async function makeStranger(rotating: Rotating, username = rotating.twin, options = ''): Promise<string> {
  const password = newPassword();
  await rotating.sql(`CREATE USER ?@'%' IDENTIFIED BY ? ${options}`, [username, password]);
  return password;
}

describeServers('mysql', 'a normal rotation of two users', (server) => {
  testWithLog(server)('makes no failed login, and leaves no password in the server’s log', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const { user, twin, admin } = rotating;
    // Where there is no mark, a login proves that the dormant user is this secret's.
    const proof = isMariaDb(server) ? 1 : 0;
    const known = new Set([rotating.password()]);
    await rotating.expectRotated(twin);
    known.add(rotating.password());
    expect(usersOf(server).loginsIn(await server.log(), twin).failed).toBe(0);

    const before = (await server.log()).length;
    await rotating.rotate();
    known.add(rotating.password());
    const since = (await server.log()).slice(before);

    // setSecret proves AWSCURRENT and pending, testSecret pending.
    expect(usersOf(server).loginsIn(since, admin)).toEqual({ accepted: 1, failed: 0 });
    expect(usersOf(server).loginsIn(since, twin)).toEqual({ accepted: 1, failed: 0 });
    expect(usersOf(server).loginsIn(since, user)).toEqual({ accepted: 2 + proof, failed: 0 });
    await rotating.rotate();
    known.add(rotating.password());
    for (const password of known) for (const form of forms(password)) expect(await server.log()).not.toContain(form);
  });
});

describeServers('mysql', 'a user that is called like the twin', (server) => {
  onlyMySql(server)('keeps what its attribute says beside the mark', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const { user: base, twin, arn: secret } = rotating;
    await makeStranger(rotating, twin, `ATTRIBUTE '{"owner": "Ann"}'`);
    await rotating.sql(rotation.adoption({ base, twin, secret }));
    await rotating.expectRotated(twin);
    const words = await wordsOn(rotating, quoted(twin));
    expect(words.at(-1)).toContain('"owner": "Ann"');
  });

  onlyMySql(server)('is not had by the deployer’s word: there it needs the mark', async () => {
    await using rotating = await Rotating.on(server, ALLOWED);
    await makeStranger(rotating);
    await rotating.expectRefused('ForeignUserError', 'ATTRIBUTE');
  });

  onlyMariaDb(server)('is not had by the deployer’s word either, if it is more than an application’s', async () => {
    await using rotating = await Rotating.on(server, ALLOWED);
    await makeStranger(rotating);
    await rotating.sql(`GRANT CREATE USER ON *.* TO ${quoted(rotating.twin)}`);
    await rotating.expectRefused('ForeignUserError', 'holds CREATE USER on *.*');
  });

  test('is taken if it is locked and holds nothing, as what is left of an earlier attempt', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await makeStranger(rotating, rotating.twin, 'ACCOUNT LOCK');
    await rotating.expectRotated(rotating.twin);
  });

  test.each([
    ['holds what the base does not', (twin: string) => [`GRANT SELECT ON app_data.* TO ${twin}`]],
    ['is the definer of a view', (twin: string) => [`CREATE DEFINER = ${twin} VIEW mysql.of_twin AS SELECT 1 AS one`]],
  ])('is a stranger’s though it is locked, if it %s', async (_, statements) => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await makeStranger(rotating, rotating.twin, 'ACCOUNT LOCK');
    try {
      for (const statement of statements(quoted(rotating.twin))) await rotating.sql(statement);
      await rotating.expectRefused('ForeignUserError', 'is there already');
    } finally {
      await rotating.sql('DROP VIEW IF EXISTS mysql.of_twin');
    }
  });

  onlyMySql(server)('is a stranger’s though it is locked, if others have it as a role', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await makeStranger(rotating, rotating.twin, 'ACCOUNT LOCK');
    const heir = `heir_${rotating.user}`;
    await makeStranger(rotating, heir);
    await rotating.sql(`GRANT ${quoted(rotating.twin)} TO ${quoted(heir)}`);
    await rotating.expectRefused('ForeignUserError', 'is there already');
    await rotating.sql(`DROP USER ${quoted(heir)}`);
  });

  test('and is for other hosts than the base is refused by both names', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.sql(`CREATE USER ${quoted(rotating.twin, '10.%')}`);
    await rotating.expectRefused('ForeignUserError', quoted(rotating.twin, '10.%'));
  });

  test('and has several accounts is refused', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.expectRotated(rotating.twin);
    await rotating.sql(`CREATE USER ${quoted(rotating.twin, '10.%')}`);
    await rotating.expectRefused('SeveralAccountsError', '"10.%"');
    await rotating.sql(`DROP USER ${quoted(rotating.twin, '10.%')}`);
    await rotating.sql(`CREATE USER ${quoted(rotating.user, '10.%')}`);
    await rotating.expectRefused('SeveralAccountsError', '"10.%"');
  });

  test('and has a password that a version of the secret knows, is adopted', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const { username, password } = rotating.value();
    rotating.edit({ username: rotating.twin, password: await makeStranger(rotating) });
    rotating.edit({ username, password });
    await rotating.expectRotated(rotating.twin);
    await rotating.expectRotated(rotating.user);
  });
});

describeServers('mysql', 'the base, while the twin is active,', (server) => {
  const setPlugin = (rotating: Rotating, plugin: string) =>
    isMariaDb(server)
      ? rotating.sql(`UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.plugin', ?) WHERE User = ?`, [
          plugin,
          rotating.user,
        ])
      : rotating.sql('UPDATE mysql.user SET plugin = ? WHERE User = ?', [plugin, rotating.user]);

  test('is not made active if it is locked, and is not unlocked', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.expectRotated(rotating.twin);
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} ACCOUNT LOCK`);
    await rotating.expectRefused('DormantUserError', 'is locked (ACCOUNT LOCK)');
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} ACCOUNT UNLOCK`);
    await rotating.expectRotated(rotating.user);
  });

  test('is not made active if a person made it change its password', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const first = rotating.password();
    await rotating.expectRotated(rotating.twin);
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} PASSWORD EXPIRE`);
    await rotating.expectRefused('DormantUserError', 'PASSWORD EXPIRE');
    await rotating.setPassword(first);
    await rotating.expectRotated(rotating.user);
  });

  test('is made active if only its password has got too old, which is what rotation is for', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.expectRotated(rotating.twin);
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} PASSWORD EXPIRE INTERVAL 1 DAY`);
    await rotating.sql(
      isMariaDb(server)
        ? `UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.password_last_changed', 1) WHERE User = '${rotating.user}'`
        : `UPDATE mysql.user SET password_last_changed = '2001-02-03' WHERE User = '${rotating.user}'`,
    );
    await rotating.sql('FLUSH PRIVILEGES');
    await rotating.expectRotated(rotating.user);
    await rotating.expectRotated(rotating.twin);
    expect(await comparable(rotating, rotating.twin)).toEqual(await comparable(rotating, rotating.user));
  });

  test.each([
    ['AWSAuthenticationPlugin', 'IAM tokens only'],
    ['auth_socket', 'by the plugin "auth_socket"'],
    ['ed25519', 'by the plugin "ed25519"'],
    ['authentication_ldap_simple', 'by the plugin "authentication_ldap_simple"'],
  ])('is not made active if it authenticates by %s', async (plugin, words) => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.expectRotated(rotating.twin);
    const [before] = await rotating.sql('SELECT plugin FROM mysql.user WHERE User = ?', [rotating.user]);
    await setPlugin(rotating, plugin);
    const { attempts } = await rotating.rotate();
    expect(attempts[0]?.steps.at(-1)?.error).toMatchObject({
      errorType: 'DormantUserError',
      errorMessage: expect.stringContaining(words),
    });
    await setPlugin(rotating, String(before?.['plugin']));
    await rotating.expectRotated(rotating.user);
  });
});

describeServers('mysql', 'the proof', (server) => {
  test('in testSecret sees what is missing, where the users may see what they hold', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    for (const right of ['SELECT ON mysql.*', 'INSERT ON app_data.*'])
      await rotating.sql(`GRANT ${right} TO ${quoted(rotating.user)}`);
    const token = rotating.begin();
    for (const step of ['createSecret', 'setSecret', 'testSecret'] as const)
      expect(await rotating.step(step, token)).toMatchObject({ outcome: 'success' });

    await rotating.sql(`REVOKE INSERT ON app_data.* FROM ${quoted(rotating.twin)}`);

    expect(await rotating.step('testSecret', token)).toMatchObject({
      error: { errorType: 'TwinRightsError', errorMessage: expect.stringContaining('INSERT on `app_data`.*') },
    });
    const { error } = await rotating.rotate({ token });
    expect(error).toBeUndefined();
    await rotating.expectComplete(token);
  });

  onlyMySql(server)('of a password that a history does not take twice is that it is set', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} PASSWORD HISTORY 3`);
    for (const username of [rotating.twin, rotating.user]) {
      const token = rotating.begin();
      for (const step of ['createSecret', 'setSecret', 'setSecret', 'testSecret'] as const)
        expect(await rotating.step(step, token)).toMatchObject({ outcome: 'success' });
      const { error } = await rotating.rotate({ token });
      expect(error).toBeUndefined();
      await rotating.expectComplete(token);
      expect(rotating.value()['username']).toBe(username);
    }
  });

  onlyMySql(server)(
    'of a password that the policy refuses is none: AWSPENDING is taken off, and nothing has changed',
    async () => {
      await using rotating = await Rotating.on(server, OPTIONS);
      await rotating.sql(`ALTER USER ${quoted(rotating.user)} PASSWORD HISTORY 3`);
      await rotating.expectRotated(rotating.twin);
      const first = rotating.password();
      await rotating.expectRotated(rotating.user);
      const token = rotating.begin();
      rotating.putPending(
        token,
        JSON.stringify({ ...rotating.value(), username: rotating.twin, password: 'other than the last' }),
      );
      await rotating.sql(`ALTER USER ${quoted(rotating.twin)} IDENTIFIED BY 'other than the last'`);
      await rotating.sql(`ALTER USER ${quoted(rotating.twin)} IDENTIFIED BY 'the last'`);
      const { error } = await rotating.rotate({ token });
      expect(error).toMatch(/PasswordPolicyError.*password_history.*AWSPENDING was taken off/);
      expect(rotating.labels[token]).toBeUndefined();
      expect(await rotating.logsIn(first, rotating.twin)).toBe(false);
      await rotating.expectRotated(rotating.twin);
    },
  );
});

describeServers('mysql', 'the twin, while the base is active,', (server) => {
  test('may be locked, expired and of another plugin: it is brought in line', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.expectRotated(rotating.twin);
    await rotating.expectRotated(rotating.user);
    const plugin = isMariaDb(server) ? 'mysql_native_password' : 'sha256_password';
    const way = isMariaDb(server) ? `VIA ${plugin} USING PASSWORD('x') OR unix_socket` : `WITH ${plugin} BY 'x'`;
    await rotating.sql(`ALTER USER ${quoted(rotating.twin)} IDENTIFIED ${way}`);
    await rotating.sql(`ALTER USER ${quoted(rotating.twin)} PASSWORD EXPIRE ACCOUNT LOCK`);
    await rotating.expectRotated(rotating.twin);
    expect(await comparable(rotating, rotating.twin)).toEqual(await comparable(rotating, rotating.user));
  });

  onlyMariaDb(server)('does without a default role that the base lost with the role', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const [user, role] = [quoted(rotating.user), `role_${rotating.user.slice(-8)}`];
    for (const statement of [
      `CREATE ROLE ${role}`,
      `GRANT ${role} TO ${user}`,
      `SET DEFAULT ROLE ${role} FOR ${user}`,
      `REVOKE ${role} FROM ${user}`,
    ])
      await rotating.sql(statement);
    expect((await wordsOn(rotating, user)).join()).toContain(`SET DEFAULT ROLE \`${role}\``);
    await rotating.expectRotated(rotating.twin);
    await rotating.sql(`DROP ROLE ${role}`);
  });

  onlyMySql(server)('gets the plugin of the base, for a client may know no other', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const password = newPassword();
    await rotating.sql(`ALTER USER ?@'%' IDENTIFIED WITH sha256_password BY ?`, [rotating.user, password]);
    rotating.edit({ password });
    await rotating.expectRotated(rotating.twin);
    expect((await wordsOn(rotating, quoted(rotating.twin))).at(-1)).toContain("IDENTIFIED WITH 'sha256_password'");
  });

  onlyMySql(server)('loses a password that was retained beside the old one', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.expectRotated(rotating.twin);
    const retained = rotating.password();
    await rotating.expectRotated(rotating.user);
    await rotating.sql(`ALTER USER ?@'%' IDENTIFIED BY ? RETAIN CURRENT PASSWORD`, [rotating.twin, newPassword()]);
    expect(await rotating.logsIn(retained, rotating.twin)).toBe(true);
    await rotating.expectRotated(rotating.twin);
    expect(await rotating.logsIn(retained, rotating.twin)).toBe(false);
  });
});

describeServers('mysql', 'names', (server) => {
  const some = () => randomBytes(4).toString('hex');

  test('of which the twin’s has the most characters the server keeps', async () => {
    const longest = isMariaDb(server) ? 128 : 32;
    await using fits = await Rotating.on(server, { ...OPTIONS, user: some().padEnd(longest - 6, 'x') });
    await fits.expectRotated(fits.twin);
    await using tooLong = await Rotating.on(server, { ...OPTIONS, user: some().padEnd(longest - 5, 'y') });
    await tooLong.expectRefused('PairError', `longer than ${longest} characters`);
    tooLong.edit({ alternateusername: `twin_${some()}` });
    const twin = String(tooLong.value()['alternateusername']);
    await tooLong.expectRotated(twin);
    await tooLong.sql(`DROP USER ${quoted(twin)}`);
  });

  test.each(["o'q", 'd"q', 'b`q', 'p%c', 'u_s', 'a@b', 'back\\sl', 'TO `x`@`y`', 'ü ñ', '*.*', "'); --"])(
    'may be odd: %s',
    async (odd) => {
      await using rotating = await Rotating.on(server, { ...OPTIONS, user: `${odd}${some()}` });
      await rotating.sql(`GRANT SELECT ON \`app\\_%\`.* TO ${quoted(rotating.user)} WITH GRANT OPTION`);
      await rotating.expectRotated(rotating.twin);
      expect(await comparable(rotating, rotating.twin)).toEqual(await comparable(rotating, rotating.user));
      await rotating.expectRotated(rotating.user);
    },
  );
});

/** Of the admin's, that ends after so many changes: before or after the last of them took effect. */
async function mortalSession(rotating: Rotating, server: SharedServer, changes: number): Promise<MySqlSession> {
  const { store } = rotating.manager;
  const { username, password } = JSON.parse(
    (store.getSecretValue({ SecretId: 'admin' }) as { SecretString: string }).SecretString,
  );
  const { host, port } = server;
  const to = { host, port, tls: 'off', options: {} } as const;
  const result = await mysql.login(to, { username, password: new Secret(password) }, new Deadline(60_000));
  if (result.is !== 'accepted') throw result.why;
  const { session } = result;
  const change = session.change.bind(session);
  let left = changes;
  session.change = async (...statement) => {
    if (left-- === 0) throw new Dead();
    await change(...statement);
  };
  return session;
}

class Dead extends Error {}

/** setSecret's work for the twin up to that change. @returns whether it got to its end */
async function workUntil(rotating: Rotating, server: SharedServer, token: string, changes: number): Promise<boolean> {
  const session = await mortalSession(rotating, server, changes);
  const twins = supported(mysql.twins('mysql'));
  const account = (username: string) => ({ username, realm: '%' });
  const pair: Pair = { base: account(rotating.user), twin: account(rotating.twin), owner: rotating.arn };
  const pending = new Secret(rotating.password(token));
  try {
    if ((await twins.state(session, pair)).twin === undefined) await twins.create(session, pair, pending);
    const found = await twins.differences(session, pair);
    if (found === 'not visible') throw new Error(found);
    for (const kind of ['less', 'setting', 'more'])
      for (const difference of found.filter((each) => each.kind === kind)) await twins.apply(session, pair, difference);
    await twins.enable(session, pair, 'twin', pending);
    return true;
  } catch (error) {
    if (error instanceof Dead) return false;
    throw error;
  } finally {
    await session.close();
  }
}

const RIGHTS = [
  'GRANT SELECT, INSERT ON app_data.* TO',
  'GRANT ALL ON `app\\_x`.* TO',
  'GRANT PROCESS ON *.* TO',
] as const;
const OTHER_RIGHTS = [
  'GRANT UPDATE ON app_data.* TO',
  'GRANT USAGE ON app_data.* TO',
  'GRANT DELETE ON `app\\_x`.* TO',
];

/** Every statement where it is 1; else every so many, on each row others. */
const STRIDE = Number(process.env['STATEMENT_STRIDE'] ?? 3);

describeServers('mysql', 'an attempt that died after any of its statements', (server) => {
  const first = (rowsOf('mysql') as readonly RowName[]).indexOf(server.row) % STRIDE;
  const rights = isMariaDb(server) ? RIGHTS.filter((right) => !right.includes('ALL')) : RIGHTS;

  test.each([
    ['making the twin', 'retried', false, false],
    ['making the twin', 'retried when the base had lost a right', false, true],
    ['making the twin', 'started afresh', false, false],
    ['bringing the twin in line', 'retried', true, false],
  ])(
    '%s, %s, comes to its end',
    async (_, how, isThere, lost) => {
      for (let changes = first, ended = false; !ended; changes += STRIDE) {
        await using rotating = await Rotating.on(server, OPTIONS);
        for (const right of rights) await rotating.sql(`${right} ${quoted(rotating.user)}`);
        if (isThere) {
          await rotating.expectRotated(rotating.twin);
          await rotating.expectRotated(rotating.user);
          for (const right of OTHER_RIGHTS) await rotating.sql(`${right} ${quoted(rotating.user)} WITH GRANT OPTION`);
          await rotating.sql(`REVOKE INSERT ON app_data.* FROM ${quoted(rotating.user)}`);
          await rotating.sql(`ALTER USER ${quoted(rotating.user)} WITH MAX_USER_CONNECTIONS 50`);
        }
        const token = rotating.begin();
        await rotating.step('createSecret', token);
        ended = await workUntil(rotating, server, token, changes);
        if (!isThere && changes > 0)
          expect((await wordsOn(rotating, quoted(rotating.twin))).join().includes('ACCOUNT LOCK')).toBe(!ended);
        if (lost) await rotating.sql(`REVOKE SELECT, INSERT ON app_data.* FROM ${quoted(rotating.user)}`);

        if (how.startsWith('retried')) {
          const { error } = await rotating.rotate({ token });
          expect(error).toBeUndefined();
          await rotating.expectComplete(token);
        } else {
          await rotating.manager.store.updateSecretVersionStage({
            SecretId: 'app',
            VersionStage: 'AWSPENDING',
            RemoveFromVersionId: token,
          });
          await rotating.expectRotated(rotating.twin);
        }
        expect(rotating.value()['username']).toBe(rotating.twin);
        expect(await comparable(rotating, rotating.twin)).toEqual(await comparable(rotating, rotating.user));
        if (!ended) continue;
        expect(changes).toBeGreaterThan(3);
      }
    },
    300_000,
  );
});

describeServers('mysql', 'a server that remembers passwords', (server) => {
  testUnless(isMariaDb(server) ? 'MariaDB has no PASSWORD HISTORY' : undefined)(
    'does not take a step that runs again for a password that was used before',
    async () => {
      await using rotating = await Rotating.on(server, OPTIONS);
      await rotating.sql(`ALTER USER ${quoted(rotating.user)} PASSWORD HISTORY 5`);
      for (const username of [rotating.twin, rotating.user]) {
        const token = rotating.begin();
        for (const step of ['createSecret', 'setSecret', 'setSecret'] as const)
          expect(await rotating.step(step, token)).toMatchObject({ outcome: 'success' });
        await rotating.expectRotated(username);
      }
    },
  );
});
