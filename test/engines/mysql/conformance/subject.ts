/** MySQL and MariaDB, as subjects of the tests of an engine's duties. */
import { setTimeout as sleep } from 'node:timers/promises';
import { mysql as engine } from '../../../../functions/mysql/engine.ts';
import type { Held, State, Subject } from '../../../conformance/subject.ts';
import { unique } from '../../../conformance/unique.ts';
import type { SharedServer } from '../../../servers.ts';
import { rows, usersOf } from '../../servers.ts';
import { connect } from '../connection.ts';
import { authSwitch, error, greeting, greets, letsIn, packet, untilTls } from '../fake.ts';

/** https://dev.mysql.com/doc/mysql-errors/9.7/en/server-error-reference.html */
const LOGIN_CODES = {
  1040: 'ConnectionError',
  1044: 'LoginBarredError',
  1045: 'LoginRefusedError',
  1049: 'LoginBarredError',
  1129: 'LoginBarredError',
  1130: 'LoginBarredError',
  1203: 'LoginBarredError',
  1226: 'LoginBarredError',
  1251: 'LoginBarredError',
  1524: 'LoginBarredError',
  1698: 'LoginBarredError',
  1820: 'LoginBarredError',
  1862: 'LoginBarredError',
  3118: 'LoginBarredError',
  3159: 'TlsError',
  3955: 'LoginBarredError',
  4150: 'LoginBarredError',
  4151: 'LoginBarredError',
  9999: 'DatabaseError',
};
const STATEMENT_CODES = {
  1044: 'PrivilegeError',
  1045: 'PrivilegeError',
  1053: 'ConnectionError',
  1064: 'DatabaseError',
  1142: 'PrivilegeError',
  1205: 'DeadlineError',
  1227: 'PrivilegeError',
  1290: 'ReadOnlyServerError',
  1317: 'DatabaseError',
  1372: 'DatabaseError',
  1396: 'DatabaseError',
  1698: 'PrivilegeError',
  1819: 'PasswordPolicyError',
  1820: 'DatabaseError',
  1969: 'DeadlineError',
  3638: 'PasswordPolicyError',
  3892: 'DatabaseError',
  4031: 'ConnectionError',
  9999: 'DatabaseError',
};
/** Of a login and a change: what fails is, one after the other, each statement of both. */
const STATEMENTS = 6;

export function subject(server: SharedServer, isShared: boolean): Subject {
  const { engineKey } = rows[server.row];
  const isMariaDb = engineKey === 'mariadb';
  const { run } = usersOf(server);
  const alter = (username: string, options: string) => run(`ALTER USER ?@'%' ${options}`, [username]);
  const state = (
    is: State['is'],
    code: number,
    enter: (username: string) => Promise<unknown>,
    name?: string,
  ): State => ({
    is,
    code: String(code),
    ...(name && { name }),
    async enter({ username }) {
      await enter(username);
      return {};
    },
  });

  /** Somebody else's session that holds what a change needs. */
  async function holding(release: string, statement: string, values: unknown[] = []): Promise<Held> {
    await using cleanUp = new AsyncDisposableStack();
    const client = cleanUp.use(await connect(server));
    await client.query('SET SESSION sql_log_off = 1');
    await client.query(statement, values);
    const open = cleanUp.move();
    return {
      release: async () => void (await client.query(release)),
      [Symbol.asyncDispose]: () => open.disposeAsync(),
    };
  }

  const sessionsOf = (username: string) =>
    run('SELECT ID AS id, COMMAND AS command FROM information_schema.PROCESSLIST WHERE USER = ?', [username]);

  return {
    engine,
    engineKey,
    realm: '%',
    wrongPassword: '1045',

    states: {
      locked: state('barred', isMariaDb ? 4151 : 3118, (username) => alter(username, 'ACCOUNT LOCK')),
      // MariaDB lets it in, and then takes nothing but a new password.
      expired: state('barred', isMariaDb ? 1820 : 1862, (username) => alter(username, 'PASSWORD EXPIRE')),
      'without a password': state('refused', 1045, (username) => alter(username, "IDENTIFIED BY ''")),
      'at its limit of connections': {
        is: 'barred',
        code: '1226',
        async enter({ username, password }) {
          await alter(username, 'WITH MAX_USER_CONNECTIONS 1');
          const other = await connect({ ...server, database: '', superuser: { username, password } });
          return { leave: () => other.end() };
        },
      },
      'blocked after failed logins': isMariaDb
        ? {
            none: 'max_password_errors is the server’s, not the account’s: see test/engines/mysql/function/logins.test.ts',
          }
        : {
            is: 'unknown',
            code: '3955',
            async enter({ username }) {
              await alter(username, 'FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME 1');
              await connect({ ...server, database: '', superuser: { username, password: 'wrong' } }).catch(() => {});
              return {};
            },
          },
      'known from another host only': state('refused', 1045, (username) =>
        run("RENAME USER ?@'%' TO ?@'192.0.2.1'", [username, username]),
      ),
      'in a database that does not exist': {
        is: 'barred',
        code: '1049',
        async enter({ username }) {
          const database = unique('nowhere');
          await run(`GRANT SELECT ON ${database}.* TO ?@'%'`, [username]);
          return { to: { database } };
        },
      },
      'in a database that it may not use': {
        is: 'barred',
        code: '1044',
        enter: async () => ({ to: { database: 'mysql' } }),
      },
      'in a database that takes no connections': { none: 'a database cannot be closed' },
      'in a database at its limit of connections': { none: 'a database has no limit of connections' },
    },

    locks: {
      'the lock of another rotation': {
        code: undefined,
        says: 'nothing was changed',
        hold: (username) =>
          holding('DO RELEASE_ALL_LOCKS()', "DO GET_LOCK(CONCAT('secret-rotation:', LEFT(SHA2(?, 256), 40)), 0)", [
            username,
          ]),
      },
      'another session’s hold on the account': isMariaDb
        ? {
            code: '1969',
            says: 'nothing was changed',
            hold: () => holding('UNLOCK TABLES', 'LOCK TABLES mysql.global_priv READ'),
          }
        : {
            code: '1205',
            says: 'nothing was changed',
            hold: (username) =>
              holding('ROLLBACK', 'START TRANSACTION; SELECT User FROM mysql.user WHERE User = ? FOR UPDATE', [
                username,
              ]),
          },
    },

    async sessionsOf(username) {
      return (await sessionsOf(username)).map(({ command }) => (command === 'Sleep' ? 'idle' : 'at work'));
    },
    async endSessionsOf(username) {
      // A session may end by itself meanwhile.
      for (const { id } of await sessionsOf(username)) await run(`KILL ${id}`).catch(() => {});
      while ((await sessionsOf(username)).length > 0) await sleep(20);
    },

    isReserved: (username) => /^(root|mysql\.\w+|mariadb\.sys|public|none|current_role)$/i.test(username),
    longestName: { length: isMariaDb ? 128 : 32, unit: 'é' },
    hasLongestName: true,
    takenForAnother() {
      const username = unique();
      return { username, others: [`'${username}'`] };
    },
    nameCharacters: [],

    canBeSent: () => true,

    comparesAndSets: isMariaDb ? { none: 'no statement of MariaDB names the old password' } : true,
    isTransactional: { none: 'account statements commit by themselves' },
    policy: isMariaDb
      ? isShared
        ? { none: 'its plugins are the whole server’s' }
        : {
            code: '1290',
            anyPassword: true,
            async enter() {
              await run("INSTALL SONAME 'simple_password_check'");
              return { refused: unique(), leave: () => run("UNINSTALL SONAME 'simple_password_check'") };
            },
          }
      : {
          code: '3638',
          async enter({ username, password }) {
            await alter(username, 'PASSWORD HISTORY 5');
            // What it was before does not count.
            await run("ALTER USER ?@'%' IDENTIFIED BY ?", [username, password]);
            return { refused: password };
          },
        },
    readOnly: {
      code: '1290',
      says: "give the writer's",
      async enter() {
        await run('SET GLOBAL read_only = 1');
        return () => run('SET GLOBAL read_only = 0');
      },
    },
    missingRight: '1227',
    locksNewTwins: true,
    power: (username) => run("GRANT ALL PRIVILEGES ON *.* TO ?@'%' WITH GRANT OPTION", [username]),
    allowSecondPassword: (username) => run("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ?@'%'", [username]),

    right: {
      async grant(username) {
        const database = unique('granted');
        await run(`CREATE DATABASE ${database}`);
        await run(`CREATE TABLE ${database}.t (i int)`);
        await run(`GRANT SELECT ON ${database}.t TO ?@'%'`, [username]);
        return {
          what: database,
          revoke: () => run(`REVOKE SELECT ON ${database}.t FROM ?@'%'`, [username]),
          drop: () => run(`DROP DATABASE ${database}`),
        };
      },
      async has(user, { what }) {
        const session = await connect({ ...server, database: '', superuser: user });
        try {
          await session.query(`SELECT * FROM ${what}.t`);
          return true;
        } catch (answer) {
          if ((answer as { errno?: number }).errno === 1142) return false;
          throw answer;
        } finally {
          await session.end();
        }
      },
    },

    // Its general log is on from the beginning.
    logStatements: async () => {},
    changesInLog(log, username) {
      const own = new Set(
        [...log.matchAll(/\s(\d+) Connect\t(\S+)@/g)].filter(([, , who]) => who === username).map(([, id]) => id),
      );
      return [...log.matchAll(/\s(\d+) Query\t(ALTER USER|SET PASSWORD)/g)].filter(([, id]) => own.has(id)).length;
    },
    hidesPasswordsWithoutTls: isMariaDb
      ? true
      : { none: 'MySQL takes no hash from a user for itself, so with "ssl": false the new password is sent as it is' },

    fake: {
      untilTls,
      beginsWithTls: false,
      loginCodes: LOGIN_CODES,
      statementCodes: isMariaDb ? STATEMENT_CODES : { ...STATEMENT_CODES, 3891: 'conflict' },
      statements: STATEMENTS,
      change: 4,
      failLogin: (code, password) => greets((heard) => error(2, Number(code), `${heard} ${password}`)),
      failChange: (code, password, failing) =>
        letsIn((statement, position) =>
          position === failing ? error(1, Number(code), `${statement} ${password}`) : undefined,
        ),
      garbage: {
        'nothing but a new line': (socket) => void socket.write('\n'),
        'PostgreSQL’s protocol': (socket) => void socket.write('E\0\0\0\x0dSFATAL\0\0'),
        'a greeting of SSH': (socket) => void socket.write('SSH-2.0-OpenSSH_9.6\r\n'),
        'an answer of HTTP': (socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
        'any bytes': (socket) => void socket.write(Buffer.from('\x05\0\0\0\xff\x01\xfe\x7f\x03', 'latin1')),
        'a greeting that is cut short': (socket) => void socket.write(greeting().subarray(0, 20)),
        'a greeting in a packet that is too short': (socket) => void socket.write(packet(0, 10, '9.7.0\0', 7)),
        'a greeting of protocol 9': (socket) => void socket.write(packet(0, 9, '3.20.0\0', 7, 0, 0, 0, 'saltsalt\0')),
        'a way to authenticate that the driver does not know (ed25519)': greets(() => authSwitch(2, 'client_ed25519')),
        'a way to authenticate that is none': greets(() => authSwitch(2, '')),
        'an empty packet for an answer': greets(() => packet(2)),
        'bytes for an answer': greets(() => Buffer.from('garbage garbage garbage')),
        'an error without a SQLSTATE': greets(() => error(2, 9999, '', '')),
      },
    },
  };
}
