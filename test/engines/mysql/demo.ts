import mysql from 'mysql2/promise';
import { type DemoEngine, VISITORS, type Visitor } from '../../../local/demo/engine.ts';
import { STRATEGIES } from '../../../shared/database/strategies/facts.ts';
import { usersOf } from '../servers.ts';
import { isAccessDenied } from './connection.ts';
import { ROLE_OF_MASTER } from './users.ts';

/** With rights on the database: whoever logs in has to have the same as whoever did before. */
const WORK = 'REPLACE INTO latest VALUES (1, NOW(6), USER())';

export const demo: DemoEngine = {
  origin:
    'The MySQL server comes from Docker; or MYSQL_URL names one that is there (mysql://root:password@host:port), where the\n' +
    'users and databases of the demo are dropped again.',
  work: 'replaces a row',
  options: { from: ['address', 'docker'] },

  async prepare(server, { admin, user }, strategy, cleanUp) {
    const users = usersOf(server);
    const removeIfNew = async (username: string) => {
      const found = await users.run('SELECT 1 FROM mysql.user WHERE User = ?', [username]);
      if (found.length === 0) cleanUp.defer(() => users.dropUser(username));
    };
    if (STRATEGIES[strategy].needsAdmin) {
      for (const username of [ROLE_OF_MASTER, admin.username]) await removeIfNew(username);
      await users.createAdmin(admin);
    }
    for (const username of [user.username, `${user.username}_clone`]) await removeIfNew(username);
    await users.createUser(user);
    for (const visitor of VISITORS) {
      await users.run(`CREATE DATABASE ${visitor}`);
      cleanUp.defer(async () => void (await users.run(`DROP DATABASE ${visitor}`)));
      await users.run(`GRANT ALL ON ${visitor}.* TO ?@'%'`, [user.username]);
    }
    await users.run(
      `CREATE TABLE ${'application' satisfies Visitor}.latest (one INT PRIMARY KEY, at DATETIME(6), user VARCHAR(300))`,
    );
    if (strategy === 'dual-password')
      await users.run(`GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ?@'%'`, [user.username]);
  },

  hasMarks: async () => true,

  async login({ host, port }, visitor, { username, password }, isToWork) {
    let client: mysql.Connection | undefined;
    try {
      client = await mysql.createConnection({
        host,
        port,
        user: username,
        password,
        database: visitor,
        connectTimeout: 5000,
      });
      client.on('error', () => {}); // as whoever uses it next is told
      if (isToWork) await client.query(WORK);
      return 'accepted';
    } catch (error) {
      return isAccessDenied(error) ? 'refused' : 'unreachable';
    } finally {
      client?.end().catch(() => {}); // the answer is there: no need to wait for the goodbye
    }
  },

  /** Every attempt is written down, with the database, and then that it was denied, without: they are of the same connection. */
  loginsOfFunction(log) {
    const connects = log.split('\n').flatMap((line) => {
      const [, id, what] = /\s(\d+) Connect\t(.*)$/.exec(line) ?? [];
      return id === undefined || what === undefined ? [] : [{ id, what }];
    });
    const ours = connects.filter(({ what }) => what.includes(` on ${'rotation' satisfies Visitor} using `));
    const denied = new Set(connects.filter(({ what }) => what.startsWith('Access denied ')).map(({ id }) => id));
    const failed = ours.filter(({ id }) => denied.has(id)).length;
    return { accepted: ours.length - failed, failed };
  },
};
