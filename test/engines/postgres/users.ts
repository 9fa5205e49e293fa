import pg from 'pg';
import type { Address } from '../../../local/servers/source.ts';
import type { Login, Logins, Users } from '../../../local/servers/users.ts';
import { connect } from './connection.ts';

export function postgresUsers(server: Address): Users {
  const run = async (statement: string, values?: unknown[]) => {
    await using superuser = await connect(server);
    await superuser.query('SET log_statement = none');
    return (await superuser.query(statement, values)).rows;
  };
  return {
    run,

    async createUser({ username, password }: Login, admin?: string) {
      const role = admin === undefined ? '' : `SET ROLE ${pg.escapeIdentifier(admin)}; `;
      await run(`${role}CREATE ROLE ${pg.escapeIdentifier(username)} LOGIN PASSWORD ${pg.escapeLiteral(password)}`);
    },

    async createAdmin({ username, password }: Login) {
      const role = pg.escapeIdentifier(username);
      await run(`CREATE ROLE ${role} LOGIN CREATEROLE CREATEDB PASSWORD ${pg.escapeLiteral(password)}`);
    },

    async setPassword({ username, password }: Login) {
      await run(`ALTER ROLE ${pg.escapeIdentifier(username)} PASSWORD ${pg.escapeLiteral(password)}`);
    },

    async dropUser(username: string) {
      const role = pg.escapeIdentifier(username);
      const found = await run('SELECT FROM pg_roles WHERE rolname = $1', [username]);
      if (found.length > 0) await run(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
    },

    /** Attributes, password, memberships, settings, comment. */
    stored: (part: string) =>
      run(
        `SELECT to_jsonb(a) AS role, shobj_description(a.oid, 'pg_authid') AS comment,
           (SELECT json_agg(m ORDER BY roleid, member, grantor) FROM pg_auth_members m WHERE a.oid IN (member, roleid)) AS members,
           (SELECT json_agg(s ORDER BY setdatabase) FROM pg_db_role_setting s WHERE setrole = a.oid) AS settings
          FROM pg_authid a WHERE position($1 in rolname) > 0 ORDER BY rolname`,
        [part],
      ),

    loginsIn(log: string, username: string): Logins {
      const lines = log.split('\n');
      return {
        accepted: lines.filter((line) => line.includes(`connection authorized: user=${username} `)).length,
        failed: lines.filter((line) => line.includes(`authentication failed for user "${username}"`)).length,
      };
    },

    async logIn({ username, password }: Login) {
      const { host, port, database } = server;
      const client = new pg.Client({
        host,
        port,
        database,
        user: username,
        password,
        connectionTimeoutMillis: 10_000,
        ssl: false,
      });
      client.on('error', () => {});
      try {
        await client.connect();
        return 'accepted';
      } catch (error) {
        if (error instanceof pg.DatabaseError && error.code === '28P01') return 'refused';
        throw error;
      } finally {
        await client.end();
      }
    },
  };
}
