/** Whose user a twin is: AWS's functions', a stranger's, another secret's. On real servers with the built function. */

import { randomBytes, randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { connect } from '../../local/servers/postgres.ts';
import { describeServers, type SharedServer } from '../servers.ts';
import { type Json, newPassword, Rotating } from './rotating.ts';

const OPTIONS = { admin: { madeTheUser: true } };

/** As AWS's function leaves it: a twin that is a member of the base, and nothing more. @returns its password */
async function makeTwinOfAws(rotating: Rotating): Promise<string> {
  const password = newPassword();
  await rotating.sql(
    `SET ROLE ${rotating.admin}; CREATE ROLE ${rotating.twin} LOGIN PASSWORD '${password}'; GRANT ${rotating.user} TO ${rotating.twin}`,
  );
  return password;
}

/** The secret's history after one rotation by AWS's function: the twin is active. */
async function afterOneRotationByAws(rotating: Rotating): Promise<void> {
  rotating.edit({ username: rotating.twin, password: await makeTwinOfAws(rotating) });
}

/** After two: the base is active, and AWSPREVIOUS has the twin's password. */
async function afterTwoRotationsByAws(rotating: Rotating): Promise<void> {
  const { username, password } = rotating.value();
  await afterOneRotationByAws(rotating);
  rotating.edit({ username, password });
}

async function expectActive(rotating: Rotating, username: string): Promise<void> {
  const { token, error } = await rotating.rotate();
  expect(error).toBeUndefined();
  await rotating.expectComplete(token);
  expect(rotating.value()['username']).toBe(username);
}

async function expectRefusal(rotating: Rotating, errorType: string, words: string): Promise<void> {
  const roles = () =>
    rotating.sql(`SELECT rolname, rolpassword, rolcanlogin FROM pg_authid WHERE rolname ~ $1 ORDER BY 1`, [
      rotating.user.slice(-12),
    ]);
  const before = await roles();
  const { succeeded, attempts } = await rotating.rotate();
  expect(succeeded).toBe(false);
  expect(attempts[0]?.steps.at(-1)?.error).toMatchObject({ errorType, errorMessage: expect.stringContaining(words) });
  expect(await roles()).toEqual(before);
}

/** Databases of this test's own. */
async function databases(rotating: Rotating, count: number): Promise<{ names: string[] } & AsyncDisposable> {
  const names = Array.from({ length: count }, () => `db_${randomBytes(6).toString('hex')}`);
  for (const name of names) await rotating.sql(`CREATE DATABASE ${name}`);
  return {
    names,
    async [Symbol.asyncDispose]() {
      for (const name of names) await rotating.sql(`DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function inDatabase(server: SharedServer, database: string, statement: string): Promise<Json[]> {
  await using client = await connect({ ...server, database });
  return [await client.query(statement)].flat().at(-1)?.rows ?? [];
}

describeServers('postgres', 'a twin made by AWS’s function', (server) => {
  test('is adopted, marked, and brought in line, and what it owns is the base’s', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await using own = await databases(rotating, 2);
    await afterTwoRotationsByAws(rotating);
    const { user, twin } = rotating;
    for (const name of own.names)
      await inDatabase(
        server,
        name,
        `CREATE SCHEMA s AUTHORIZATION ${user}; CREATE TABLE s.owned (id int); ALTER TABLE s.owned OWNER TO ${twin};
         CREATE TABLE s.granted (id int, note text); ALTER TABLE s.granted OWNER TO ${user};
         GRANT SELECT ON s.granted TO ${twin}; GRANT UPDATE (note) ON s.granted TO ${twin}; GRANT USAGE ON SCHEMA s TO ${twin};
         CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION s.f(int) OWNER TO ${user};
         GRANT EXECUTE ON FUNCTION s.f(int) TO ${twin}`,
      );

    await expectActive(rotating, twin);

    for (const name of own.names)
      expect(
        await inDatabase(
          server,
          name,
          `SELECT relname, relowner::regrole::text AS owner FROM pg_class WHERE relnamespace = 's'::regnamespace ORDER BY 1`,
        ),
      ).toEqual([
        { relname: 'granted', owner: user },
        { relname: 'owned', owner: user },
      ]);
    expect(await rotating.sql(`SELECT FROM pg_shdepend WHERE refobjid = '${twin}'::regrole`)).toEqual([]);
    expect(
      await rotating.sql(
        `SELECT rolconfig, shobj_description(oid, 'pg_authid') AS mark FROM pg_roles WHERE rolname = '${twin}'`,
      ),
    ).toEqual([{ rolconfig: [`role=${user}`], mark: expect.stringContaining(rotating.arn) }]);
    // The admin has given back what it needed for that.
    expect(await rotating.sql(`SELECT pg_has_role('${rotating.admin}', '${user}', 'USAGE') AS has`)).toEqual([
      { has: false },
    ]);
    await expectActive(rotating, user);
    await expectActive(rotating, twin);
  });

  test('whose tables are in use is not waited for long, and nothing changes', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await using own = await databases(rotating, 1);
    await afterTwoRotationsByAws(rotating);
    const database = own.names[0] as string;
    await inDatabase(
      server,
      database,
      `GRANT CREATE ON SCHEMA public TO ${rotating.user}; CREATE TABLE t (); ALTER TABLE t OWNER TO ${rotating.twin}`,
    );
    {
      await using reader = await connect({ ...server, database });
      await reader.query('BEGIN; SELECT FROM t');
      await expectRefusal(
        rotating,
        'DeadlineError',
        `held a lock for too long when the admin "${rotating.admin}" was to hand`,
      );
    }
    await expectActive(rotating, rotating.twin);
  });

  test('with objects where the base may not own any is refused with the statement, and nothing changes', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await using own = await databases(rotating, 1);
    await afterTwoRotationsByAws(rotating);
    await inDatabase(
      server,
      own.names[0] as string,
      `CREATE SCHEMA closed; CREATE FUNCTION closed.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION closed.f() OWNER TO ${rotating.twin}`,
    );
    await expectRefusal(
      rotating,
      'PrivilegeError',
      `REASSIGN OWNED BY "${rotating.twin}" TO "${rotating.user}" in database "${own.names[0]}"`,
    );
  });

  test('of which people made the base a member, is adopted: the other way round it is', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await afterTwoRotationsByAws(rotating);
    const { user, twin, admin } = rotating;
    await rotating.sql(`SET ROLE ${admin}; REVOKE ${user} FROM ${twin}; GRANT ${twin} TO ${user}`);
    await expectActive(rotating, twin);
  });

  test('that is active hands over to the base, and is adopted the next time', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await afterOneRotationByAws(rotating);
    await expectActive(rotating, rotating.user);
    expect(rotating.value()).toMatchObject({ baseusername: rotating.user, alternateusername: rotating.twin });
    await expectActive(rotating, rotating.twin);
    await expectActive(rotating, rotating.user);
  });

  test.each([
    ['the twin', afterTwoRotationsByAws, (rotating: Rotating) => rotating.twin],
    ['the base', afterOneRotationByAws, (rotating: Rotating) => rotating.user],
  ])('is finished in mid-rotation: %s has the pending password', async (_, history, nameOf) => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await history(rotating);
    const [username, password, token] = [nameOf(rotating), newPassword(), rotating.begin()];
    rotating.putPending(token, rotating.remember({ ...rotating.value(), username, password }));
    await rotating.sql(`ALTER ROLE ${username} PASSWORD '${password}'`);

    const result = await rotating.rotate({ token });

    expect(result.error).toBeUndefined();
    await rotating.expectComplete(token);
    expect(rotating.value()).toMatchObject({ username, password });
    await expectActive(rotating, username === rotating.twin ? rotating.user : rotating.twin);
  });

  test('that AWSPREVIOUS says nothing of could be the base itself: refused', async () => {
    await using rotating = await Rotating.on(server, { admin: { madeTheUser: true } });
    const password = await makeTwinOfAws(rotating);
    rotating.edit({ username: rotating.twin, password });
    rotating.edit({ note: 'AWSPREVIOUS names the twin now' });
    await expectRefusal(rotating, 'PairError', '"baseusername"');
    rotating.edit({ baseusername: rotating.user });
    await expectActive(rotating, rotating.user);
  });
});

describeServers('postgres', 'a user that is called like the twin', (server) => {
  const stranger = (rotating: Rotating, name = rotating.twin) =>
    rotating.sql(`CREATE ROLE ${name} LOGIN PASSWORD 'of somebody else'; COMMENT ON ROLE ${name} IS 'Ask Ann.'`);

  test('is a stranger’s until somebody says otherwise, with the statement that the error has', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await stranger(rotating);
    const statement = `GRANT "${rotating.user}" TO "${rotating.twin}"; COMMENT ON ROLE "${rotating.twin}" IS 'secret-rotation: {"secret":"${rotating.arn}","base":"${rotating.user}"}'`;
    await expectRefusal(rotating, 'ForeignUserError', statement);
    expect(await rotating.logsIn('of somebody else', rotating.twin)).toBe(true);
    await rotating.sql(statement);
    if (Number.parseInt(server.version, 10) >= 16) {
      const cure = `GRANT "${rotating.twin}" TO "${rotating.admin}" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`;
      await expectRefusal(rotating, 'PrivilegeError', cure);
      await rotating.sql(cure);
    }
    await expectActive(rotating, rotating.twin);
  });

  test('is a stranger’s also where alternateusername names it', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await stranger(rotating, `other_${rotating.user}`);
    rotating.edit({ alternateusername: `other_${rotating.user}` });
    await expectRefusal(rotating, 'ForeignUserError', `"other_${rotating.user}" is there already`);
    await rotating.sql(`DROP ROLE other_${rotating.user}`);
  });

  test('and cannot do anything is taken, with its comment kept', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.sql(
      `SET ROLE ${rotating.admin}; CREATE ROLE ${rotating.twin}; COMMENT ON ROLE ${rotating.twin} IS 'Ask Ann.'`,
    );
    await expectActive(rotating, rotating.twin);
    const [found] = await rotating.sql(`SELECT shobj_description('${rotating.twin}'::regrole, 'pg_authid') AS comment`);
    expect(found?.['comment']).toMatch(/^Ask Ann\.\nsecret-rotation: /);
  });

  test('and is the base in truth needs baseusername', async () => {
    const user = `app_${randomBytes(6).toString('hex')}_clone`;
    await using rotating = await Rotating.on(server, { ...OPTIONS, user });
    await expectRefusal(rotating, 'PairError', '"baseusername"');
    rotating.edit({ baseusername: user });
    await expectActive(rotating, `${user}_clone`);
    await expectActive(rotating, user);
  });
});

describeServers('postgres', 'a pair of another secret', (server) => {
  test.each([
    ['the same pair', (_: Rotating): Json => ({})],
    [
      'the same base with a twin of its own',
      (rotating: Rotating): Json => ({ alternateusername: `third_${rotating.user}` }),
    ],
    [
      'its twin as the base of another one',
      (rotating: Rotating): Json => ({
        ...rotating.value(),
        baseusername: rotating.twin,
        alternateusername: `third_${rotating.user}`,
      }),
    ],
  ])('is left alone: %s', async (_, changes) => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const first = { ...rotating.value() };
    await expectActive(rotating, rotating.twin);
    const passwords = () =>
      rotating.sql('SELECT rolpassword FROM pg_authid WHERE rolname IN ($1, $2) ORDER BY rolname', [
        rotating.user,
        rotating.twin,
      ]);
    const before = await passwords();
    rotating.makeOther({ ...first, baseusername: rotating.user, ...changes(rotating) });
    expect(await rotating.rotateOther()).toMatchObject({
      errorType: 'ForeignUserError',
      errorMessage: expect.stringContaining(rotating.arn),
    });
    expect(await passwords()).toEqual(before);
  });

  test('is handed over by the statement that the error has', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const first = { ...rotating.value() };
    await expectActive(rotating, rotating.twin);
    rotating.makeOther({ ...first, baseusername: rotating.user });
    const refused = await rotating.rotateOther();
    const [, statement = ''] =
      / If that secret will not rotate them again, run: (.*)$/.exec(refused?.errorMessage ?? '') ?? [];
    await rotating.sql(statement);
    expect(await rotating.rotateOther()).toBeUndefined();
    await expectRefusal(rotating, 'LoginRefusedError', rotating.twin);
  });

  test('nor does a marked twin give away another base', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await expectActive(rotating, rotating.twin);
    const victim = `victim_${rotating.user}`;
    await rotating.sql(
      `SET ROLE ${rotating.admin}; CREATE ROLE ${victim} LOGIN PASSWORD 'of somebody else'; GRANT ${rotating.user} TO ${victim}`,
    );
    rotating.edit({ baseusername: victim });
    await expectRefusal(rotating, 'ForeignUserError', rotating.arn);
    expect(await rotating.logsIn('of somebody else', victim)).toBe(true);
    await rotating.sql(`DROP ROLE ${victim}`);
  });

  test('or another user cannot be had by naming it in the secret', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const victim = `victim_${rotating.user}`;
    await rotating.sql(`SET ROLE ${rotating.admin}; CREATE ROLE ${victim} LOGIN PASSWORD 'of somebody else'`);
    rotating.edit({ username: victim });
    await expectRefusal(rotating, 'LoginRefusedError', victim);
    await rotating.sql(`DROP ROLE ${victim}`);
  });

  // Whoever looks for the twin in testSecret, when the one password has changed, would leave AWSCURRENT without a login for good.
  test('gone back to a single user, with its names left in the secret: is rotated, although the twin is no more', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await expectActive(rotating, rotating.twin);
    await expectActive(rotating, rotating.user);
    rotating.manager.store.tagResource({ SecretId: 'app', Tags: [{ Key: 'rotation-strategy', Value: 'single-user' }] });
    await rotating.sql(`DROP ROLE ${rotating.twin}`);
    await expectActive(rotating, rotating.user);
  });

  test('left for a user that is neither of them, as a single user: is rotated, whatever became of the pair', async () => {
    await using rotating = await Rotating.on(server, { tags: { 'rotation-strategy': 'single-user' } });
    const pair = { baseusername: `old_${rotating.user}`, alternateusername: `old_${rotating.twin}` };
    rotating.edit(pair);
    await expectActive(rotating, rotating.user);
    expect(rotating.value()).toMatchObject(pair);
  });
});

/** Whoever may make roles may comment on those, and a secret's ARN is no secret. */
describeServers('postgres', 'a mark that somebody else wrote', (server) => {
  const isSince16 = Number.parseInt(server.version, 10) >= 16;
  const mark = (rotating: Rotating, base: string) =>
    `'secret-rotation: ${JSON.stringify({ secret: rotating.arn, base })}'`;

  /** Who may make roles, and since PostgreSQL 16 change no others. */
  async function maker(rotating: Rotating): Promise<{ name: string } & AsyncDisposable> {
    const name = `maker_${rotating.user}`;
    await rotating.sql(`CREATE ROLE ${name} CREATEROLE`);
    return {
      name,
      async [Symbol.asyncDispose]() {
        for (const role of [rotating.twin, `evil_${rotating.user}`])
          if ((await rotating.sql('SELECT FROM pg_roles WHERE rolname = $1', [role])).length > 0)
            await rotating.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
        await rotating.sql(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
      },
    };
  }

  test('gives no rights of the base to whoever made the twin', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await using somebody = await maker(rotating);
    const { user, twin, admin } = rotating;
    await rotating.sql(
      `SET ROLE ${somebody.name}; CREATE ROLE ${twin} LOGIN PASSWORD 'of somebody else'; COMMENT ON ROLE ${twin} IS ${mark(rotating, user)}` +
        (isSince16 ? `; GRANT ${twin} TO ${admin} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE` : ''),
    );

    await expectRefusal(rotating, 'ForeignUserError', `"${twin}" is there already`);

    expect(await rotating.sql(`SELECT pg_has_role('${twin}', '${user}', 'MEMBER') AS has`)).toEqual([{ has: false }]);
  });

  test('gives nobody the password of another user by naming it as the base', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await using somebody = await maker(rotating);
    const [evil, victim] = [`evil_${rotating.user}`, `victim_${rotating.user}`];
    await rotating.sql(
      `SET ROLE ${somebody.name}; CREATE ROLE ${evil} LOGIN PASSWORD 'known'; COMMENT ON ROLE ${evil} IS ${mark(rotating, victim)}`,
    );
    await rotating.sql(`SET ROLE ${rotating.admin}; CREATE ROLE ${victim} LOGIN PASSWORD 'of somebody else'`);
    rotating.edit({ username: evil, password: 'known', baseusername: victim, alternateusername: evil });

    await expectRefusal(rotating, 'ForeignUserError', `"${victim}" is there already`);

    expect(await rotating.logsIn('of somebody else', victim)).toBe(true);
    await rotating.sql(`DROP ROLE ${victim}`);
  });
});

describeServers('postgres', 'an admin that alternates itself', (server) => {
  test('makes roles that both its users can change', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const { store } = rotating.manager;
    const root = { ...rotating.value(), ...server.superuser, masterarn: '' };
    store.createSecret({ Name: 'root', ClientRequestToken: randomUUID(), SecretString: rotating.remember(root) });
    const admin = store.getSecretValue({ SecretId: 'admin' }) as { SecretString: string };
    const alternating = { ...JSON.parse(admin.SecretString), masterarn: rotating.arnOf('root') };
    store.putSecretValue({
      SecretId: 'admin',
      ClientRequestToken: randomUUID(),
      SecretString: JSON.stringify(alternating),
    });

    for (const [who, next] of [
      [`${rotating.admin}_clone`, rotating.twin],
      [rotating.admin, rotating.user],
      [`${rotating.admin}_clone`, rotating.twin],
    ] as const) {
      const { error } = await rotating.manager.rotate('admin', { start: rotating.start, attempts: 1 });
      expect(error).toBeUndefined();
      const { SecretString } = store.getSecretValue({ SecretId: 'admin' }) as { SecretString: string };
      expect(JSON.parse(SecretString).username).toBe(who);
      await expectActive(rotating, next);
    }
    await rotating
      .sql(`DROP OWNED BY ${rotating.admin}_clone CASCADE; DROP ROLE ${rotating.admin}_clone`)
      .catch(() => {});
  });
});
