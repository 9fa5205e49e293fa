/** Whose user a twin is: AWS's functions', a stranger's, another secret's. On real servers with the built function. */

import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { type Json, newPassword, Rotating } from '../../../rotation/rotating.ts';
import { describeServers, type SharedServer } from '../../../servers.ts';
import { connect } from '../connection.ts';
import { rotation } from './engine.ts';

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
         GRANT EXECUTE ON FUNCTION s.f(int) TO ${twin}; GRANT CREATE ON SCHEMA s TO ${user}; SET ROLE ${user};
         CREATE VIEW s.v AS SELECT 1 AS one; CREATE MATERIALIZED VIEW s.m AS SELECT 1 AS one; CREATE SEQUENCE s.n; GRANT SELECT ON s.v, s.m, s.n TO ${twin};
         CREATE PROCEDURE s.p() LANGUAGE sql AS 'SELECT 1'; CREATE AGGREGATE s.a(int) (SFUNC = int4pl, STYPE = int);
         GRANT EXECUTE ON ALL ROUTINES IN SCHEMA s TO ${twin}; CREATE DOMAIN s.d AS int; CREATE TYPE s.e AS ENUM ('so');
         GRANT USAGE ON TYPE s.d TO ${twin}; GRANT USAGE ON TYPE s.e TO ${twin}; SELECT lo_create(4711); GRANT SELECT ON LARGE OBJECT 4711 TO ${twin};
         RESET ROLE; CREATE FOREIGN DATA WRAPPER w; GRANT USAGE ON FOREIGN DATA WRAPPER w TO ${user}; CREATE SERVER fs FOREIGN DATA WRAPPER w; ALTER SERVER fs OWNER TO ${twin};
         ALTER DATABASE ${name} OWNER TO ${user}; GRANT CREATE ON DATABASE ${name} TO ${twin}`,
      );

    await rotating.expectRotated(twin);

    for (const name of own.names)
      expect(
        await inDatabase(
          server,
          name,
          `SELECT relname, relowner::regrole::text AS owner FROM pg_class WHERE relnamespace = 's'::regnamespace AND relkind = 'r' ORDER BY 1`,
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
    await rotating.expectRotated(user);
    await rotating.expectRotated(twin);
  });

  test('is handed over by an admin that keeps what it had granted itself', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await using own = await databases(rotating, 1);
    const { user, twin, admin } = rotating;
    // As createrole_self_grant = 'set' does.
    if (Number.parseInt(server.version, 10) >= 16)
      await rotating.sql(`SET ROLE ${admin}; GRANT ${user} TO ${admin} WITH INHERIT FALSE, SET TRUE`);
    await afterTwoRotationsByAws(rotating);
    await inDatabase(
      server,
      own.names[0] as string,
      `CREATE SCHEMA s AUTHORIZATION ${user}; CREATE TABLE s.t (); ALTER TABLE s.t OWNER TO ${twin}`,
    );
    const memberships = () =>
      rotating.sql(
        `SELECT to_jsonb(m) - 'oid' AS membership FROM pg_auth_members m WHERE member = '${admin}'::regrole ORDER BY roleid, grantor`,
      );
    const before = await memberships();
    await rotating.expectRotated(twin);
    expect(await memberships()).toEqual(before);
  });

  test('that inherits nothing gets the base’s rights where it logs in, before it acts as the base', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await using own = await databases(rotating, 1);
    const { user, twin, admin } = rotating;
    const { username, password } = rotating.value();
    const ofTwin = newPassword();
    await rotating.sql(
      `SET ROLE ${admin}; CREATE ROLE ${twin} LOGIN NOINHERIT PASSWORD '${ofTwin}'; GRANT ${user} TO ${twin}; RESET ROLE;
       REVOKE CONNECT ON DATABASE ${own.names[0]} FROM PUBLIC; GRANT CONNECT ON DATABASE ${own.names[0]} TO ${user}`,
    );
    rotating.edit({ username: twin, password: ofTwin });
    rotating.edit({ username, password, dbname: own.names[0] });
    await rotating.expectRotated(twin);
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
      let [isOver, longest, since] = [false, 0, 0];
      const refusal = rotating
        .expectRefused('DeadlineError', `held a lock for too long when the admin "${rotating.admin}" was to hand`)
        .finally(() => {
          isOver = true;
        });
      // As long as it waits, whoever comes after it waits too.
      while (!isOver) {
        const waiting = await rotating.sql(
          `SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT granted AND datname = '${database}'`,
        );
        since = waiting.length === 0 ? 0 : since || performance.now();
        longest = Math.max(longest, since && (performance.now() - since) / 1000);
        await sleep(50);
      }
      await refusal;
      expect(longest).toBeGreaterThan(0);
      expect(longest).toBeLessThan(6); // two, of the eight that a statement may wait
    }
    await rotating.expectRotated(rotating.twin);
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
    await rotating.expectRefused(
      'PrivilegeError',
      `REASSIGN OWNED BY "${rotating.twin}" TO "${rotating.user}" in database "${own.names[0]}"`,
    );
  });

  test('with grants that the admin may not revoke is refused with the statement, and nothing changes', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await using own = await databases(rotating, 1);
    await afterTwoRotationsByAws(rotating);
    const { user, twin } = rotating;
    const [database] = own.names as [string];
    await inDatabase(
      server,
      database,
      `CREATE SCHEMA s AUTHORIZATION ${user}; CREATE TABLE s.owned (); ALTER TABLE s.owned OWNER TO ${twin};
       CREATE TABLE s.of_somebody (id int); GRANT SELECT ON s.of_somebody TO ${twin}`,
    );
    const statement = `REVOKE ALL ON TABLE s.of_somebody FROM "${twin}"`;
    await rotating.expectRefused('PrivilegeError', `${statement} in database "${database}"`);
    expect(await inDatabase(server, database, `SELECT tableowner FROM pg_tables WHERE tablename = 'owned'`)).toEqual([
      { tableowner: twin },
    ]);
    await inDatabase(server, database, statement);
    await rotating.expectRotated(twin);
  });

  test.each([
    [
      'that the admin may not enter',
      'REVOKE CONNECT ON DATABASE $database FROM PUBLIC',
      'GRANT CONNECT ON DATABASE "$database" TO "$admin"',
    ],
    [
      'that takes no connections',
      'ALTER DATABASE $database ALLOW_CONNECTIONS false',
      'ALTER DATABASE "$database" ALLOW_CONNECTIONS true',
    ],
  ])('with objects in a database %s is refused with the statement, which helps', async (_, closing, opening) => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await using own = await databases(rotating, 1);
    await afterTwoRotationsByAws(rotating);
    const [database] = own.names as [string];
    const named = (text: string) => text.replace('$database', database).replace('$admin', rotating.admin);
    await inDatabase(
      server,
      database,
      `CREATE SCHEMA s AUTHORIZATION ${rotating.user}; CREATE TABLE s.t (); ALTER TABLE s.t OWNER TO ${rotating.twin}`,
    );
    await rotating.sql(named(closing));
    await rotating.expectRefused('PrivilegeError', named(opening));
    await rotating.sql(named(opening));
    await rotating.expectRotated(rotating.twin);
  });

  test.each([
    [
      'default privileges',
      'ALTER DEFAULT PRIVILEGES FOR ROLE $twin IN SCHEMA s GRANT SELECT ON TABLES TO pg_monitor',
      'ALTER DEFAULT PRIVILEGES FOR ROLE "$twin" … REVOKE …',
      'ALTER DEFAULT PRIVILEGES FOR ROLE $twin IN SCHEMA s REVOKE SELECT ON TABLES FROM pg_monitor',
    ],
    [
      'a grant in default privileges',
      'ALTER DEFAULT PRIVILEGES FOR ROLE $base IN SCHEMA s GRANT SELECT ON TABLES TO $twin',
      'ALTER DEFAULT PRIVILEGES … REVOKE … FROM "$twin"',
      'ALTER DEFAULT PRIVILEGES FOR ROLE $base IN SCHEMA s REVOKE SELECT ON TABLES FROM $twin',
    ],
    [
      'a user mapping',
      'CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR $twin SERVER s',
      'DROP USER MAPPING FOR "$twin" …',
      'DROP USER MAPPING FOR $twin SERVER s',
    ],
    [
      'a row security policy',
      'CREATE TABLE s.t (); CREATE POLICY p ON s.t TO $twin',
      'ALTER POLICY … TO "$base"',
      'ALTER POLICY p ON s.t TO $base',
    ],
  ])('with %s of its own is refused with what a person has to do, which helps', async (_, holding, words, remedy) => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await using own = await databases(rotating, 1);
    await afterTwoRotationsByAws(rotating);
    const named = (text: string) => text.replaceAll('$twin', rotating.twin).replaceAll('$base', rotating.user);
    const [database] = own.names as [string];
    await inDatabase(server, database, `CREATE SCHEMA s AUTHORIZATION ${rotating.user}; ${named(holding)}`);
    await rotating.expectRefused('TwinRightsError', `(run ${named(words)} in database "${database}"`);
    await inDatabase(server, database, named(remedy));
    await rotating.expectRotated(rotating.twin);
  });

  test('of which people made the base a member, is adopted: the other way round it is', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await afterTwoRotationsByAws(rotating);
    const { user, twin, admin } = rotating;
    await rotating.sql(`SET ROLE ${admin}; REVOKE ${user} FROM ${twin}; GRANT ${twin} TO ${user}`);
    await rotating.expectRotated(twin);
  });

  test('that is active hands over to the base, and is adopted the next time', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await afterOneRotationByAws(rotating);
    await rotating.expectRotated(rotating.user);
    expect(rotating.value()).toMatchObject({ baseusername: rotating.user, alternateusername: rotating.twin });
    await rotating.expectRotated(rotating.twin);
    await rotating.expectRotated(rotating.user);
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
    await rotating.expectRotated(username === rotating.twin ? rotating.user : rotating.twin);
  });

  test('that AWSPREVIOUS says nothing of could be the base itself: refused', async () => {
    await using rotating = await Rotating.on(server, { admin: { madeTheUser: true } });
    const password = await makeTwinOfAws(rotating);
    rotating.edit({ username: rotating.twin, password });
    rotating.edit({ note: 'AWSPREVIOUS names the twin now' });
    await rotating.expectRefused('PairError', '"baseusername"');
    rotating.edit({ baseusername: rotating.user });
    await rotating.expectRotated(rotating.user);
  });
});

describeServers('postgres', 'a user that is called like the twin', (server) => {
  test('and was made by a superuser needs a statement more, which the error has', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const { user: base, twin, arn: secret } = rotating;
    const password = newPassword();
    await rotating.makeUser(twin, password);
    await rotating.sql(`COMMENT ON ROLE ${twin} IS 'Ask Ann.'`);
    const statement = rotation.adoption({ base, twin, secret });
    await rotating.expectRefused('ForeignUserError', statement);
    expect(await rotating.logsIn(password, twin)).toBe(true);
    await rotating.sql(statement);
    if (Number.parseInt(server.version, 10) >= 16) {
      const cure = `GRANT "${twin}" TO "${rotating.admin}" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`;
      await rotating.expectRefused('PrivilegeError', cure);
      await rotating.sql(cure);
    }
    await rotating.expectRotated(twin);
  });

  test.each([
    ['owns something', 'CREATE TABLE $twin (); ALTER TABLE $twin OWNER TO $twin', 'DROP TABLE $twin'],
    ['was granted something', 'CREATE TABLE $twin (); GRANT SELECT ON $twin TO $twin', 'DROP TABLE $twin'],
    ['is a member of a role', 'GRANT pg_monitor TO $twin', 'SELECT'],
    ['has a member', 'CREATE ROLE $twin_member; GRANT $twin TO $twin_member', 'DROP ROLE $twin_member'],
    ['has an attribute', 'ALTER ROLE $twin CREATEDB', 'SELECT'],
  ])('is a stranger’s also if it cannot log in, but %s', async (_, statements, cleaning) => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const named = (text: string) => text.replaceAll('$twin', rotating.twin);
    await rotating.sql(`SET ROLE ${rotating.admin}; CREATE ROLE ${rotating.twin}`);
    await rotating.sql(named(statements));
    await rotating.expectRefused('ForeignUserError', `"${rotating.twin}" is there already`);
    await rotating.sql(named(cleaning));
  });

  test('and cannot do anything is taken, with its comment kept', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    await rotating.sql(
      `SET ROLE ${rotating.admin}; CREATE ROLE ${rotating.twin}; COMMENT ON ROLE ${rotating.twin} IS 'Ask Ann.'`,
    );
    await rotating.expectRotated(rotating.twin);
    const [found] = await rotating.sql(`SELECT shobj_description('${rotating.twin}'::regrole, 'pg_authid') AS comment`);
    expect(found?.['comment']).toMatch(/^Ask Ann\.\nsecret-rotation: /);
  });

  test('and is the base in truth needs baseusername', async () => {
    const user = `app_${randomBytes(6).toString('hex')}_clone`;
    await using rotating = await Rotating.on(server, { ...OPTIONS, user });
    await rotating.expectRefused('PairError', '"baseusername"');
    rotating.edit({ baseusername: user });
    await rotating.expectRotated(`${user}_clone`);
    await rotating.expectRotated(user);
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

    await rotating.expectRefused('ForeignUserError', `"${twin}" is there already`);

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

    await rotating.expectRefused('ForeignUserError', `"${victim}" is there already`);

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
      await rotating.expectRotated(next);
    }
    await rotating
      .sql(`DROP OWNED BY ${rotating.admin}_clone CASCADE; DROP ROLE ${rotating.admin}_clone`)
      .catch(() => {});
  });
});

describeServers('postgres', 'an admin whose sessions act as another role', (server) => {
  test('works as itself where that role may not make roles', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const plain = `plain_${rotating.user}`;
    await rotating.sql(
      `CREATE ROLE ${plain}; GRANT ${plain} TO ${rotating.admin}; ALTER ROLE ${rotating.admin} SET role = '${plain}'`,
    );
    await rotating.expectRotated(rotating.twin);
    await rotating.expectRotated(rotating.user);
    await rotating.sql(`DROP ROLE ${plain}`);
  });
});
