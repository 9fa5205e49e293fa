import pg from 'pg';
import { type DemoEngine, VISITORS, type Visitor } from '../../../local/demo/engine.ts';
import { usersOf } from '../servers.ts';

/** Only its owner may drop a table: whoever logs in has to have the same rights as whoever did before. */
const WORK = `
  DROP TABLE IF EXISTS latest;
  CREATE TABLE latest AS SELECT now() AS at, session_user AS by`;

export const demo: DemoEngine = {
  origin: 'The PostgreSQL server comes with npm.',
  work: 'replaces a table',
  options: {
    from: ['embedded', 'path', 'docker'], // the fastest first: what npm brings is always there
    // It names the database of every login, of a refused one too; the application's name it knows only once a login has succeeded.
    settings: { log_line_prefix: '%u@%d ', log_statement: 'all' },
  },

  async prepare(server, { admin, user }) {
    const users = usersOf(server);
    await users.createAdmin(admin);
    // Since PostgreSQL 16 CREATEROLE covers only the roles that one made oneself.
    await users.createUser(user, admin.username);
    const owner = pg.escapeIdentifier(user.username);
    for (const visitor of VISITORS) await users.run(`CREATE DATABASE ${visitor} OWNER ${owner}`);
  },

  hasMarks: async () => true,

  async login({ host, port }, visitor, { username, password }, isToWork) {
    const client = new pg.Client({
      ...{ host, port, ssl: false, connectionTimeoutMillis: 5000 },
      ...{ user: username, password, database: visitor, application_name: visitor },
    });
    client.on('error', () => {}); // a server that stops under an open connection; whoever uses it next is told
    try {
      await client.connect();
      if (isToWork) await client.query(WORK);
      return 'accepted';
    } catch (error) {
      return error instanceof pg.DatabaseError && error.code === '28P01' ? 'refused' : 'unreachable';
    } finally {
      client.end().catch(() => {}); // the answer is there: no need to wait for the goodbye
    }
  },

  loginsOfFunction(log) {
    const lines = log.split('\n');
    const isLogin = /LOG: {2}connection authorized: .* application_name=secret-rotation\b/;
    const isFailure = new RegExp(`^[^ ]*@${'rotation' satisfies Visitor} .*FATAL: `);
    return {
      accepted: lines.filter((line) => isLogin.test(line)).length,
      failed: lines.filter((line) => isFailure.test(line)).length,
    };
  },
};
