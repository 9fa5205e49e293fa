/** Statements that the built function prints are run as they are printed, on the servers for which they are. */

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { remediesIn } from '../../../rotation/remedies.ts';
import { Rotating, type RotatingOptions } from '../../../rotation/rotating.ts';
import { describeServers, testUnless } from '../../../servers.ts';
import { connect } from '../connection.ts';

const MADE_BY_ADMIN = { admin: { madeTheUser: true } } satisfies RotatingOptions;

describeServers('postgres', 'what an error says is to be run', (server) => {
  const major = Number.parseInt(server.version, 10);
  const named = (text: string, { user, twin, admin }: Rotating) =>
    text.replaceAll('$base', user).replaceAll('$twin', twin).replaceAll('$admin', admin);

  /** Refused by this class, with this statement; after it, both users have their turn. */
  async function expectCured(rotating: Rotating, errorType: string, statement: string) {
    const cure = named(statement, rotating);
    const { error } = await rotating.rotate();
    expect(error).toContain(`setSecret: error, ${errorType}`);
    expect(error).toContain(cure);
    expect(await rotating.logsIn(rotating.password(), String(rotating.value()['username']))).toBe(true);
    await rotating.sql(cure);
  }

  async function expectBothTurns(rotating: Rotating) {
    const { username } = rotating.value();
    const [first, second] =
      username === rotating.user ? [rotating.twin, rotating.user] : [rotating.user, rotating.twin];
    await rotating.expectRotated(first);
    await rotating.expectRotated(second);
  }

  describe.each([
    ['', ''],
    [' of one database', ' IN DATABASE "postgres"'],
  ])('about a setting%s', (_, where) => {
    test('whose value the server takes no more', async () => {
      await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
      await rotating.sql(named(`ALTER ROLE "$base"${where} SET "TimeZone" = 'UTC'`, rotating));
      await rotating.sql(
        `UPDATE pg_db_role_setting SET setconfig = ARRAY['TimeZone=US/Pacific-New'] WHERE setrole = '${rotating.user}'::regrole`,
      );

      await expectCured(rotating, 'TwinRightsError', `ALTER ROLE "$base"${where} RESET "TimeZone"`);
      await expectBothTurns(rotating);
    });

    testUnless(major < 15 ? 'before 15 no prefix of names is an extension’s own' : undefined)(
      'whose name the server takes no more',
      async () => {
        await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
        await rotating.sql(named(`ALTER ROLE "$base"${where} SET "auto_explain.gone" = '1'`, rotating));
        await rotating.sql(named(`ALTER ROLE "$admin" SET session_preload_libraries = 'auto_explain'`, rotating));

        await expectCured(rotating, 'TwinRightsError', `ALTER ROLE "$base"${where} RESET ALL`);
        await expectBothTurns(rotating);
      },
    );

    test('that the admin may not give', async () => {
      await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
      const parameter = `p${randomBytes(6).toString('hex')}.gone`;
      await rotating.sql(named(`ALTER ROLE "$base"${where} SET "${parameter}" = '1'`, rotating));

      const cure = major < 15 ? 'ALTER ROLE "$admin" SUPERUSER' : `GRANT SET ON PARAMETER "${parameter}" TO "$admin"`;
      await expectCured(rotating, 'PrivilegeError', cure);
      await expectBothTurns(rotating);
    });
  });

  test.each([
    ['make roles', 'ALTER ROLE "$admin" NOCREATEROLE', 'ALTER ROLE "$admin" CREATEROLE'],
    [
      'give an attribute',
      'ALTER ROLE "$base" REPLICATION BYPASSRLS',
      ...(major < 16
        ? ['ALTER ROLE "$admin" SUPERUSER']
        : ['REPLICATION', 'BYPASSRLS'].map((word) => `ALTER ROLE "$admin" ${word}`)),
    ],
  ])('about an admin that may not %s', async (_, setting, ...cures) => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await rotating.sql(named(setting, rotating));
    for (const statement of cures) await expectCured(rotating, 'PrivilegeError', statement);
    await expectBothTurns(rotating);
  });

  describe.each([
    ['gives the base', 0],
    ['takes from the twin', -1],
  ])('%s what the active twin has beside it:', (_, which) => {
    test.each([
      ['an attribute', 'ALTER ROLE "$twin" CREATEDB'],
      ['a membership', 'GRANT pg_read_all_stats TO "$twin"'],
      ['a membership with ADMIN OPTION', 'GRANT pg_read_all_stats TO "$twin" WITH ADMIN OPTION'],
      ['ADMIN OPTION on the base', 'GRANT "$base" TO "$twin" WITH ADMIN OPTION'],
    ])('%s', async (_, setting) => {
      await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
      await rotating.expectRotated(rotating.twin);
      await rotating.sql(named(setting, rotating));
      const errors: string[] = [];
      for (const username of [rotating.user, rotating.twin]) {
        for (;;) {
          const { error } = await rotating.rotate();
          if (error === undefined) break;
          errors.push(error);
          for (const choice of remediesIn(error)) await rotating.sql(choice.at(which) ?? '');
          expect(await rotating.logsIn(rotating.password(), String(rotating.value()['username']))).toBe(true);
          expect(errors.length).toBeLessThan(3);
        }
        expect(rotating.value()['username']).toBe(username);
      }
      expect(errors[0]).toMatch(/TwinRightsError/);
      // Since 16 the admin may not revoke from the twin what somebody else has granted to it.
      for (const error of errors.slice(1)) expect(error).toMatch(/PrivilegeError: .* settle membership/);
    });
  });

  describe.each([
    ['itself', 'GRANT "$admin" TO "$base"', 'REVOKE "$admin" FROM "$base"'],
    [
      'by way of another role',
      'CREATE ROLE "$base_via"; GRANT "$admin" TO "$base_via"; GRANT "$base_via" TO "$base"',
      'REVOKE "$base_via" FROM "$base"',
    ],
  ])('about a base that is a member of the admin %s', (_, setting, cure) => {
    testUnless(major < 16 ? 'before 16 the admin needs no ADMIN OPTION' : undefined)(
      'and was made by a superuser',
      async () => {
        await using rotating = await Rotating.on(server, { admin: { madeTheUser: false } });
        await rotating.sql(named(setting, rotating));

        await expectCured(rotating, 'TwinRightsError', cure);
        await expectCured(
          rotating,
          'PrivilegeError',
          'GRANT "$base" TO "$admin" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE',
        );
        await expectBothTurns(rotating);
        await rotating.sql(named('DROP ROLE IF EXISTS "$base_via"', rotating));
      },
    );

    testUnless(major < 16 ? undefined : 'since 16 the server does not allow this')(
      'and whose twin owns something',
      async () => {
        await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
        await rotating.sql(named(setting, rotating));
        await expectBothTurns(rotating);
        const table = `t_${randomBytes(6).toString('hex')}`;
        await rotating.sql(named(`CREATE TABLE ${table} (); ALTER TABLE ${table} OWNER TO "$twin"`, rotating));

        await expectCured(rotating, 'PrivilegeError', cure);
        await rotating.sql(named('GRANT CREATE ON SCHEMA public TO "$base"', rotating));
        await expectBothTurns(rotating);
        await rotating.sql(`DROP TABLE ${table}`);
        await rotating.sql(named('DROP ROLE IF EXISTS "$base_via"', rotating));
      },
    );
  });

  test('about an event trigger of the twin, which only a superuser may own', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await expectBothTurns(rotating);
    await rotating.sql(
      named(
        `CREATE FUNCTION "f_$base"() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; ALTER ROLE "$twin" SUPERUSER;
         CREATE EVENT TRIGGER "e_$base" ON ddl_command_start WHEN TAG IN ('CREATE OPERATOR') EXECUTE FUNCTION "f_$base"();
         ALTER EVENT TRIGGER "e_$base" OWNER TO "$twin"; ALTER ROLE "$twin" NOSUPERUSER`,
        rotating,
      ),
    );

    await expectCured(rotating, 'PrivilegeError', 'ALTER EVENT TRIGGER "e_$base" OWNER TO CURRENT_USER');
    await expectBothTurns(rotating);
    await rotating.sql(named('DROP EVENT TRIGGER "e_$base"; DROP FUNCTION "f_$base"', rotating));
  });

  test('about a subscription of the twin, which before 16 only a superuser may own', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await expectBothTurns(rotating);
    await rotating.sql(named('ALTER ROLE "$twin" SUPERUSER', rotating));
    await rotating.sql(
      named(`CREATE SUBSCRIPTION "s_$base" CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false)`, rotating),
    );
    await rotating.sql(
      named('ALTER SUBSCRIPTION "s_$base" OWNER TO "$twin"; ALTER ROLE "$twin" NOSUPERUSER', rotating),
    );

    const cure =
      major < 16 ? 'ALTER SUBSCRIPTION "s_$base" OWNER TO CURRENT_USER' : 'REASSIGN OWNED BY "$twin" TO "$base"';
    await expectCured(rotating, 'PrivilegeError', cure);
    await expectBothTurns(rotating);
    await rotating.sql(named('ALTER SUBSCRIPTION "s_$base" SET (slot_name = NONE)', rotating));
    await rotating.sql(named('DROP SUBSCRIPTION "s_$base"', rotating));
  });

  test.each([
    [
      'the admin may not enter',
      'REVOKE CONNECT ON DATABASE $db FROM PUBLIC',
      'GRANT CONNECT ON DATABASE "$db" TO "$admin"',
    ],
    ['nobody may enter', 'ALTER DATABASE $db ALLOW_CONNECTIONS false', 'ALTER DATABASE "$db" ALLOW_CONNECTIONS true'],
  ])('about a database of the twin’s that %s', async (_, setting, cure) => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await expectBothTurns(rotating);
    await using database = await databaseWith(rotating, 'CREATE TABLE t (); ALTER TABLE t OWNER TO "$twin"');
    await rotating.sql(setting.replace('$db', database.name));

    await expectCured(rotating, 'PrivilegeError', cure.replace('$db', database.name));
    await expectBothTurns(rotating);
  });

  test.each([
    ['by a superuser', 'REASSIGN OWNED BY "$twin" TO "$base"'],
    ['by the base, once it may make objects in the schema', 'GRANT CREATE ON SCHEMA public TO "$base"'],
  ])('about a function of the twin in another database, which is taken over %s', async (_, cure) => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await expectBothTurns(rotating);
    await using database = await databaseWith(
      rotating,
      'REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$SELECT 1$$; ALTER FUNCTION f() OWNER TO "$twin"',
    );

    const { error } = await rotating.rotate();
    expect(error).toContain('setSecret: error, PrivilegeError');
    const [reassign, grant] = ['REASSIGN OWNED BY "$twin" TO "$base"', 'GRANT CREATE ON SCHEMA public TO "$base"'];
    expect(error).toContain(named(`${reassign} in database "${database.name}", by a superuser, or ${grant}`, rotating));
    await database.run(named(cure, rotating));
    await expectBothTurns(rotating);
  });

  test('about a right that somebody else has granted to the twin', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await expectBothTurns(rotating);
    const table = `t_${randomBytes(6).toString('hex')}`;
    await rotating.sql(named(`CREATE TABLE ${table} (); GRANT SELECT ON ${table} TO "$twin"`, rotating));

    await expectCured(rotating, 'PrivilegeError', `REVOKE ALL ON TABLE public.${table} FROM "$twin"`);
    await expectBothTurns(rotating);
    await rotating.sql(`DROP TABLE ${table}`);
  });

  /** A database with these statements run in it. */
  async function databaseWith(rotating: Rotating, statements: string) {
    const database = `db_${randomBytes(6).toString('hex')}`;
    const run = async (text: string) => {
      await using there = await connect({ ...server, database });
      await there.query(text);
    };
    await rotating.sql(`CREATE DATABASE ${database}`);
    await run(named(statements, rotating));
    return {
      name: database,
      run,
      [Symbol.asyncDispose]: async () => void (await rotating.sql(`DROP DATABASE ${database} WITH (FORCE)`)),
    };
  }

  test('nothing, about a database that is half dropped and in which the twin owned something', async () => {
    await using rotating = await Rotating.on(server, MADE_BY_ADMIN);
    await expectBothTurns(rotating);
    const database = `db_${randomBytes(6).toString('hex')}`;
    await rotating.sql(`CREATE DATABASE ${database}`);
    {
      await using there = await connect({ ...server, database });
      await there.query(named('CREATE TABLE t (); ALTER TABLE t OWNER TO "$twin"', rotating));
    }
    await rotating.sql(`UPDATE pg_database SET datconnlimit = -2 WHERE datname = '${database}'`);

    await expectBothTurns(rotating);
    await rotating.sql(`DROP DATABASE ${database}`);
  });
});
