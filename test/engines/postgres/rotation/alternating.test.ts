/** What alternating users give an application, and what they refuse, on real servers with the built function. */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { proxy } from '../../../rotation/proxy.ts';
import { remediesIn } from '../../../rotation/remedies.ts';
import { Rotating, type RotatingOptions } from '../../../rotation/rotating.ts';
import { describeServers, type SharedServer, testUnless, testWithLog } from '../../../servers.ts';

const MADE_BY_ADMIN = { admin: { madeTheUser: true } } satisfies RotatingOptions;

function active(rotating: Rotating): string {
  return String(rotating.value()['username']);
}

/** From AWSCURRENT to AWSPREVIOUS, as UpdateSecretVersionStage has it. */
function backwards({ labels }: Rotating) {
  const version = (label: string) => Object.keys(labels).find((id) => labels[id]?.includes(label)) ?? '';
  return { MoveToVersionId: version('AWSPREVIOUS'), RemoveFromVersionId: version('AWSCURRENT') };
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

/** Since when a session keeps the role of `ALTER ROLE … SET role` when it is reset. */
function losesRole(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return (
    minor <
    (new Map([
      [15, 10],
      [16, 6],
      [17, 2],
    ]).get(major) ?? 0)
  );
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
        const { attempts } = await rotating.rotate({
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
        const made = rotating.calls.slice(calls);
        // Labels older than a second are read once more: before the value is stored, and before the change.
        const isSlow = attempts[0]?.steps.some(({ ms }) => ms > 1000);
        const looks = made.filter((call) => call === 'DescribeSecret').length;
        expect(made.length - looks).toBe(10);
        expect(isSlow ? [3, 4, 5] : [3]).toContain(looks);
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
    await rotating.expectRotated();
    await rotating.sql(statement.replaceAll('$base', rotating.user));
    await rotating.expectRotated();
    await rotating.expectRotated(rotating.twin);
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
      await rotating.expectRotated(expected);
      await using own = await session(server, rotating, database);
      const { rows } = await own.query(
        `SELECT pg_has_role('${group}', 'MEMBER') AS may_set, pg_has_role('${group}', 'USAGE') AS inherits`,
      );
      expect(rows).toEqual([{ may_set: true, inherits: false }]);
    }
    await rotating.sql(`DROP ROLE ${group}`);
    await rotating.sql(`DROP DATABASE ${database} WITH (FORCE)`);
  });

  const LOSES_ROLE = losesRole(server.version) ? 'this version loses the role' : undefined;
  const KEEPS_ROLE = losesRole(server.version) ? undefined : 'this version keeps the role';

  testUnless(KEEPS_ROLE)(
    'a server that loses the role at DISCARD ALL is refused, with the version that keeps it',
    async () => {
      await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
      const { error } = await rotating.rotate();
      expect(error).toMatch(/TwinRightsError.*update it to \d+\.\d+.*Nothing was promoted/);
      expect(await rotating.logsIn(rotating.password())).toBe(true);
    },
  );

  /** What a session is and does, at login and after a reset by a pooler. */
  async function actsAs(rotating: Rotating, database?: string) {
    await using own = await session(server, rotating, database);
    const ask = async () => (await own.query('SELECT current_user AS role')).rows[0].role;
    const atLogin = await ask();
    await own.query('DISCARD ALL');
    return [atLogin, await ask()];
  }

  testUnless(LOSES_ROLE)('the twin works as the base also after DISCARD ALL', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await rotating.expectRotated(rotating.twin);
    expect(await actsAs(rotating)).toEqual([rotating.user, rotating.user]);
  });

  describe.each([
    ['of the database', 'ALTER DATABASE "$db" SET role = "$owner"'],
    ['of the base in the database', 'ALTER ROLE "$base" IN DATABASE "$db" SET role = "$owner"'],
    ['of the base', 'ALTER ROLE "$base" SET role = "$owner"'],
  ])('where sessions of the base act as another role, by a setting %s', (_, setting) => {
    const given = async (membership = 'GRANT "$owner" TO "$base"') => {
      const some = randomBytes(6).toString('hex');
      const [database, owner] = [`db_${some}`, `owner_${some}`];
      const rotating = await Rotating.on(server, { ...MADE_BY_ADMIN, secret: { dbname: database } });
      await rotating.sql(`CREATE DATABASE ${database}`);
      const named = (text: string) =>
        text.replaceAll('$db', database).replaceAll('$owner', owner).replaceAll('$base', rotating.user);
      await rotating.sql(named(`CREATE ROLE "$owner"; ${membership}; ${setting}`));
      return {
        rotating,
        database,
        owner,
        [Symbol.asyncDispose]: async () => {
          await rotating.sql(`DROP DATABASE ${database} WITH (FORCE)`);
          await rotating[Symbol.asyncDispose]();
          await rotating.sql(`DROP ROLE ${owner}`);
        },
      };
    };

    testUnless(LOSES_ROLE)('so do those of the twin', async () => {
      await using set = await given();
      const { rotating, database, owner } = set;
      const before = await actsAs(rotating, database);
      expect(before).toEqual([owner, owner]);
      for (const user of [rotating.twin, rotating.user, rotating.twin]) {
        await rotating.expectRotated(user);
        expect(await actsAs(rotating, database)).toEqual(before);
      }
    });

    testUnless(LOSES_ROLE)('and not those of the twin either, where the base may not', async () => {
      await using set = await given('SELECT');
      const { rotating, database } = set;
      for (const user of [rotating.twin, rotating.user, rotating.twin]) {
        await rotating.expectRotated(user);
        expect(await actsAs(rotating, database)).toEqual([rotating.user, rotating.user]);
      }
    });
  });

  testUnless(LOSES_ROLE)(
    'a setting of a role that is gone makes no difference, for the base and for the twin',
    async () => {
      await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
      const gone = `gone_${rotating.user}`;
      await rotating.sql(
        `CREATE ROLE ${gone}; GRANT ${gone} TO ${rotating.user}; ALTER ROLE ${rotating.user} SET role = ${gone}`,
      );
      await rotating.sql(`DROP ROLE ${gone}`);
      for (const user of [rotating.twin, rotating.user, rotating.twin]) {
        await rotating.expectRotated(user);
        expect(await actsAs(rotating)).toEqual([rotating.user, rotating.user]);
      }
    },
  );

  test('what is taken from the base is taken from the dormant twin', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await rotating.sql(
      `ALTER ROLE ${rotating.user} CREATEDB CONNECTION LIMIT 5; ALTER ROLE ${rotating.user} SET work_mem = '9MB'`,
    );
    await rotating.expectRotated();
    await rotating.expectRotated();
    await rotating.sql(
      `ALTER ROLE ${rotating.user} NOCREATEDB CONNECTION LIMIT -1; ALTER ROLE ${rotating.user} RESET ALL`,
    );
    await rotating.expectRotated();
    expect(
      await rotating.sql('SELECT rolcreatedb, rolconnlimit, rolconfig FROM pg_roles WHERE rolname = $1', [
        rotating.twin,
      ]),
    ).toEqual([{ rolcreatedb: false, rolconnlimit: -1, rolconfig: [`role=${rotating.user}`] }]);
  });

  test('who was made a member of the dormant twin is none when it becomes active', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await rotating.expectRotated();
    await rotating.expectRotated();
    const other = `other_${rotating.user}`;
    await rotating.sql(`CREATE ROLE ${other}; SET ROLE ${rotating.admin}; GRANT ${rotating.twin} TO ${other}`);
    await rotating.expectRotated(rotating.twin);
    expect(await rotating.sql(`SELECT pg_has_role('${other}', '${rotating.twin}', 'MEMBER') AS is`)).toEqual([
      { is: false },
    ]);
    await rotating.sql(`DROP ROLE ${other}`);
  });

  test('what is made while the twin is active belongs to the base', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    const schema = `s_${randomBytes(6).toString('hex')}`;
    await rotating.sql(`CREATE SCHEMA ${schema} AUTHORIZATION ${rotating.user}`);
    await rotating.expectRotated(rotating.twin);
    {
      await using twin = await session(server, rotating);
      await twin.query(`CREATE TABLE ${schema}.made (id int); INSERT INTO ${schema}.made VALUES (1)`);
    }
    await rotating.expectRotated(rotating.user);
    await using base = await session(server, rotating);
    await base.query(`ALTER TABLE ${schema}.made ADD note text; DROP TABLE ${schema}.made; DROP SCHEMA ${schema}`);
  });

  describe('while the twin is active', () => {
    const onTwin = async (options: RotatingOptions = MADE_BY_ADMIN) => {
      const rotating = await Rotating.on(server, options);
      await rotating.expectRotated(rotating.twin);
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
      await rotating.expectRefused('TwinRightsError', [named(taking), named(giving)], { attempts: 2 });
      await rotating.sql(named(giving));
      await rotating.expectRotated(rotating.user);
    });

    test('what was taken from the base stops the rotation', async () => {
      const rotating = await Rotating.on(server, MADE_BY_ADMIN);
      await using _ = rotating;
      await rotating.sql(`ALTER ROLE ${rotating.user} CREATEDB`);
      await rotating.expectRotated();
      await rotating.sql(`ALTER ROLE ${rotating.user} NOCREATEDB`);
      const [taking, giving] = [`ALTER ROLE "${rotating.twin}" NOCREATEDB`, `ALTER ROLE "${rotating.user}" CREATEDB`];
      await rotating.expectRefused('TwinRightsError', [taking, giving], { attempts: 2 });
      await rotating.sql(taking);
      await rotating.expectRotated(rotating.user);
    });

    test('a table of its own stops the rotation, with the statement that hands it over', async () => {
      await using rotating = await onTwin();
      const table = `t_${randomBytes(6).toString('hex')}`;
      await rotating.sql(`CREATE TABLE ${table} (); ALTER TABLE ${table} OWNER TO ${rotating.twin}`);
      await rotating.expectRefused(
        'TwinRightsError',
        [`REASSIGN OWNED BY "${rotating.twin}" TO "${rotating.user}"`, table],
        { attempts: 2 },
      );
    });

    test.each([
      ['locked', 'NOLOGIN', 'has no LOGIN'],
      ['expired', "VALID UNTIL '2020-01-01'", 'has expired'],
    ])('a base that is %s is not made active', async (_, attribute, words) => {
      await using rotating = await onTwin();
      await rotating.sql(`ALTER ROLE ${rotating.user} ${attribute}`);
      await rotating.expectRefused('DormantUserError', [words, `"${rotating.user}"`], { attempts: 2 });
    });

    test('a base that is gone is not made again', async () => {
      await using rotating = await onTwin();
      await rotating.sql(`ALTER ROLE ${rotating.user} RENAME TO ${rotating.user}_gone`);
      await rotating.expectRefused('DormantUserError', `There is no base user "${rotating.user}"`, { attempts: 2 });
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
  ])(
    'a member of rds_iam%s is refused, as RDS would not take its password, with the statement that lets it in',
    async (_, statements) => {
      await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
      await rotating.sql('DO $$ BEGIN CREATE ROLE rds_iam; EXCEPTION WHEN duplicate_object THEN END $$');
      await rotating.sql(statements.replaceAll('$base', rotating.user));
      await rotating.expectRefused('DormantUserError', 'rds_iam', { attempts: 2 });
      const { error } = await rotating.rotate();
      for (const [statement = ''] of remediesIn(error)) await rotating.sql(statement);
      await rotating.expectRotated(rotating.twin);
      await rotating.sql(`DROP ROLE IF EXISTS ${rotating.user}_via`);
    },
  );

  test('a user that AWSCURRENT was moved back to while it was brought in line keeps its password', async () => {
    const reached = Promise.withResolvers<void>();
    const moved = Promise.withResolvers<void>();
    await using between = await proxy(server, async (from, bytes) => {
      if (from !== 'client' || !bytes.includes('CONNECTION LIMIT 7')) return;
      reached.resolve();
      await moved.promise;
    });
    const secret = between.endpoint;
    await using rotating = await Rotating.on(server, { secret, admin: { madeTheUser: true, secret } });
    const { twin, user, manager } = rotating;
    await rotating.expectRotated(twin);
    await rotating.expectRotated(user);
    const theTwins = rotating.value('AWSPREVIOUS');
    await rotating.sql(`ALTER ROLE ${user} CONNECTION LIMIT 7`);
    const token = rotating.begin();
    await rotating.step('createSecret', token);

    const setting = rotating.step('setSecret', token);
    await reached.promise;
    manager.store.updateSecretVersionStage({ SecretId: 'app', VersionStage: 'AWSCURRENT', ...backwards(rotating) });
    await sleep(1100); // older than these, labels are read again
    moved.resolve();

    expect(await setting).toMatchObject({ error: { errorType: 'PendingMismatchError' } });
    expect(rotating.value()).toEqual(theTwins);
    expect(await rotating.logsIn(rotating.password(), twin)).toBe(true);
  });

  test('a right that the admin cannot pass on is named on every retry, and nothing is promoted', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await rotating.sql(`ALTER ROLE ${rotating.user} SET log_min_duration_statement = 1`);
    await rotating.expectRefused(
      'PrivilegeError',
      [
        'may not settle setting log_min_duration_statement',
        // Before PostgreSQL 15 there is no such right.
        Number.parseInt(server.version, 10) >= 15
          ? `GRANT SET ON PARAMETER "log_min_duration_statement" TO "${rotating.admin}"`
          : `ALTER ROLE "${rotating.admin}" SUPERUSER`,
      ],
      { attempts: 2 },
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
        await rotating.expectRefused('PrivilegeError', statement);
        const { error } = await rotating.rotate();
        await rotating.sql(statement.exec(error ?? '')?.[0] ?? '');
      }
      await rotating.expectRotated(rotating.twin);
      await rotating.expectRotated(rotating.user);
    },
  );

  test('a base that a superuser made is rotated, where need be after the statement that the error names', async () => {
    await using rotating = await Rotating.on(server, { admin: { madeTheUser: false } });
    if (Number.parseInt(server.version, 10) >= 16) {
      const cure = `GRANT "${rotating.user}" TO "${rotating.admin}" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`;
      await rotating.expectRefused('PrivilegeError', [`"${rotating.admin}"`, cure], { attempts: 2 });
      await rotating.sql(cure);
    }
    await rotating.expectRotated(rotating.twin);
    await rotating.expectRotated(rotating.user);
  });

  test.each([`Odd "user's" näme`, 'two\nlines', '$user', 'UPPER', 'x'.repeat(57)])('the name %p', async (user) => {
    const own = `${user.slice(0, 41)}${randomBytes(8).toString('hex')}`.slice(0, 57);
    await using rotating = await Rotating.on(server, { ...MADE_BY_ADMIN, user: own });
    await rotating.expectRotated(`${own}_clone`);
    await rotating.expectRotated(own);
    await rotating.expectRotated(`${own}_clone`);
  });

  test.each([58, 63])('a name of %i bytes needs an alternateusername', async (length) => {
    const user = randomBytes(32).toString('hex').slice(0, length);
    await using rotating = await Rotating.on(server, { ...MADE_BY_ADMIN, user });
    await rotating.expectRefused('PairError', ['longer than 63 bytes', '"alternateusername"'], { attempts: 2 });
    rotating.edit({ alternateusername: rotating.twin.slice(-40) });
    await rotating.expectRotated(rotating.twin.slice(-40));
    await rotating.expectRotated(user);
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
