import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Deadline, GOODBYE } from '../../shared/core/deadline.ts';
import type { Account, LoginResult, Session } from '../../shared/database/engine.ts';
import type { PrivilegeError } from '../../shared/database/errors.ts';
import {
  type AdminsWork,
  type Attempt,
  type Failure,
  lockTaken,
  notAllowed,
  openingFailure,
  rolledBack,
  statementFailure,
} from './errors.ts';

/** Of the server's time for a statement. Less than all of it, so that a wait for a lock ends as what it is. */
const LOCK_SHARE = 0.9;

/** The driver's own default is a database of the user's name. */
export const DEFAULT_DATABASE = 'postgres';

export function named({ to, username }: Attempt): string {
  return `PostgreSQL at ${to.host}:${to.port} for user "${username}"`;
}

/**
 * To be put before statements in one message, where it lasts as long as their transaction: a name without a schema must not be found in
 * somebody else's (CVE-2018-1058).
 */
const OWN_NAMES_ONLY = 'SET LOCAL search_path = pg_catalog';

/**
 * An admin acts as the role that its settings give it, for what it makes belongs to that: but where only the user that logged in may make
 * roles.
 */
const ABLE_ROLE =
  "SELECT set_config('role', 'none', true) FROM pg_roles c, pg_roles s WHERE c.rolname = current_user AND s.rolname = session_user " +
  'AND NOT (c.rolcreaterole OR c.rolsuper) AND (s.rolcreaterole OR s.rolsuper)';

/** Whether somebody has the lock that this session has, in another database. */
const HELD_ELSEWHERE =
  'SELECT EXISTS (SELECT FROM pg_locks mine JOIN pg_locks other USING (locktype, classid, objid, objsubid) ' +
  "WHERE locktype = 'advisory' AND mine.pid = pg_backend_pid() AND other.granted AND other.database <> mine.database) AS held";

/** Milliseconds between two looks, at least. */
const PATIENCE = 100;

/** server_version_num. Since then a membership has options, before it could always be inherited and set. */
export const SINCE_16 = 160_000;

type Opened = { role: string; version: number };

export class PostgresSession implements Session {
  readonly account: Account;
  readonly #client: pg.Client;
  readonly #attempt: Attempt;
  readonly #until: Deadline;
  readonly #elsewhere: (database: string) => Promise<LoginResult<PostgresSession>>;
  #opened: Opened | undefined;

  constructor(
    client: pg.Client,
    attempt: Attempt,
    until: Deadline,
    elsewhere: (database: string) => Promise<LoginResult<PostgresSession>>,
  ) {
    this.account = { username: attempt.username, realm: '' };
    this.#client = client;
    this.#attempt = attempt;
    this.#until = until;
    this.#elsewhere = elsewhere;
  }

  /**
   * One transaction, alone for this account: two ALTER ROLE of one role at a time fail with "tuple concurrently updated". The lock is
   * one database's, and roles are the whole server's, so those who hold it in another one are waited for, too.
   * Over the role's and the database's own settings, it writes (`default_transaction_read_only`), acts as the user that
   * logged in (`ALTER ROLE … SET role`) where it changes itself, and has reached the disk when COMMIT answers (`synchronous_commit`). Where that waits for a
   * synchronous standby, statement_timeout does not end the wait; the lock lasts as long. Functions are named with their schema: an
   * unqualified name can be caught by anybody's function with better fitting arguments (CVE-2018-1058).
   */
  async exclusively<T>(account: Account, work: (stillAlone: () => Promise<void>) => Promise<T>): Promise<T> {
    const lock = pg.escapeLiteral(`secret-rotation:${account.username}`);
    const itself = account.username === this.account.username;
    const end = performance.now() + this.#until.serverLimit() * LOCK_SHARE;
    for (;;) {
      const done = await this.#transaction(
        itself ? 'SET LOCAL ROLE NONE' : ABLE_ROLE,
        `, pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(${lock}, 0))`,
        async (stillAlone) => ((await this.#isHeldElsewhere()) ? undefined : { result: await work(stillAlone) }),
      );
      if (done !== undefined) return done.result;
      if (performance.now() > end) throw lockTaken(this.#attempt, account.username);
      // Two that saw each other do not do so again.
      await sleep(PATIENCE * (1 + Math.random()));
    }
  }

  /** Whoever looks has the lock of its own database already: of two that look at once, one at least sees the other. */
  async #isHeldElsewhere(): Promise<boolean> {
    const [row] = await this.rows<{ held: boolean }>(HELD_ELSEWHERE);
    return row?.held !== false;
  }

  /** Whom statements act as, and the server's server_version_num: known inside a transaction. */
  get opened(): Opened {
    if (this.#opened === undefined) throw new TypeError('not in a transaction');
    return this.#opened;
  }

  async #transaction<T>(
    role: string,
    selecting: string,
    work: (stillAlone: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    try {
      const results = await this.#query(
        `BEGIN READ WRITE; ${OWN_NAMES_ONLY}; ${role}; SET LOCAL synchronous_commit = on; ${this.#limits()}; ` +
          `SELECT current_user AS role, current_setting('server_version_num')::int AS version${selecting}`,
        openingFailure,
      );
      this.#opened = results.at(-1)?.rows[0];
      const result = await work(async () => void (await this.#run('SELECT 1', statementFailure)));
      // A transaction in which a statement failed answers COMMIT with ROLLBACK, and calls that no error.
      if ((await this.#run('COMMIT', statementFailure)) !== 'COMMIT') throw rolledBack(this.#attempt);
      return result;
    } catch (error) {
      // Best effort: what ends the session ends the transaction too.
      await this.#run('ROLLBACK', statementFailure).catch(() => {});
      throw error;
    }
  }

  /** What a query answers, in a transaction of its own if there is none. */
  async rows<Row>(query: string): Promise<Row[]> {
    const results = await this.#query(`${OWN_NAMES_ONLY}; ${query}`, statementFailure);
    return (results.at(-1)?.rows ?? []) as Row[];
  }

  /**
   * A statement that changes something, and may have to wait for that, inside a transaction.
   * @param longestWait for a lock, in milliseconds, where less than all the time is to be spent on it
   */
  async change(statement: string, failure: Failure, longestWait?: number): Promise<void> {
    await this.#run(`${this.#limits(longestWait)}; ${statement}`, failure);
  }

  /**
   * In a transaction in that database, which commits before this returns; in the present one if it is this session's, or ''.
   * @throws {PrivilegeError} that names `entering` if the admin may not log in there
   */
  async inDatabase(
    database: string,
    entering: AdminsWork,
    work: (there: PostgresSession) => Promise<void>,
  ): Promise<void> {
    if (database === '' || database === (this.#attempt.to.database ?? DEFAULT_DATABASE)) return work(this);
    const result = await this.#elsewhere(database);
    if (result.is === 'barred') throw notAllowed(this.#attempt, entering, result.why.code);
    if (result.is !== 'accepted') throw result.why;
    try {
      await result.session.#transaction(ABLE_ROLE, '', () => work(result.session));
    } finally {
      await result.session.close();
    }
  }

  /** For a statement that the server took and did nothing about. */
  notAllowed(work: AdminsWork): PrivilegeError {
    return notAllowed(this.#attempt, work);
  }

  async close(): Promise<void> {
    const timer = setTimeout(() => this.#attempt.socket.destroy(), GOODBYE);
    await this.#client.end().catch(() => {});
    clearTimeout(timer);
  }

  /** Anew before whatever may have to wait: less is left than there was at login. */
  #limits(longestWait = Number.POSITIVE_INFINITY): string {
    const limit = this.#until.serverLimit();
    const wait = Math.min(Math.ceil(limit * LOCK_SHARE), longestWait);
    return `SET LOCAL statement_timeout = ${limit}; SET LOCAL lock_timeout = ${wait}`;
  }

  /** @returns the last statement's command tag */
  async #run(statements: string, failure: Failure): Promise<string | undefined> {
    return (await this.#query(statements, failure)).at(-1)?.command;
  }

  async #query(statements: string, failure: Failure): Promise<pg.QueryResult[]> {
    try {
      const results = await this.#until.spend('statements', named(this.#attempt), (signal) => {
        signal.addEventListener('abort', () => this.#attempt.socket.destroy());
        return this.#client.query(statements);
      });
      // Several statements give several results, which the driver's types do not know.
      return [results].flat();
    } catch (error) {
      throw failure(error, this.#attempt);
    }
  }
}
