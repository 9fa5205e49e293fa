/** What testSecret called alone finds on PostgreSQL, where it makes the whole change and rolls it back. */

import { expect, test } from '@jest/globals';
import { type Finding, Rotating } from '../../../rotation/rotating.ts';
import { describeServers, type SharedServer } from '../../../servers.ts';

const isSince16 = ({ version }: SharedServer) => Number.parseInt(version, 10) >= 16;

type Fault = {
  what: string;
  errorType: string;
  words: (rotating: Rotating) => string;
  plant: (rotating: Rotating) => string;
  mend: (rotating: Rotating) => string;
};

/** Of the base, the twin and the admin; the settings have one more. */
function faults(server: SharedServer): Fault[] {
  return [
    {
      what: 'an attribute that the admin may not give',
      errorType: 'PrivilegeError',
      words: () => 'settle REPLICATION of',
      plant: ({ user }) => `ALTER ROLE ${user} REPLICATION`,
      mend: ({ user }) => `ALTER ROLE ${user} NOREPLICATION`,
    },
    {
      what: 'a second one',
      errorType: 'PrivilegeError',
      words: () => 'settle BYPASSRLS of',
      plant: ({ user }) => `ALTER ROLE ${user} BYPASSRLS`,
      mend: ({ user }) => `ALTER ROLE ${user} NOBYPASSRLS`,
    },
    {
      what: 'a setting for superusers',
      errorType: 'PrivilegeError',
      words: () => 'settle setting log_statement of',
      plant: ({ user }) => `ALTER ROLE ${user} SET log_statement = 'ddl'`,
      mend: ({ user }) => `ALTER ROLE ${user} RESET log_statement`,
    },
    {
      what: 'a setting for superusers in one database',
      errorType: 'PrivilegeError',
      words: () => 'settle setting log_duration in database "postgres" of',
      plant: ({ user }) => `ALTER ROLE ${user} IN DATABASE postgres SET log_duration = on`,
      mend: ({ user }) => `ALTER ROLE ${user} IN DATABASE postgres RESET log_duration`,
    },
    {
      what: 'a time zone that is gone',
      errorType: 'TwinRightsError',
      words: ({ user }) => `no longer takes the setting TimeZone of the base "${user}"`,
      plant: ({ user }) => gone(user, 'TimeZone=US/Pacific-New'),
      mend: ({ user }) => `ALTER ROLE ${user} RESET TimeZone`,
    },
    {
      what: 'a style of dates that is gone',
      errorType: 'TwinRightsError',
      words: ({ user }) => `no longer takes the setting DateStyle of the base "${user}"`,
      plant: ({ user }) => gone(user, 'DateStyle=gone'),
      mend: ({ user }) => `ALTER ROLE ${user} RESET DateStyle`,
    },
    {
      what: 'default privileges of the twin',
      errorType: 'TwinRightsError',
      words: () => 'default privileges of its own',
      plant: ({ twin }) => `ALTER DEFAULT PRIVILEGES FOR ROLE ${twin} GRANT SELECT ON TABLES TO PUBLIC`,
      mend: ({ twin }) => `ALTER DEFAULT PRIVILEGES FOR ROLE ${twin} REVOKE SELECT ON TABLES FROM PUBLIC`,
    },
    {
      what: 'a row policy that names the twin',
      errorType: 'TwinRightsError',
      words: () => 'row security policies of its own',
      plant: ({ user, twin }) =>
        `CREATE TABLE ${user}_rows (id int); CREATE POLICY ${user}_policy ON ${user}_rows TO ${twin}`,
      mend: ({ user }) => `DROP TABLE ${user}_rows`,
    },
    {
      what: 'an event trigger of the twin',
      errorType: 'PrivilegeError',
      words: ({ user }) => `ALTER EVENT TRIGGER "${user}_event" OWNER TO CURRENT_USER`,
      plant: ({ user, twin }) => `
        CREATE FUNCTION ${user}_heard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER ${user}_event ON ddl_command_end WHEN TAG IN ('DROP SERVER') EXECUTE FUNCTION ${user}_heard();
        ALTER ROLE ${twin} SUPERUSER; ALTER EVENT TRIGGER ${user}_event OWNER TO ${twin}; ALTER ROLE ${twin} NOSUPERUSER`,
      mend: ({ user }) => `DROP EVENT TRIGGER ${user}_event; DROP FUNCTION ${user}_heard`,
    },
    {
      what: 'another secret’s twin with the same base',
      errorType: 'ForeignUserError',
      // Said of the pair, and of its base.
      words: () => 'arn:other',
      plant: ({ user }) => `CREATE ROLE ${user}_other; GRANT ${user} TO ${user}_other;
        COMMENT ON ROLE ${user}_other IS 'secret-rotation: {"secret":"arn:other","base":"${user}"}'`,
      mend: ({ user }) => `DROP ROLE ${user}_other`,
    },
    isSince16(server)
      ? {
          what: 'an attribute that the admin has no more',
          errorType: 'PrivilegeError',
          words: () => 'settle CREATEDB of',
          plant: ({ user, admin }) => `ALTER ROLE ${admin} NOCREATEDB; ALTER ROLE ${user} CREATEDB`,
          mend: ({ user }) => `ALTER ROLE ${user} NOCREATEDB`,
        }
      : {
          what: 'SUPERUSER, which only a superuser can give',
          errorType: 'PrivilegeError',
          words: () => 'settle setting log_planner_stats of',
          plant: ({ user }) => `ALTER ROLE ${user} SET log_planner_stats = on`,
          mend: ({ user }) => `ALTER ROLE ${user} RESET log_planner_stats`,
        },
  ];
}

/** A setting that the server took once, as an update of it leaves behind. */
function gone(user: string, entry: string): string {
  return `UPDATE pg_db_role_setting SET setconfig = setconfig || '{${entry}}'
    WHERE setdatabase = 0 AND setrole = (SELECT oid FROM pg_roles WHERE rolname = '${user}')`;
}

const RULES = { errorType: 'PasswordRulesError', words: 'Raise PASSWORD_LENGTH' };

/** All that the server keeps of these users, and of what they own or may use. */
function catalogsOf(rotating: Rotating) {
  const { user } = rotating;
  const ours = `(SELECT oid FROM pg_authid WHERE rolname LIKE '%${user.slice(-12)}%')`;
  return rotating.sql(`SELECT
    (SELECT json_agg(a ORDER BY oid) FROM pg_authid a WHERE oid IN ${ours}) AS roles,
    (SELECT json_agg(m ORDER BY oid) FROM (SELECT to_jsonb(m) AS oid FROM pg_auth_members m WHERE roleid IN ${ours} OR member IN ${ours}) m) AS members,
    (SELECT json_agg(s ORDER BY setdatabase) FROM pg_db_role_setting s WHERE setrole IN ${ours}) AS settings,
    (SELECT json_agg(d ORDER BY d) FROM (SELECT to_jsonb(d) AS d FROM pg_shdepend d WHERE refobjid IN ${ours}) d) AS dependencies,
    (SELECT json_agg(c ORDER BY c) FROM (SELECT to_jsonb(c) AS c FROM pg_shdescription c WHERE objoid IN ${ours}) c) AS comments`);
}

describeServers('postgres', 'testSecret alone, with twelve faults at once', (server) => {
  test('finds them all, changes nothing, and each has the class that a rotation gives it', async () => {
    const environment = { PASSWORD_LENGTH: '32' };
    await using rotating = await Rotating.on(server, { admin: { madeTheUser: true }, environment });
    await rotating.expectRotated(rotating.twin);
    await rotating.expectRotated(rotating.user);
    // A row of settings for `gone` to add to.
    await rotating.sql(`ALTER ROLE ${rotating.user} SET work_mem = '4MB'`);
    const all = faults(server);
    for (const { plant } of all) await rotating.sql(plant(rotating));
    environment.PASSWORD_LENGTH = '5';
    const catalogs = () => catalogsOf(rotating);
    const before = await catalogs();

    const found = await rotating.preflight();

    expect(await catalogs()).toEqual(before);
    const planted = [RULES, ...all.map(({ errorType, words }) => ({ errorType, words: words(rotating) }))];
    for (const { errorType, words } of planted)
      expect(found).toContainEqual({ errorType, message: expect.stringContaining(words) });
    expect(found[0]).toMatchObject({ errorType: RULES.errorType });
    const isPlanted = ({ errorType, message }: Finding) =>
      planted.some((each) => each.errorType === errorType && message.includes(each.words));
    expect(found.filter((each) => !isPlanted(each))).toEqual([]);

    await rotating.expectRefused(RULES.errorType, RULES.words);
    environment.PASSWORD_LENGTH = '32';
    for (const { mend } of all) await rotating.sql(mend(rotating));
    for (const { plant, mend, errorType, words } of all) {
      await rotating.sql(plant(rotating));
      await rotating.expectRefused(errorType, words(rotating));
      await rotating.sql(mend(rotating));
    }
    await rotating.expectRotated(rotating.twin);
    expect(await rotating.preflight()).toEqual([]);
  });
});
