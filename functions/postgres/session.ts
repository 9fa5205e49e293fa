import type { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Deadline, GOODBYE } from '../../shared/core/deadline.ts';
import { RotationError } from '../../shared/core/errors.ts';
import type { Account, LoginResult, Session } from '../../shared/database/engine.ts';
import type { PrivilegeError } from '../../shared/database/errors.ts';
import { commandIn } from '../../shared/database/statement.ts';
import {
  type AdminTask,
  type Connection,
  commitFailure,
  type Failure,
  type Holder,
  LOCK_NOT_AVAILABLE,
  lockTaken,
  notAllowed,
  openingFailure,
  pooler,
  rolledBack,
  statementFailure,
} from './errors.ts';
import { DEFAULT_DATABASE } from './names.ts';

/**
 * A value of server_version_num. Since PostgreSQL 16, a membership has the options INHERIT and SET.
 * Before, every membership had both.
 */
export const SINCE_16 = 160_000;

/**
 * The part of the server's time for a statement that may pass waiting for a lock. With less than
 * all of it, the error says that a lock was held, not that a statement took too long.
 */
const LOCK_SHARE = 0.9;

/**
 * Goes before statements in one message, and lasts as long as their transaction. Without it, a name
 * that has no schema could be found in a schema of somebody else's (CVE-2018-1058).
 */
const CATALOG_NAMES_ONLY = 'SET LOCAL search_path = pg_catalog';

/**
 * Since PostgreSQL 17, a role may have a time limit for whole transactions, which an older server does
 * not know. The limits of statements and locks take its place.
 */
const NO_TRANSACTION_TIMEOUT = 'SET LOCAL transaction_timeout = 0';
const SINCE_17 = 17;

/**
 * For a session that changes its own user: it acts as that user, whatever `ALTER ROLE … SET role`
 * says.
 */
const OWN_ROLE = 'SET LOCAL ROLE NONE';

/**
 * For an admin: it acts as the role that `ALTER ROLE … SET role` gives it, so that this role owns
 * what the admin makes. But where only the user that logged in may make roles, the admin acts as
 * that user.
 */
const ADMIN_ROLE =
  "SELECT set_config('role', 'none', true) FROM pg_roles c, pg_roles s WHERE c.rolname = current_user AND s.rolname = session_user " +
  'AND NOT (c.rolcreaterole OR c.rolsuper) AND (s.rolcreaterole OR s.rolsuper)';

/** What a session knows once a transaction has begun. */
const ACTING =
  "SELECT current_user AS role, current_setting('server_version_num')::int AS version, " +
  "current_setting('scram_iterations', true)::int AS iterations";

/** Whether another session holds the same lock as this one, in another database. */
const HELD_IN_ANOTHER_DATABASE =
  'SELECT EXISTS (SELECT FROM pg_locks mine JOIN pg_locks other USING (locktype, classid, objid, objsubid) ' +
  "WHERE locktype = 'advisory' AND mine.pid = pg_backend_pid() AND other.granted AND other.database <> mine.database) AS held";

/** A part of three statements of a rehearsal. */
const SAVEPOINT = 'SAVEPOINT rehearsed';

/** The shortest pause before the next try to get the lock, in milliseconds. */
const PAUSE = 100;

/** How the deadline's errors name this connection. */
export function nameOf({ to, username }: Connection): string {
  return `PostgreSQL at ${to.host}:${to.port} for user "${username}"`;
}

export class PostgresSession implements Session {
  readonly account: Account;
  readonly #client: pg.Client;
  readonly #connection: Connection;
  readonly #until: Deadline;
  readonly #loginTo: (database: string) => Promise<LoginResult<PostgresSession>>;
  #opened: { role: string; version: number; iterations: number | null } | undefined;
  #answered: { query: string; rows: unknown[] } | undefined;
  #isRehearsing = false;
  /** In a rehearsal's transaction: each message has a savepoint to go back to. */
  #hasSavepoint = false;

  /** @param loginTo logs in to another database of the server as the same user */
  constructor(
    client: pg.Client,
    connection: Connection,
    until: Deadline,
    loginTo: (database: string) => Promise<LoginResult<PostgresSession>>,
  ) {
    this.account = { username: connection.username, realm: '' };
    this.#client = client;
    this.#connection = connection;
    this.#until = until;
    this.#loginTo = loginTo;
  }

  /**
   * Runs `work` in one transaction, under an advisory lock for the account. Without a lock, two
   * ALTER ROLE of one role at a time fail with "tuple concurrently updated".
   *
   * An advisory lock belongs to one database, but a role to the whole server. So a session that
   * holds the lock in another database is waited for, too: this one gives up its own lock, pauses,
   * and tries again.
   * @param ask a query for the same message. `answerWithLock` has its rows.
   */
  async exclusively<T>(
    account: Account,
    work: (stillAlone: () => Promise<void>) => Promise<T>,
    ask?: string,
  ): Promise<T> {
    const key = `pg_catalog.hashtextextended(${pg.escapeLiteral(`secret-rotation:${account.username}`)}, 0)`;
    const isItself = account.username === this.account.username;
    const end = performance.now() + this.#until.serverLimit() * LOCK_SHARE;
    for (;;) {
      let isAlone = false;
      const done = await this.#transaction(
        isItself ? OWN_ROLE : ADMIN_ROLE,
        // The lock's function with its schema: a bare name could find a function of anybody's whose
        // arguments fit better (CVE-2018-1058). Other databases are looked at under the lock of this
        // one. So of two sessions that look at the same time, at least one sees the other.
        `SELECT pg_catalog.pg_advisory_xact_lock(${key}); ${HELD_IN_ANOTHER_DATABASE}; ${ask ?? ''}`,
        async (stillAlone, results) => {
          isAlone = results.some(({ rows }) => rows[0]?.held === false);
          this.#answered = ask === undefined ? undefined : { query: ask, rows: results.at(-1)?.rows ?? [] };
          return isAlone ? { result: await work(stillAlone) } : undefined;
        },
      ).catch(async (error) => {
        if (isAlone || !(error instanceof RotationError) || error.code !== LOCK_NOT_AVAILABLE) throw error;
        throw lockTaken(this.#connection, account.username, await this.#holders(key));
      });
      if (done !== undefined) return done.result;
      if (performance.now() > end) throw lockTaken(this.#connection, account.username, await this.#holders(key));
      // Random, so that two sessions that saw each other's lock do not meet again.
      await sleep(PAUSE * (1 + Math.random()));
    }
  }

  /**
   * Runs `work` as `exclusively` does, and rolls back. A statement that fails spoils no other one,
   * because each has a savepoint. Nobody else sees anything of it. What `work` has changed is locked
   * until the end: rows of roles, and no object of the application's (see hand-over.ts).
   */
  async rehearse(account: Account, work: () => Promise<void>): Promise<void> {
    this.#isRehearsing = true;
    try {
      await this.exclusively(account, work);
    } finally {
      this.#isRehearsing = false;
    }
  }

  /** The rows of this query, if the last `exclusively` has asked it. Each answer is given once: it grows old. */
  answerWithLock(query: string): unknown[] | undefined {
    const answered = this.#answered;
    this.#answered = undefined;
    return answered?.query === query ? answered.rows : undefined;
  }

  /** Whether nothing that this session changes now will last. */
  get isRehearsing(): boolean {
    return this.#isRehearsing;
  }

  /** The other sessions of the server that hold the lock of this key. Empty if that cannot be asked. */
  #holders(key: string): Promise<Holder[]> {
    return this.rows<Holder>(
      `SELECT pid, usename AS user, host(client_addr) AS address FROM pg_locks JOIN pg_stat_activity USING (pid), ${key} AS key
        WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid() AND objsubid = 1
        AND classid::bigint = (key >> 32) & 4294967295 AND objid::bigint = key & 4294967295`,
    ).catch(() => []);
  }

  /** The role as which statements act. Known once a transaction has begun. */
  get actsAs(): string {
    return this.#knownSinceBegin().role;
  }

  /** The server's server_version_num. Known once a transaction has begun. */
  get version(): number {
    return this.#knownSinceBegin().version;
  }

  /** scram_iterations of this session. Undefined before PostgreSQL 16, and before a transaction has begun. */
  get scramIterations(): number | undefined {
    return this.#opened?.iterations ?? undefined;
  }

  #knownSinceBegin() {
    if (this.#opened === undefined) throw new TypeError('not in a transaction');
    return this.#opened;
  }

  /**
   * The transaction overrides settings of roles and databases: it may write
   * (`default_transaction_read_only`), it sees what others have committed while it waited for the lock
   * (`default_transaction_isolation`), and COMMIT answers only when the change is on disk
   * (`synchronous_commit`). Where COMMIT waits for a synchronous standby, no time limit of the
   * server's ends that wait, and the lock lasts as long.
   * @param role a statement that sets the role as which the transaction acts
   * @param first statements of the first message; `work` is given the results of the message
   */
  async #transaction<T>(
    role: string,
    first: string,
    work: (stillAlone: () => Promise<void>, results: pg.QueryResult[]) => Promise<T>,
  ): Promise<T> {
    try {
      const results = await this.#query(
        `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ${this.#settings}; ${role}; SET LOCAL synchronous_commit = on; ${this.#limits()}; ` +
          `${this.#isRehearsing ? `${SAVEPOINT}; ` : ''}${ACTING}; ${first}`,
        openingFailure,
        'BEGIN',
      );
      this.#opened = results.flatMap(({ rows }) => rows).find((row) => 'role' in row);
      this.#hasSavepoint = this.#isRehearsing;
      const result = await work(async () => void (await this.#run('SELECT 1', statementFailure)), results);
      this.#hasSavepoint = false;
      if (this.#isRehearsing) {
        await this.#run('ROLLBACK', statementFailure);
        return result;
      }
      // After a statement that failed, the server answers COMMIT with ROLLBACK, and does not call
      // that an error.
      if ((await this.#run('COMMIT', commitFailure)) !== 'COMMIT') throw rolledBack(this.#connection);
      return result;
    } catch (error) {
      this.#hasSavepoint = false;
      // May fail: the end of the session ends the transaction, too.
      await this.#run('ROLLBACK', statementFailure).catch(() => {});
      throw error;
    }
  }

  /**
   * The rows that a query returns. Outside `exclusively`, the query is a transaction of its own.
   * @param before statements that go before it in the same message, each with a semicolon
   */
  async rows<Row>(query: string, before = ''): Promise<Row[]> {
    const results = await this.#query(`${before}${this.#settings}; ${query}`, statementFailure, query);
    return (results.at(-1)?.rows ?? []) as Row[];
  }

  /** The rows that each of these queries returns, by one message. Otherwise as `rows`. */
  async rowsOfEach(...queries: string[]): Promise<unknown[][]> {
    const all = queries.join('; ');
    const results = await this.#query(`${this.#settings}; ${all}`, statementFailure, all);
    return results.slice(-queries.length).map(({ rows }) => rows);
  }

  /**
   * Sends a statement that changes something and may have to wait. Only inside `exclusively` or
   * `inDatabase`.
   * @param longestWait for a lock, in milliseconds; without it, nearly all the time that is left
   */
  async change(statement: string, failure: Failure, longestWait?: number): Promise<void> {
    await this.#run(`${this.#limits(longestWait)}; ${statement}`, failure, statement);
  }

  /**
   * Runs `work` in a transaction in that database, and commits before it returns. Where `database`
   * is this session's own, or '', `work` runs in the present transaction instead.
   * @throws {PrivilegeError} that names the task `entering` if the admin may not log in there
   */
  async inDatabase(
    database: string,
    entering: AdminTask,
    work: (there: PostgresSession) => Promise<void>,
  ): Promise<void> {
    if (database === '' || database === (this.#connection.to.database ?? DEFAULT_DATABASE)) return work(this);
    const result = await this.#loginTo(database);
    if (result.is === 'barred') throw notAllowed(this.#connection, entering, result.why.code);
    if (result.is !== 'accepted') throw result.why;
    result.session.#isRehearsing = this.#isRehearsing;
    try {
      await result.session.#transaction(ADMIN_ROLE, '', () => work(result.session));
    } finally {
      await result.session.close();
    }
  }

  /** For a statement to which the server answered "done", although it did nothing. */
  notAllowed(task: AdminTask): PrivilegeError {
    return notAllowed(this.#connection, task);
  }

  /**
   * A pooler tells each client a process and a key of its own, with which the client may cancel its
   * statements. PostgreSQL tells the number of the process that serves the client.
   * @param process what pg_backend_pid() says
   * @throws {UnsupportedHostError} if the session passes a pooler
   */
  requireDirect(process: number): void {
    const { processID: told } = this.#client as pg.Client & { processID?: number | null };
    if (told && told !== process) throw pooler(this.#connection);
  }

  async close(): Promise<void> {
    const { stream } = (this.#client as unknown as { connection: { stream: EventEmitter } }).connection;
    const isTold = new Promise<void>((resolve) => stream.once('finish', resolve));
    await Promise.race([isTold, this.end()]);
  }

  async end(): Promise<void> {
    const timer = setTimeout(() => this.#connection.socket.destroy(), GOODBYE);
    await this.#client.end().catch(() => {});
    clearTimeout(timer);
  }

  /** Goes before the statements of a transaction. */
  get #settings(): string {
    const isSince17 = Number.parseInt(this.#connection.version ?? '', 10) >= SINCE_17;
    return isSince17 ? `${NO_TRANSACTION_TIMEOUT}; ${CATALOG_NAMES_ONLY}` : CATALOG_NAMES_ONLY;
  }

  /**
   * Goes before each statement that may have to wait: less time is left than there was at login.
   */
  #limits(longestWait = Number.POSITIVE_INFINITY): string {
    const limit = this.#until.serverLimit();
    const wait = Math.min(Math.ceil(limit * LOCK_SHARE), longestWait);
    return `SET LOCAL statement_timeout = ${limit}; SET LOCAL lock_timeout = ${wait}`;
  }

  /** @returns the last statement's command tag: `COMMIT` */
  async #run(statements: string, failure: Failure, main = statements): Promise<string | undefined> {
    return (await this.#query(statements, failure, main)).at(-1)?.command;
  }

  /** @param main the statement that an error is about: the others only go before it */
  async #query(statements: string, failure: Failure, main: string): Promise<pg.QueryResult[]> {
    this.#connection.sent = commandIn(main);
    if (!this.#hasSavepoint) return this.#send(statements, failure);
    try {
      return await this.#send(`RELEASE ${SAVEPOINT}; ${SAVEPOINT}; ${statements}`, failure);
    } catch (error) {
      // May fail: the connection may be broken.
      await this.#send(`ROLLBACK TO ${SAVEPOINT}`, statementFailure).catch(() => {});
      throw error;
    }
  }

  async #send(statements: string, failure: Failure): Promise<pg.QueryResult[]> {
    try {
      const results = await this.#until.spend('statements', nameOf(this.#connection), (signal) => {
        signal.addEventListener('abort', () => this.#connection.socket.destroy());
        return this.#client.query(statements);
      });
      // Several statements in one message give several results. The driver's types do not say so.
      return [results].flat();
    } catch (error) {
      throw failure(error, this.#connection);
    }
  }
}
