/**
 * That base and twin have the same rights, said by others than the function: the server's own dump, and the server's answers in both
 * users' sessions.
 */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { getContainerRuntimeClient } from 'testcontainers';
import { Rotating } from '../../../rotation/rotating.ts';
import { describeServers, type SharedServer, testUnless } from '../../../servers.ts';
import { connect } from '../connection.ts';

const run = promisify(execFile);

/** The server's own tool, of its own version; undefined where it came without. */
function toolOf(server: SharedServer): ((name: string, ...options: string[]) => Promise<string>) | undefined {
  const { logPlace, source, host, port, superuser } = server;
  const as = ['--username', superuser.username];
  if ('container' in logPlace)
    return async (name, ...options) => {
      const docker = await getContainerRuntimeClient();
      const container = docker.container.getById(logPlace.container);
      const command = [name, '--host', 'localhost', ...as, ...options];
      const { output, stdout, exitCode } = await docker.container.exec(container, command, {
        env: { PGPASSWORD: superuser.password },
      });
      if (exitCode !== 0) throw new Error(output);
      return stdout;
    };
  if (!source.startsWith('/')) return undefined;
  const env = { ...process.env, PGPASSWORD: superuser.password };
  return async (name, ...options) => {
    const command = join(dirname(source), name);
    return (await run(command, ['--host', host, '--port', String(port), ...as, ...options], { env })).stdout;
  };
}

/** Before PostgreSQL 15 there are no rights on settings, and a login may give membership in itself to others. */
const isSince15 = ({ version }: SharedServer) => Number.parseInt(version, 10) >= 15;

/** Roles, database and settings of which a base can have much, made by its admin where it may. */
async function furnish(rotating: Rotating, server: SharedServer): Promise<{ database: string } & AsyncDisposable> {
  const [{ user, admin }, some] = [rotating, randomBytes(6).toString('hex')];
  const [database, third] = [`db_${some}`, `third_${some}`];
  await rotating.sql(
    `CREATE ROLE ${third}; GRANT ${third} TO ${user} WITH ADMIN OPTION; GRANT pg_read_all_stats TO ${user}`,
  );
  if (isSince15(server)) await rotating.sql(`GRANT SET ON PARAMETER log_duration TO ${user}`);
  await rotating.sql(`CREATE DATABASE ${database}`);
  await rotating.sql(
    `SET ROLE ${admin}; ALTER ROLE ${user} CREATEDB CONNECTION LIMIT 20 VALID UNTIL '2101-02-03 04:05:06Z'`,
  );
  await rotating.sql(
    `ALTER ROLE ${user} SET search_path = "$user", 'a, "b"', public; ALTER ROLE ${user} SET statement_timeout = 90000;
     ALTER ROLE ${user} IN DATABASE ${database} SET work_mem = '5MB'; ALTER ROLE ${user} IN DATABASE ${database} SET application_name = 'it''s'`,
  );
  await using there = await connect({ ...server, database });
  await there.query(
    `GRANT CREATE, TEMPORARY ON DATABASE ${database} TO ${user};
     CREATE SCHEMA own AUTHORIZATION ${user}; CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO ${user};
     CREATE TABLE own.t (id serial, note text); ALTER TABLE own.t OWNER TO ${user};
     CREATE TABLE other.t (id serial, note text, secret text); CREATE VIEW other.v AS SELECT 1 AS one;
     GRANT SELECT (id), UPDATE (note) ON other.t TO ${user}; GRANT SELECT ON other.v TO ${user} WITH GRANT OPTION;
     GRANT USAGE ON SEQUENCE other.t_id_seq TO ${user}; CREATE TABLE other.of_third (); ALTER TABLE other.of_third OWNER TO ${third};
     CREATE FUNCTION other.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE EXECUTE ON FUNCTION other.f FROM public;
     CREATE FUNCTION other.g() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE EXECUTE ON FUNCTION other.g FROM public;
     GRANT EXECUTE ON FUNCTION other.f TO ${user}; CREATE TYPE other.mood AS ENUM ('so'); REVOKE USAGE ON TYPE other.mood FROM public;
     CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; GRANT USAGE ON FOREIGN SERVER s TO ${user};
     ALTER DEFAULT PRIVILEGES IN SCHEMA other GRANT SELECT ON TABLES TO ${user};
     ALTER TABLE other.t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON other.t TO ${user} USING (true)`,
  );
  return {
    database,
    async [Symbol.asyncDispose]() {
      await rotating.sql(`DROP DATABASE ${database} WITH (FORCE)`);
      await rotating.sql(`DROP OWNED BY ${third} CASCADE; DROP ROLE ${third}`);
    },
  };
}

const PARAMETER_PRIVILEGES = ['SET', 'ALTER SYSTEM'].map(
  (each) => `SELECT 'parameter ' || name || ' ${each}', has_parameter_privilege(name, '${each}') FROM pg_settings`,
);

/** Every other has_*_privilege of the session's user, over every object there is. */
const PRIVILEGES = [
  ...['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'SELECT WITH GRANT OPTION'].map(
    (each) =>
      `SELECT 'table ' || c.oid::regclass || ' ${each}' AS what, has_table_privilege(c.oid, '${each}') AS has FROM pg_class c WHERE relkind IN ('r', 'v', 'm', 'f', 'p')`,
  ),
  ...['SELECT', 'INSERT', 'UPDATE', 'REFERENCES'].map(
    (each) =>
      `SELECT 'column ' || a.attrelid::regclass || '.' || a.attnum || ' ${each}', has_column_privilege(a.attrelid, a.attnum, '${each}') FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE relkind IN ('r', 'v') AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AND NOT attisdropped`,
  ),
  ...['USAGE', 'SELECT', 'UPDATE'].map(
    (each) =>
      `SELECT 'sequence ' || c.oid::regclass || ' ${each}', has_sequence_privilege(c.oid, '${each}') FROM pg_class c WHERE relkind = 'S'`,
  ),
  `SELECT 'function ' || p.oid::regprocedure, has_function_privilege(p.oid, 'EXECUTE') FROM pg_proc p`,
  ...['CREATE', 'USAGE'].map(
    (each) =>
      `SELECT 'schema ' || oid::regnamespace || ' ${each}', has_schema_privilege(oid, '${each}') FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'`,
  ),
  ...['CREATE', 'CONNECT', 'TEMPORARY'].map(
    (each) => `SELECT 'database ' || datname || ' ${each}', has_database_privilege(oid, '${each}') FROM pg_database`,
  ),
  `SELECT 'type ' || t.oid::regtype, has_type_privilege(t.oid, 'USAGE') FROM pg_type t WHERE typtype IN ('e', 'd', 'b')`,
  `SELECT 'language ' || lanname, has_language_privilege(oid, 'USAGE') FROM pg_language`,
  `SELECT 'tablespace ' || spcname, has_tablespace_privilege(oid, 'CREATE') FROM pg_tablespace`,
  `SELECT 'wrapper ' || fdwname, has_foreign_data_wrapper_privilege(oid, 'USAGE') FROM pg_foreign_data_wrapper`,
  `SELECT 'server ' || srvname, has_server_privilege(oid, 'USAGE') FROM pg_foreign_server`,
  ...['MEMBER', 'USAGE', 'MEMBER WITH ADMIN OPTION'].map(
    (each) => `SELECT 'role ' || rolname || ' ${each}', pg_has_role(oid, '${each}') FROM pg_roles`,
  ),
];

/** What the session of AWSCURRENT's user may. */
async function privileges(rotating: Rotating, server: SharedServer, database: string): Promise<Map<string, boolean>> {
  const { username, password } = rotating.value();
  const client = new pg.Client({
    host: server.host,
    port: server.port,
    database,
    user: `${username}`,
    password: `${password}`,
  });
  await client.connect();
  try {
    const queries = [...PRIVILEGES, ...(isSince15(server) ? PARAMETER_PRIVILEGES : [])];
    const { rows } = await client.query<{ what: string; has: boolean }>(queries.join(' UNION ALL '));
    return new Map(rows.map(({ what, has }) => [what, has]));
  } finally {
    await client.end();
  }
}

/** Differing entries of two sessions' answers, but for objects that other tests have made or dropped in between. */
function differing(one: ReadonlyMap<string, boolean>, other: ReadonlyMap<string, boolean>): string[] {
  return [...one].filter(([what, has]) => other.has(what) && other.get(what) !== has).map(([what]) => what);
}

/** Lines of the dump about this role, with its name as `$role`, and without its password. */
function about(dump: string, role: string): string[] {
  return dump
    .split('\n')
    .filter((line) => new RegExp(`\\b${role}\\b`).test(line))
    .map((line) => line.replaceAll(new RegExp(`\\b${role}\\b`, 'g'), '$role').replace(/ PASSWORD '[^']*'/, ''))
    .sort();
}

describeServers('postgres', 'the rights of base and twin', (server) => {
  const tool = toolOf(server);
  testUnless(tool ? undefined : 'this PostgreSQL comes without pg_dumpall; Docker or a package has it')(
    'are equal by the server’s own dump, after changes of the base, too',
    async () => {
      const dump = tool as NonNullable<typeof tool>;
      await using rotating = await Rotating.on(server, { admin: { madeTheUser: true } });
      await using furnished = await furnish(rotating, server);
      const { user, twin, admin } = rotating;
      if (isSince15(server)) await rotating.sql(`GRANT SET ON PARAMETER "my.own" TO ${admin}`);
      for (const change of [
        'SELECT',
        `ALTER ROLE ${user} SET search_path = public; GRANT pg_monitor TO ${user}; ALTER ROLE ${user} SET "my.own" = 'x'`,
        `REVOKE pg_monitor FROM ${user}; ALTER ROLE ${user} RESET "my.own"; ALTER ROLE ${user} NOCREATEDB CONNECTION LIMIT 3`,
      ]) {
        await rotating.sql(change); // the base is active
        for (const active of [twin, user]) {
          expect((await rotating.rotate()).error).toBeUndefined();
          expect(rotating.value()['username']).toBe(active);
        }

        const roles = await dump('pg_dumpall', '--roles-only');
        const own = [
          `ALTER ROLE $role SET role TO '${user}';`,
          /^COMMENT ON ROLE \$role IS 'secret-rotation: /,
          new RegExp(`^GRANT ${user} TO \\$role `),
        ];
        const isOwn = (line: string) =>
          own.some((form) => (typeof form === 'string' ? form === line : form.test(line)));
        // Since PostgreSQL 16 whoever makes a role has ADMIN OPTION on it.
        const isCreators = (line: string) =>
          line.startsWith(`GRANT $role TO ${admin} WITH ADMIN OPTION, INHERIT FALSE`);
        const [ofTwin, ofBase] = [about(roles, twin), about(roles, user)];
        expect(ofTwin.filter(isOwn)).toHaveLength(own.length);
        const isOfMembership = (line: string) => /^GRANT .* TO \$role/.test(line) || line.includes(twin);
        expect(ofTwin.filter((line) => !isOwn(line) && !isCreators(line))).toEqual(
          ofBase.filter((line) => !isOfMembership(line) && !isCreators(line)),
        );
        const database = await dump('pg_dump', '--create', '--schema-only', furnished.database);
        expect(about(database, twin).filter((line) => !/^ALTER ROLE \$role IN DATABASE/.test(line))).toEqual([]);
        expect(about(database, twin)).toEqual(
          about(database, user).filter((line) => line.startsWith('ALTER ROLE $role IN')),
        );
      }
    },
  );

  test('are equal by every has_…_privilege in both users’ sessions', async () => {
    await using rotating = await Rotating.on(server, { admin: { madeTheUser: true } });
    await using furnished = await furnish(rotating, server);
    const ofBase = await privileges(rotating, server, furnished.database);
    await rotating.rotate();
    expect(rotating.value()['username']).toBe(rotating.twin);
    const ofTwin = await privileges(rotating, server, furnished.database);

    expect(differing(ofBase, ofTwin)).toEqual(
      isSince15(server) ? [] : [`role ${rotating.user} MEMBER WITH ADMIN OPTION`],
    );
    expect(ofTwin.size).toBeGreaterThan(3000);
    // It does tell: of the same things a user without the base's rights may less.
    await rotating.sql(
      `ALTER ROLE ${rotating.twin} RESET role; REVOKE ${rotating.user} FROM ${rotating.twin}${
        Number.parseInt(server.version, 10) < 16 ? '' : ` GRANTED BY ${rotating.admin}`
      }`,
    );
    expect(differing(ofBase, await privileges(rotating, server, furnished.database)).length).toBeGreaterThan(20);
  });

  const isSince18 = Number.parseInt(server.version, 10) >= 18;
  testUnless(isSince18 ? undefined : 'an extension of one’s own takes extension_control_path, since PostgreSQL 18')(
    'what an extension’s script has granted to the twin is the base’s afterwards',
    async () => {
      await using rotating = await Rotating.on(server, { admin: { madeTheUser: true } });
      await rotating.expectRotated(rotating.twin);
      await rotating.expectRotated(rotating.user);
      const extension = `ext_${randomBytes(6).toString('hex')}`;
      const folder = `/tmp/${extension}/extension`;
      const table = `public.${extension}_table`;
      await using there = await connect(server);
      const write = (name: string, text: string) =>
        there.query(`COPY (SELECT ${there.escapeLiteral(text)}) TO '${folder}/${extension}${name}'`);
      await there.query(`COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mkdir -p ${folder}'`);
      await write('.control', "default_version = '1'");
      await write(
        '--1.sql',
        `CREATE TABLE ${table} (); ALTER TABLE ${table} OWNER TO ${rotating.user}; GRANT SELECT ON ${table} TO ${rotating.twin};`,
      );
      await there.query(`SET extension_control_path = '/tmp/${extension}:$system'; CREATE EXTENSION ${extension}`);

      // What is left is only that an extension once granted it.
      await there.query(`REVOKE ALL ON ${table} FROM ${rotating.twin}`);

      await rotating.expectRotated(rotating.twin);

      const { rows } = await there.query(
        `SELECT initprivs::text FROM pg_init_privs WHERE objoid = '${table}'::regclass`,
      );
      expect(rows).toEqual([{ initprivs: expect.not.stringContaining(rotating.twin) }]);
      await there.query(`DROP EXTENSION ${extension}`);
    },
  );
});
