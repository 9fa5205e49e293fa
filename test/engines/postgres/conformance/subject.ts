/** PostgreSQL, as a subject of the tests of an engine's duties. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import pg from 'pg';
import { postgres as engine } from '../../../../functions/postgres/engine.ts';
import { eventually } from '../../../conformance/eventually.ts';
import { says } from '../../../conformance/relay.ts';
import type { Held, State, Subject } from '../../../conformance/subject.ts';
import { unique } from '../../../conformance/unique.ts';
import type { SharedServer } from '../../../servers.ts';
import { rows, usersOf } from '../../servers.ts';
import { connect } from '../connection.ts';
import { accepting, done, errorResponse, inTurn, message, notHeld, quoting, READY } from '../fake.ts';

const { escapeIdentifier: name, escapeLiteral: literal } = pg;

/** MySQL's greeting. */
const MYSQL = Buffer.from('4a0000000a382e302e333600', 'hex');

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const LOGIN_CODES = {
  '28P01': 'LoginRefusedError',
  '28000': 'LoginBarredError',
  '3D000': 'LoginBarredError',
  '55000': 'LoginBarredError',
  // In the time that this test gives, no connection becomes free.
  53300: 'DeadlineError',
  42501: 'PrivilegeError',
  '57P03': 'ConnectionError',
  '08P01': 'ConnectionError',
  XX000: 'DatabaseError',
  '': 'DatabaseError',
  'no SQLSTATE': 'DatabaseError',
};
const STATEMENT_CODES = {
  57014: 'DeadlineError',
  '55P03': 'DeadlineError',
  '25P03': 'DeadlineError',
  '25P04': 'DeadlineError',
  42501: 'PrivilegeError',
  25006: 'ReadOnlyServerError',
  22023: 'PasswordPolicyError',
  P0001: 'PasswordPolicyError',
  '28P01': 'PasswordPolicyError',
  '57P01': 'ConnectionError',
  '08006': 'ConnectionError',
  53300: 'DatabaseError',
  '53100': 'DatabaseError',
  42704: 'DatabaseError',
  42601: 'DatabaseError',
  XX000: 'DatabaseError',
  '': 'DatabaseError',
  'no SQLSTATE': 'DatabaseError',
};

export function subject(server: SharedServer): Subject {
  const { run } = usersOf(server);
  const alter = (username: string, options: string) => run(`ALTER ROLE ${name(username)} ${options}`);

  const altered = (is: State['is'], code: string, options: string): State => ({
    is,
    code,
    async enter({ username }) {
      await alter(username, options);
      return {};
    },
  });

  /** A transaction of somebody else that holds what a change needs; it ends by rollback. */
  async function holding(statement: string): Promise<Held> {
    await using cleanUp = new AsyncDisposableStack();
    const client = cleanUp.use(await connect(server));
    await client.query(`SET log_statement = none; BEGIN; ${statement}`);
    const open = cleanUp.move();
    return {
      release: async () => void (await client.query('ROLLBACK')),
      [Symbol.asyncDispose]: () => open.disposeAsync(),
    };
  }

  /** A database of its own, made such by these statements about %I. */
  async function inDatabase(...statements: string[]) {
    const database = unique('database');
    await run(`CREATE DATABASE ${database}`);
    for (const statement of statements) await run(statement.replace('%I', database));
    return { to: { database }, leave: () => run(`DROP DATABASE ${database}`) };
  }

  return {
    engine,
    engineKey: rows[server.row].engineKey,
    realm: '',
    wrongPassword: '28P01',

    states: {
      locked: altered('barred', '28000', 'NOLOGIN'),
      // About these two PostgreSQL says the same as about a wrong password.
      expired: altered('refused', '28P01', "VALID UNTIL '2001-01-01'"),
      'without a password': altered('refused', '28P01', 'PASSWORD NULL'),
      'at its limit of connections': {
        is: 'barred',
        code: '53300',
        async enter({ username, password }) {
          await alter(username, 'CONNECTION LIMIT 1');
          const other = await connect({ ...server, superuser: { username, password } });
          return { leave: () => other.end() };
        },
      },
      'blocked after failed logins': { none: 'PostgreSQL does not count failed logins' },
      'known from another host only': { none: 'pg_hba.conf decides about hosts, not the account' },
      'in a database that does not exist': {
        is: 'barred',
        code: '3D000',
        enter: async () => ({ to: { database: unique('nowhere') } }),
      },
      'in a database that it may not use': {
        is: 'barred',
        code: '42501',
        enter: () => inDatabase('REVOKE CONNECT ON DATABASE %I FROM PUBLIC'),
      },
      'in a database that takes no connections': {
        is: 'barred',
        code: '55000',
        enter: () => inDatabase('ALTER DATABASE %I ALLOW_CONNECTIONS false'),
      },
      'in a database at its limit of connections': {
        is: 'barred',
        code: '53300',
        enter: () => inDatabase('ALTER DATABASE %I CONNECTION LIMIT 0'),
      },
    },

    locks: {
      'the lock of another rotation': {
        code: '55P03',
        says: 'nothing was changed',
        hold: (username) =>
          holding(`SELECT pg_advisory_xact_lock(hashtextextended(${literal(`secret-rotation:${username}`)}, 0))`),
      },
      'another session’s hold on the account': {
        code: '55P03',
        says: 'nothing was changed',
        hold: (username) => holding(`ALTER ROLE ${name(username)} PASSWORD 'never committed'`),
      },
    },

    async sessionsOf(username) {
      const sessions = await run('SELECT state FROM pg_stat_activity WHERE usename = $1', [username]);
      return sessions.map(({ state }) => (state === 'active' ? 'at work' : 'idle'));
    },
    async endSessionsOf(username) {
      const sessions = () =>
        run('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [username]);
      await eventually(async () => (await sessions()).length === 0);
    },

    isReserved: (username) => /^(pg_|(public|none|postgres)$)/.test(username),
    longestName: { length: 63, unit: 'n' },
    hasLongestName: true,
    // It cuts them.
    takenForAnother() {
      const username = unique().padEnd(63, 'n');
      return { username, others: [`${username}_clone`, `${username}é`] };
    },
    nameCharacters: ['\u{1f511}'],

    // The driver composes characters also where SASLprep forbids one of them, and so says that the password is to be taken as it is.
    canBeSent: (password) => !/[\p{Cc}\u202e]/u.test(password) || password === password.normalize('NFKC'),

    comparesAndSets: { none: 'no statement of PostgreSQL names the old password' },
    isTransactional: true,
    policy: {
      code: '22023',
      // The one thing that passwordcheck can tell of a verifier is whether it is the user's own name's.
      async enter({ username }) {
        await alter(username, "SET session_preload_libraries = 'passwordcheck'");
        return { refused: username };
      },
    },
    readOnly: {
      none: 'recovery, as of a replica, takes a restart: see test/engines/postgres/function/replica.test.ts',
    },
    missingRight: '42501',
    locksNewTwins: true,
    power: (username) => alter(username, 'SUPERUSER'),
    allowSecondPassword: async () => {},

    right: {
      async grant(username) {
        const table = unique('granted');
        await run(`CREATE TABLE public.${table} (); GRANT SELECT ON public.${table} TO ${name(username)}`);
        return {
          what: table,
          revoke: () => run(`REVOKE SELECT ON public.${table} FROM ${name(username)}`),
          drop: () => run(`DROP TABLE public.${table}`),
        };
      },
      async has(user, { what }) {
        await using session = await connect({ ...server, superuser: user });
        const { rows: found } = await session.query<{ has: boolean }>(
          `SELECT has_table_privilege('public.${what}', 'SELECT') AS has`,
        );
        return found[0]?.has === true;
      },
    },

    logStatements: (username) => alter(username, "SET log_statement = 'all'"),
    changesInLog: (log, username) => log.match(new RegExp(`ALTER ROLE "${username}" PASSWORD`, 'g'))?.length ?? 0,
    hidesPasswordsWithoutTls: true,

    fake: {
      /** Answers an SSLRequest, https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL */
      async untilTls(socket: Socket) {
        await once(socket, 'data');
        socket.write('S');
      },
      beginsWithTls: false,
      loginCodes: LOGIN_CODES,
      statementCodes: STATEMENT_CODES,
      failLogin: (code, password) => inTurn((heard) => quoting(`${heard} ${password}`, code)),
      // BEGIN with the lock, ALTER ROLE, COMMIT
      statements: 3,
      change: 1,
      failChange(code, password, failing) {
        const fail = (heard: string) => Buffer.concat([quoting(`${heard} ${password}`, code), READY]);
        return inTurn(accepting, ...[notHeld, done].slice(0, failing), fail, done);
      },
      garbage: {
        'MySQL’s protocol': says(MYSQL),
        'a greeting of SSH': says('SSH-2.0-OpenSSH_9.6\r\n'),
        'a greeting that begins like a no to TLS': says('NOTICE'),
        'an answer of HTTP': says('HTTP/1.1 400 Bad Request\r\n\r\n'),
        'that the server could not start a process': says('Ecould not fork new process for connection\n\0'),
        'a way to authenticate that the driver does not know (GSSAPI)': says(message('R', 7)),
        'an error without a SQLSTATE': says(errorResponse({ M: 'x' })),
        'SASL mechanisms that the driver does not know': says(message('R', 10, 'SCRAM-SHA-512\0\0')),
        'a message that is cut short': says(message('R')),
        'a row without a query': says(Buffer.from('T\0\0\0\x04')),
        'any bytes': says(Buffer.from('\x01\xff\0\0\0\0\x7f\x03garbage', 'latin1')),
      },
    },
  };
}
