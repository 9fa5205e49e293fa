import { Socket } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import pg from 'pg';
import type { Deadline } from '../../shared/deadline.ts';
import type { Account, Credential, Endpoint, Engine, LoginResult, Session, Tls } from '../../shared/engine.ts';
import type { Secret } from '../../shared/secret.ts';
import { trustedRoots } from '../../shared/tls.ts';
import { type Attempt, loginFailure, openingFailure, passwordFailure, statementFailure, unproven } from './errors.ts';
import { scramVerifier } from './scram.ts';

/** The server must give up before the client does: the rest is for the answer's way back. */
const SERVER_SHARE = 0.9;

/** How long the server gets to see us out, in milliseconds. */
const GOODBYE = 500;

/** PostgreSQL: RDS, Aurora and self-managed. */
export const postgres: Engine<PostgresSession> = {
  name: 'PostgreSQL',
  engineKeys: ['postgres', 'aurora-postgresql', 'postgresql'],
  defaultPort: 5432,
  // The driver's own default is a database of the user's name.
  defaultDatabase: 'postgres',
  optionKeys: [],
  // RFC 3986's unreserved characters: nothing to escape in a URL, a connection string or a shell.
  password: { alphabet: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~', longest: 512 },
  usernameProblem,
  login,
  exclusively: (session, account, work) => session.transaction(account, work),
  changeOwnPassword: (session, _from, to) => session.setPassword(to),
  byAdmin: () => ({ unsupported: 'not in this version' }),
  twins: () => ({ unsupported: 'not in this version' }),
  overlap: () => ({ unsupported: 'a role has one password only' }),
};

/** NAMEDATALEN - 1, https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS */
const LONGEST_NAME = 63;

/** A longer name would be cut silently, and the statement would reach whoever has the shorter one. */
function usernameProblem(name: string): string | undefined {
  if (Buffer.byteLength(name) > LONGEST_NAME)
    return `is longer than ${LONGEST_NAME} bytes, the most that PostgreSQL keeps`;
  return name.includes('\0') ? 'has a NUL character, which PostgreSQL does not allow' : undefined;
}

async function login(to: Endpoint, as: Credential, until: Deadline): Promise<LoginResult<PostgresSession>> {
  const attempt: Attempt = {
    to,
    username: as.username,
    socket: new Socket(),
    offersTls: undefined,
    askedForPassword: false,
  };
  const { socket } = attempt;
  // The answer to SSLRequest is one byte, 'S' or 'N': https://www.postgresql.org/docs/current/protocol-flow.html
  if (to.tls !== 'off') socket.once('data', (first: Buffer) => (attempt.offersTls = first[0] === 0x53));
  const limit = Math.max(1, Math.floor(until.left('statements') * SERVER_SHARE));
  const client = new pg.Client({
    host: to.host,
    port: to.port,
    user: as.username,
    database: to.database ?? 'postgres',
    password: () => {
      attempt.askedForPassword = true;
      return as.password.reveal();
    },
    ssl: to.tls === 'off' ? false : verified(to.tls, to.host),
    stream: () => socket,
    application_name: 'secret-rotation',
    statement_timeout: limit,
    lock_timeout: limit,
    idle_in_transaction_session_timeout: limit,
  });
  // A connection that breaks while idle is found out by the next statement; unheard, the event would end the process.
  client.on('error', () => {});
  try {
    await until.spend('connecting', `PostgreSQL at ${to.host}:${to.port}`, (signal) => {
      signal.addEventListener('abort', () => socket.destroy());
      return client.connect();
    });
  } catch (error) {
    const result = loginFailure(error, attempt);
    socket.destroy();
    return result;
  }
  const session = new PostgresSession(client, socket, attempt, until);
  if (attempt.askedForPassword) return { is: 'accepted', session };
  await session.close();
  return unproven(attempt);
}

/**
 * The driver overwrites `servername` with the host's name, so another name for the certificate to bear is checked here.
 */
function verified({ servername, ca }: Exclude<Tls, 'off'>, host: string) {
  const expected = servername ?? host;
  return {
    ca: trustedRoots(ca),
    rejectUnauthorized: true,
    checkServerIdentity: (_: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(expected, certificate),
  };
}

class PostgresSession implements Session {
  readonly account: Account;
  readonly #client: pg.Client;
  readonly #socket: Socket;
  readonly #attempt: Attempt;
  readonly #until: Deadline;

  constructor(client: pg.Client, socket: Socket, attempt: Attempt, until: Deadline) {
    this.account = { username: attempt.username, realm: '' };
    this.#client = client;
    this.#socket = socket;
    this.#attempt = attempt;
    this.#until = until;
  }

  /**
   * One transaction, alone for this account: two ALTER ROLE of one role at a time fail with "tuple concurrently updated".
   * Over the role's and the database's own settings, it writes (`default_transaction_read_only`), acts as the user that
   * logged in (`ALTER ROLE … SET role`), and has reached the disk when COMMIT answers (`synchronous_commit`).
   */
  async transaction<T>(account: Account, work: () => Promise<T>): Promise<T> {
    const limit = Math.max(1, Math.floor(this.#until.left('statements') * SERVER_SHARE));
    const lock = pg.escapeLiteral(`secret-rotation:${account.username}`);
    await this.#run(
      `BEGIN READ WRITE; SET LOCAL ROLE NONE; SET LOCAL synchronous_commit = on; SET LOCAL statement_timeout = ${limit}; ` +
        `SET LOCAL lock_timeout = ${limit}; SELECT pg_advisory_xact_lock(hashtextextended(${lock}, 0))`,
      openingFailure,
    );
    try {
      const result = await work();
      await this.#run('COMMIT', statementFailure);
      return result;
    } catch (error) {
      // Best effort: what ends the session ends the transaction too.
      await this.#run('ROLLBACK', statementFailure).catch(() => {});
      throw error;
    }
  }

  /** PASSWORD alone: any other option beside it needs more rights than a user has over itself. */
  async setPassword(to: Secret): Promise<'set'> {
    const role = pg.escapeIdentifier(this.account.username);
    await this.#run(`ALTER ROLE ${role} PASSWORD ${pg.escapeLiteral(await scramVerifier(to))}`, passwordFailure);
    return 'set';
  }

  async close(): Promise<void> {
    const timer = setTimeout(() => this.#socket.destroy(), GOODBYE);
    await this.#client.end().catch(() => {});
    clearTimeout(timer);
  }

  async #run(statement: string, failure: typeof statementFailure): Promise<void> {
    try {
      await this.#until.spend('statements', `PostgreSQL at ${this.#attempt.to.host}`, (signal) => {
        signal.addEventListener('abort', () => this.#socket.destroy());
        return this.#client.query(statement);
      });
    } catch (error) {
      throw failure(error, this.#attempt);
    }
  }
}
