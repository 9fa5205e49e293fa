import { setTimeout as sleep } from 'node:timers/promises';
import { escape as literal } from 'mysql2';
import mysql, { type RowDataPacket } from 'mysql2/promise';
import type { Address } from '../../../local/servers/source.ts';
import type { Login, Logins, Users } from '../../../local/servers/users.ts';
import { connect, isAccessDenied } from './connection.ts';

/** What the master user gets: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.MasterAccounts.html */
const MASTER = `SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES,
  CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE,
  ALTER ROUTINE, CREATE USER, EVENT, TRIGGER`;
/** SET_ANY_DEFINER is half of what SET_USER_ID was until MySQL 8.4. */
const MASTER_OF_MYSQL = `${MASTER}, CREATE ROLE, DROP ROLE, APPLICATION_PASSWORD_ADMIN, ROLE_ADMIN, SET_ANY_DEFINER, XA_RECOVER_ADMIN`;
/** Through which it has them, as on RDS. */
export const ROLE_OF_MASTER = 'rds_superuser_role';

export function quoted(username: string, host = '%'): string {
  return `${literal(username)}@${literal(host)}`;
}

/** What the server says of an account: SHOW GRANTS and SHOW CREATE USER. */
export async function wordsOn(run: Users['run'], account: string): Promise<string[]> {
  const answers: Record<string, unknown>[][] = [];
  for (const statement of ['GRANTS FOR', 'CREATE USER']) answers.push(await run(`SHOW ${statement} ${account}`));
  return answers.flat().map((row) => String(Object.values(row)[0]));
}

export function mysqlUsers(server: Address): Users {
  const run = async (statement: string, values?: unknown[]) => {
    await using superuser = await connect(server);
    await superuser.query('SET SESSION sql_log_off = 1');
    const [rows] = await superuser.query<RowDataPacket[]>(statement, values);
    return Array.isArray(rows) ? rows : []; // else it is what was affected
  };
  return {
    run,

    async createUser({ username, password }: Login) {
      await run(`CREATE USER ?@'%' IDENTIFIED BY ?`, [username, password]);
    },

    async createAdmin({ username, password }: Login) {
      const [found] = await run('SELECT VERSION() AS version');
      const isMariaDb = String(found?.['version']).includes('MariaDB');
      await run(`CREATE USER ?@'%' IDENTIFIED BY ?`, [username, password]);
      if (isMariaDb) await run(`GRANT ${MASTER} ON *.* TO ?@'%' WITH GRANT OPTION`, [username]);
      else {
        await run(`CREATE ROLE IF NOT EXISTS ${ROLE_OF_MASTER}`);
        await run(`GRANT ${MASTER_OF_MYSQL} ON *.* TO ${ROLE_OF_MASTER} WITH GRANT OPTION`);
        await run(`GRANT ${ROLE_OF_MASTER} TO ?@'%' WITH ADMIN OPTION`, [username]);
        await run(`SET DEFAULT ROLE ${ROLE_OF_MASTER} TO ?@'%'`, [username]);
      }
    },

    async setPassword({ username, password }: Login) {
      await run(`ALTER USER ?@'%' IDENTIFIED BY ?`, [username, password]);
    },

    async dropUser(username: string) {
      for (const { host } of await run('SELECT Host AS host FROM mysql.user WHERE User = ?', [username]))
        await run('DROP USER IF EXISTS ?@?', [username, host]);
    },

    async stored(part: string) {
      const accounts = await run(
        'SELECT User AS user, Host AS host, authentication_string AS hash FROM mysql.user WHERE LOCATE(?, User) > 0 ORDER BY 1, 2',
        [part],
      );
      for (const account of accounts)
        account['words'] = await wordsOn(run, quoted(String(account['user']), String(account['host'])));
      return accounts;
    },

    // The server writes down every attempt, and then that it was denied.
    loginsIn(log: string, username: string): Logins {
      const lines = log.split('\n');
      const attempts = lines.filter((line) => line.includes(`Connect\t${username}@`)).length;
      const failed = lines.filter((line) => line.includes(`Connect\tAccess denied for user '${username}'@`)).length;
      return { accepted: attempts - failed, failed };
    },

    async logIn({ username, password }: Login) {
      const { host, port } = server;
      for (let triesLeft = 50; ; triesLeft--)
        try {
          const client = await mysql.createConnection({ host, port, user: username, password, connectTimeout: 10_000 });
          client.on('error', () => {});
          await client.end();
          return 'accepted';
        } catch (error) {
          if (isAccessDenied(error)) return 'refused';
          // A session that has just taken its leave may still be on its way out.
          if (Object(error).code !== 'ER_CON_COUNT_ERROR' || triesLeft === 0) throw error;
          await sleep(20);
        }
    },
  };
}
