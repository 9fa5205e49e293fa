/** What alternating users give an application, and what they refuse, on real servers with the built function. */

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { describeServers, type SharedServer, testWithLog } from '../servers.ts';
import { Rotating, type RotatingOptions } from './rotating.ts';

const MADE_BY_ADMIN = { admin: { madeTheUser: true } } satisfies RotatingOptions;

/** A rotation that must succeed. @returns the active user */
async function rotated(rotating: Rotating): Promise<string> {
  const { token, error } = await rotating.rotate();
  expect(error).toBeUndefined();
  await rotating.expectComplete(token);
  return active(rotating);
}

function active(rotating: Rotating): string {
  return String(rotating.value()['username']);
}

/** Passwords, attributes, memberships and settings of base and twin, as the server stores them. */
function stored(rotating: Rotating): Promise<unknown> {
  return rotating.sql(
    `SELECT to_jsonb(a) AS role, (SELECT json_agg(m ORDER BY m.roleid, m.member) FROM pg_auth_members m WHERE a.oid IN (m.member, m.roleid)) AS members,
       (SELECT json_agg(s) FROM pg_db_role_setting s WHERE s.setrole = a.oid) AS settings, shobj_description(a.oid, 'pg_authid') AS comment
      FROM pg_authid a WHERE rolname IN ($1, $2) ORDER BY rolname`,
    [rotating.user, rotating.twin],
  );
}

/** The rotation fails with this class and words, AWSCURRENT works, and neither user has changed. */
async function expectRefusal(rotating: Rotating, errorType: string, ...words: (string | RegExp)[]): Promise<void> {
  const [before, username] = [await stored(rotating), active(rotating)];
  const { succeeded, attempts, token } = await rotating.rotate({ attempts: 2 });
  expect(succeeded).toBe(false);
  for (const { steps } of attempts) {
    const { error } = steps.at(-1) ?? {};
    expect(error?.errorType).toBe(errorType);
    for (const word of words) expect(error?.errorMessage).toMatch(word instanceof RegExp ? word : literally(word));
  }
  expect(rotating.labels[token] ?? []).not.toContain('AWSCURRENT');
  expect(active(rotating)).toBe(username);
  expect(await stored(rotating)).toEqual(before);
  expect(await rotating.logsIn(rotating.password(), username)).toBe(true);
}

function literally(text: string): RegExp {
  return new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}

async function session(server: SharedServer, rotating: Rotating, database = server.database) {
  const client = new pg.Client({
    host: server.host,
    port: server.port,
    database,
    user: active(rotating),
    password: rotating.password(),
  });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

const ROTATIONS = Number(process.env['ALTERNATING_ROTATIONS'] ?? 8);

describeServers('postgres', 'alternating users', (server) => {
  testWithLog(server)(
    `${ROTATIONS} rotations: 13 calls and 4 logins each, none of them failed, and applications hardly notice`,
    async () => {
      await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
      const readsBetween = { username: rotating.user, password: rotating.password() };
      const readsOnFailure = { ...readsBetween };
      const failures: number[] = [];
      const read = (cached: typeof readsBetween) =>
        Object.assign(cached, { username: active(rotating), password: rotating.password() });

      for (let n = 1; n <= ROTATIONS; n++) {
        const [log, calls] = [(await server.log()).length, rotating.calls.length];
        let failed = 0;
        await rotating.rotate({
          onStep: {
            after: async () => {
              // At every moment, so whenever it logs in.
              expect(await rotating.logsIn(readsBetween.password, readsBetween.username)).toBe(true);
              if (await rotating.logsIn(readsOnFailure.password, readsOnFailure.username)) return;
              failed++;
              read(readsOnFailure);
              expect(await rotating.logsIn(readsOnFailure.password, readsOnFailure.username)).toBe(true);
            },
          },
        });
        failures.push(failed);
        read(readsBetween);
        expect(active(rotating)).toBe(n % 2 === 1 ? rotating.twin : rotating.user);
        expect(rotating.calls.length - calls).toBe(13);
        const ofFunction = (await server.log()).slice(log);
        const users = `(${[rotating.user, rotating.twin, rotating.admin].join('|')})`;
        const accepted = `connection authorized: user=${users} .*application_name=secret-rotation\\b`;
        expect(ofFunction.match(new RegExp(accepted, 'g'))).toHaveLength(4);
        const refused = `authentication failed for user "${users}"`;
        // What the second application tried in vain is not the function's.
        expect(ofFunction.match(new RegExp(refused, 'g')) ?? []).toHaveLength(failed);
      }
      expect(Math.max(...failures)).toBeLessThanOrEqual(1);
      // The one that never reads of itself is told so by a login: this must have been seen to happen.
      expect(failures.filter((failed) => failed === 1).length).toBeGreaterThan(0);
    },
    20_000 + ROTATIONS * 10_000,
  );

  test.each([
    ['GRANT', 'GRANT pg_read_all_stats TO $base', 'pg_read_all_stats'],
    ['CREATEDB', 'ALTER ROLE $base CREATEDB', '"rolcreatedb":true'],
    ['a connection limit', 'ALTER ROLE $base CONNECTION LIMIT 7', '7'],
    ['an end', "ALTER ROLE $base VALID UNTIL '2100-01-01Z'", '2100'],
    ['a setting', `ALTER ROLE $base SET search_path = "$user", 'odd, "name"', public`, 'odd'],
    ['a setting of a database', `ALTER ROLE $base IN DATABASE postgres SET work_mem = '9MB'`, '9MB'],
  ])('%s of the base, changed at any time, is the twin’s when it becomes active', async (_, statement, shown) => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await rotated(rotating);
    await rotating.sql(statement.replaceAll('$base', rotating.user));
    await rotated(rotating);
    expect(await rotated(rotating)).toBe(rotating.twin);
    const facts = await rotating.sql(
      `SELECT rolname = $1 AS is_twin, rolcreatedb, rolconnlimit, rolvaliduntil,
         (SELECT json_agg(json_build_array(setdatabase, c) ORDER BY c) FROM pg_db_role_setting s, unnest(setconfig) c
           WHERE setrole = r.oid AND c NOT LIKE 'role=%') AS settings,
         (SELECT json_agg(g.rolname) FROM pg_roles g WHERE pg_has_role(r.oid, g.oid, 'MEMBER') AND g.oid <> r.oid AND g.rolname NOT LIKE 'app%') AS roles
        FROM pg_roles r WHERE rolname IN ($1, $2) ORDER BY is_twin`,
      [rotating.twin, rotating.user],
    );
    const [base, twin] = facts.map(({ is_twin, ...rest }) => rest);
    expect(twin).toEqual(base);
    expect(JSON.stringify(twin)).toContain(shown);
  });

  test('a base that inherits nothing: its twin logs in where the base alone may, and inherits nothing either', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    const [user, some] = [rotating.user, randomBytes(6).toString('hex')];
    const [database, group] = [`db_${some}`, `group_${some}`];
    await rotating.sql(`CREATE DATABASE ${database}`);
    await rotating.sql(
      `REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC; GRANT CONNECT ON DATABASE ${database} TO ${user};
       ALTER ROLE ${user} NOINHERIT; CREATE ROLE ${group}; GRANT ${group} TO ${user}`,
    );
    rotating.edit({ dbname: database });
    for (const expected of [rotating.twin, user, rotating.twin]) {
      expect(await rotated(rotating)).toBe(expected);
      await using own = await session(server, rotating, database);
      const { rows } = await own.query(
        `SELECT pg_has_role('${group}', 'MEMBER') AS may_set, pg_has_role('${group}', 'USAGE') AS inherits`,
      );
      expect(rows).toEqual([{ may_set: true, inherits: false }]);
    }
    await rotating.sql(`DROP ROLE ${group}`);
    await rotating.sql(`DROP DATABASE ${database} WITH (FORCE)`);
  });

  test('what is taken from the base is taken from the dormant twin', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await rotating.sql(
      `ALTER ROLE ${rotating.user} CREATEDB CONNECTION LIMIT 5; ALTER ROLE ${rotating.user} SET work_mem = '9MB'`,
    );
    await rotated(rotating);
    await rotated(rotating);
    await rotating.sql(
      `ALTER ROLE ${rotating.user} NOCREATEDB CONNECTION LIMIT -1; ALTER ROLE ${rotating.user} RESET ALL`,
    );
    await rotated(rotating);
    expect(
      await rotating.sql('SELECT rolcreatedb, rolconnlimit, rolconfig FROM pg_roles WHERE rolname = $1', [
        rotating.twin,
      ]),
    ).toEqual([{ rolcreatedb: false, rolconnlimit: -1, rolconfig: [`role=${rotating.user}`] }]);
  });

  test('who was made a member of the dormant twin is none when it becomes active', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await rotated(rotating);
    await rotated(rotating);
    const other = `other_${rotating.user}`;
    await rotating.sql(`CREATE ROLE ${other}; SET ROLE ${rotating.admin}; GRANT ${rotating.twin} TO ${other}`);
    expect(await rotated(rotating)).toBe(rotating.twin);
    expect(await rotating.sql(`SELECT pg_has_role('${other}', '${rotating.twin}', 'MEMBER') AS is`)).toEqual([
      { is: false },
    ]);
    await rotating.sql(`DROP ROLE ${other}`);
  });

  test('what is made while the twin is active belongs to the base', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    const schema = `s_${randomBytes(6).toString('hex')}`;
    await rotating.sql(`CREATE SCHEMA ${schema} AUTHORIZATION ${rotating.user}`);
    expect(await rotated(rotating)).toBe(rotating.twin);
    {
      await using twin = await session(server, rotating);
      await twin.query(`CREATE TABLE ${schema}.made (id int); INSERT INTO ${schema}.made VALUES (1)`);
    }
    expect(await rotated(rotating)).toBe(rotating.user);
    await using base = await session(server, rotating);
    await base.query(`ALTER TABLE ${schema}.made ADD note text; DROP TABLE ${schema}.made; DROP SCHEMA ${schema}`);
  });

  describe('while the twin is active', () => {
    const onTwin = async (options: RotatingOptions = MADE_BY_ADMIN) => {
      const rotating = await Rotating.on(server, options);
      expect(await rotated(rotating)).toBe(rotating.twin);
      return rotating;
    };

    test.each([
      [
        'a role',
        'GRANT pg_read_all_stats TO "$twin"',
        'REVOKE "pg_read_all_stats" FROM "$twin"',
        'GRANT "pg_read_all_stats" TO "$base"',
      ],
      ['CREATEDB', 'ALTER ROLE "$twin" CREATEDB', 'ALTER ROLE "$twin" NOCREATEDB', 'ALTER ROLE "$base" CREATEDB'],
    ])('%s that it alone was granted stops the rotation, with both ways out', async (_, statement, taking, giving) => {
      await using rotating = await onTwin();
      const named = (text: string) => text.replace('$twin', rotating.twin).replace('$base', rotating.user);
      await rotating.sql(named(statement));
      await expectRefusal(rotating, 'TwinRightsError', named(taking), named(giving));
      await rotating.sql(named(giving));
      expect(await rotated(rotating)).toBe(rotating.user);
    });

    test('what was taken from the base stops the rotation', async () => {
      const rotating = await Rotating.on(server, MADE_BY_ADMIN);
      await using _ = rotating;
      await rotating.sql(`ALTER ROLE ${rotating.user} CREATEDB`);
      await rotated(rotating);
      await rotating.sql(`ALTER ROLE ${rotating.user} NOCREATEDB`);
      const [taking, giving] = [`ALTER ROLE "${rotating.twin}" NOCREATEDB`, `ALTER ROLE "${rotating.user}" CREATEDB`];
      await expectRefusal(rotating, 'TwinRightsError', taking, giving);
      await rotating.sql(taking);
      expect(await rotated(rotating)).toBe(rotating.user);
    });

    test('a table of its own stops the rotation, with the statement that hands it over', async () => {
      await using rotating = await onTwin();
      const table = `t_${randomBytes(6).toString('hex')}`;
      await rotating.sql(`CREATE TABLE ${table} (); ALTER TABLE ${table} OWNER TO ${rotating.twin}`);
      await expectRefusal(
        rotating,
        'TwinRightsError',
        `REASSIGN OWNED BY "${rotating.twin}" TO "${rotating.user}"`,
        table,
      );
    });

    test.each([
      ['locked', 'NOLOGIN', 'has no LOGIN'],
      ['expired', "VALID UNTIL '2020-01-01'", 'has expired'],
    ])('a base that is %s is not made active', async (_, attribute, words) => {
      await using rotating = await onTwin();
      await rotating.sql(`ALTER ROLE ${rotating.user} ${attribute}`);
      await expectRefusal(rotating, 'DormantUserError', words, `"${rotating.user}"`);
    });

    test('a base that is gone is not made again', async () => {
      await using rotating = await onTwin();
      await rotating.sql(`ALTER ROLE ${rotating.user} RENAME TO ${rotating.user}_gone`);
      await expectRefusal(rotating, 'DormantUserError', `There is no base user "${rotating.user}"`);
    });
  });

  test('a twin that lost its rights between two steps is not promoted, and has them after the next attempt', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    const grantedBy = Number.parseInt(server.version, 10) < 16 ? '' : ` GRANTED BY ${rotating.admin}`;
    const { attempts, token, succeeded } = await rotating.rotate({
      attempts: 2,
      onStep: {
        after: async (step, attempt) => {
          if (step === 'setSecret' && attempt === 1)
            await rotating.sql(`REVOKE ${rotating.user} FROM ${rotating.twin}${grantedBy}`);
        },
      },
    });
    expect(attempts[0]?.steps.at(-1)).toMatchObject({
      step: 'testSecret',
      error: {
        errorType: 'TwinRightsError',
        errorMessage: expect.stringContaining(`acts as "${rotating.twin}" and not as "${rotating.user}"`),
      },
    });
    expect(succeeded).toBe(true);
    await rotating.expectComplete(token);
  });

  test.each([
    ['', 'GRANT rds_iam TO $base'],
    [' by way of another role', 'CREATE ROLE $base_via; GRANT rds_iam TO $base_via; GRANT $base_via TO $base'],
  ])('a member of rds_iam%s is refused: RDS would not take its password', async (_, statements) => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await rotating.sql('DO $$ BEGIN CREATE ROLE rds_iam; EXCEPTION WHEN duplicate_object THEN END $$');
    await rotating.sql(statements.replaceAll('$base', rotating.user));
    await expectRefusal(rotating, 'DormantUserError', 'rds_iam');
    await rotating.sql(`DROP ROLE IF EXISTS ${rotating.user}_via`);
  });

  test('a right that the admin cannot pass on is named on every retry, and nothing is promoted', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await rotating.sql(`ALTER ROLE ${rotating.user} SET log_min_duration_statement = 1`);
    await expectRefusal(
      rotating,
      'PrivilegeError',
      'may not settle setting log_min_duration_statement',
      `GRANT SET ON PARAMETER "log_min_duration_statement" TO "${rotating.admin}"`,
    );
    expect(await rotating.sql('SELECT FROM pg_roles WHERE rolname = $1', [rotating.twin])).toEqual([]);
  });

  test.each(['CREATEDB', 'REPLICATION', 'BYPASSRLS', 'SUPERUSER'])(
    'a base that has %s is rotated, where the admin may not give it after the statement that the error names',
    async (attribute) => {
      await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
      await rotating.sql(`ALTER ROLE ${rotating.admin} NOCREATEDB; ALTER ROLE ${rotating.user} ${attribute}`);
      // Before PostgreSQL 16 CREATEROLE is enough for it.
      if (attribute !== 'CREATEDB' || Number.parseInt(server.version, 10) >= 16) {
        const statement = new RegExp(`ALTER ROLE "${rotating.admin}" (${attribute}|SUPERUSER)`);
        await expectRefusal(rotating, 'PrivilegeError', statement);
        const { error } = await rotating.rotate();
        await rotating.sql(statement.exec(error ?? '')?.[0] ?? '');
      }
      expect(await rotated(rotating)).toBe(rotating.twin);
      expect(await rotated(rotating)).toBe(rotating.user);
    },
  );

  test('a base that a superuser made is rotated, where need be after the statement that the error names', async () => {
    await using rotating = await Rotating.on(server, { admin: { madeTheUser: false } });
    if (Number.parseInt(server.version, 10) >= 16) {
      const cure = `GRANT "${rotating.user}" TO "${rotating.admin}" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`;
      await expectRefusal(rotating, 'PrivilegeError', `"${rotating.admin}"`, cure);
      await rotating.sql(cure);
    }
    expect(await rotated(rotating)).toBe(rotating.twin);
    expect(await rotated(rotating)).toBe(rotating.user);
  });

  test.each([`Odd "user's" näme`, 'two\nlines', '$user', 'UPPER', 'x'.repeat(57)])('the name %p', async (user) => {
    const own = `${user.slice(0, 41)}${randomBytes(8).toString('hex')}`.slice(0, 57);
    await using rotating = await Rotating.on(server, { ...MADE_BY_ADMIN, user: own });
    expect(await rotated(rotating)).toBe(`${own}_clone`);
    expect(await rotated(rotating)).toBe(own);
    expect(await rotated(rotating)).toBe(`${own}_clone`);
  });

  test.each([58, 63])('a name of %i bytes needs an alternateusername', async (length) => {
    const user = randomBytes(32).toString('hex').slice(0, length);
    await using rotating = await Rotating.on(server, { ...MADE_BY_ADMIN, user });
    await expectRefusal(rotating, 'PairError', 'longer than 63 bytes', '"alternateusername"');
    rotating.edit({ alternateusername: rotating.twin.slice(-40) });
    expect(await rotated(rotating)).toBe(rotating.twin.slice(-40));
    expect(await rotated(rotating)).toBe(user);
    await rotating.sql(`DROP ROLE ${pg.escapeIdentifier(rotating.twin.slice(-40))}`);
  });

  test('RotateSecret with RotateImmediately false tries the admin too', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    expect(await rotating.rotate({ rotateImmediately: false })).toMatchObject({ succeeded: true });
    await rotating.sql(`ALTER ROLE ${rotating.admin} PASSWORD 'another'`);
    const { error } = await rotating.rotate({ rotateImmediately: false });
    expect(error).toMatch(/AdminRefusedError/);
  });
});
