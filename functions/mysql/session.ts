import { createHash } from 'node:crypto';
import { type Connection, escape as literal, type QueryResult } from 'mysql2';
import { type Deadline, GOODBYE } from '../../shared/core/deadline.ts';
import type { Account, Session } from '../../shared/database/engine.ts';
import {
  type Attempt,
  type Failure,
  isOptionPrevents,
  lockLost,
  lockTaken,
  readOnlyServer,
  statementFailure,
} from './errors.ts';

export function named({ to, username }: Attempt): string {
  return `the server at ${to.host}:${to.port} for user "${username}"`;
}

export class MySqlSession implements Session {
  /** Whom the server takes the session for: with several accounts of a name, that of the most specific host. */
  account: Account = { username: '', realm: '' };
  isMariaDb = false;
  readonly #connection: Connection;
  readonly #attempt: Attempt;
  readonly #until: Deadline;

  constructor(connection: Connection, attempt: Attempt, until: Deadline) {
    this.#connection = connection;
    this.#attempt = attempt;
    this.#until = until;
  }

  /**
   * What the server is, it is asked: what it says in its greeting is in clear text, and may be anybody's.
   * @returns the user's name in the account that the server chose: an anonymous one can be more specific than the user's own
   */
  async begin(): Promise<string> {
    type Row = { version: string; account: string };
    const [row] = await this.rows<Row>('SELECT VERSION() AS version, CURRENT_USER() AS account');
    const { version, account } = row ?? { version: '', account: '' };
    this.isMariaDb = /mariadb/i.test(version);
    await this.#limit();
    const at = account.lastIndexOf('@');
    this.account = { username: account.slice(0, at), realm: account.slice(at + 1) };
    return this.account.username;
  }

  /**
   * Account statements commit by themselves on these servers, so this is a lock and no transaction. It is one server's: a user
   * changed through two writers of a cluster at once is not kept apart by it.
   */
  async exclusively<T>({ username }: Account, work: (stillAlone: () => Promise<void>) => Promise<T>): Promise<T> {
    const lock = literal(`secret-rotation:${createHash('sha256').update(username).digest('hex').slice(0, 40)}`);
    const is = async (expression: string) => (await this.rows<{ it: unknown }>(`SELECT ${expression} AS it`))[0]?.it;
    if ((await is(`GET_LOCK(${lock}, ${this.#seconds()})`)) !== 1) throw lockTaken(this.#attempt, username);
    try {
      return await work(async () => {
        if ((await is(`IS_USED_LOCK(${lock}) = CONNECTION_ID()`)) !== 1) throw lockLost(this.#attempt, username);
      });
    } finally {
      // Best effort: what ends the session ends the lock too.
      await is(`RELEASE_LOCK(${lock})`).catch(() => {});
    }
  }

  /** What a query answers. */
  async rows<Row>(query: string, failure: Failure = statementFailure): Promise<Row[]> {
    return (await this.#query(query, failure)) as unknown as Row[];
  }

  /** A statement that changes something, and may have to wait for that. */
  async change(statement: string, failure: Failure = statementFailure): Promise<void> {
    await this.#limit();
    try {
      await this.#query(statement, failure);
    } catch (error) {
      const isReadOnly = isOptionPrevents(error) && (await this.#isReadOnly());
      throw isReadOnly ? readOnlyServer(this.#attempt) : error;
    }
  }

  async #isReadOnly(): Promise<boolean> {
    const [row] = await this.rows<{ it: unknown }>('SELECT @@global.read_only AS it');
    return row?.it !== 0;
  }

  async close(): Promise<void> {
    const { socket } = this.#attempt;
    this.#attempt.farewell ??= Object.assign(new Error('closed'), { code: 'PROTOCOL_CONNECTION_LOST' });
    const timer = setTimeout(() => socket.destroy(), GOODBYE);
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      this.#connection.end();
      if (socket.closed) resolve();
    });
    clearTimeout(timer);
  }

  /**
   * Anew before whatever may have to wait: less is left than there was at login. First of all the character set and sql_mode, which the server's
   * init_connect may have changed: in another one, and under NO_BACKSLASH_ESCAPES, what the driver sends would be another password. And names in what SHOW
   * GRANTS answers are in quotes.
   */
  async #limit(): Promise<void> {
    const seconds = this.#seconds();
    // Else MariaDB's GRANT to an account that somebody has just dropped would make it again, without a password; MySQL 8 never does.
    const mode = this.isMariaDb ? 'NO_AUTO_CREATE_USER' : '';
    // MariaDB ends every statement in time, MySQL only waits.
    const limits = this.isMariaDb
      ? `max_statement_time = ${this.#until.serverLimit() / 1000}`
      : `lock_wait_timeout = ${seconds}, innodb_lock_wait_timeout = ${seconds}`;
    await this.#query(
      `SET NAMES utf8mb4, SESSION sql_mode = '${mode}', sql_quote_show_create = 1, ${limits}, wait_timeout = ${seconds + 1}`,
      statementFailure,
    );
  }

  /** Whole ones, and at least one: the server knows no less. */
  #seconds(): number {
    return Math.max(1, Math.floor(this.#until.serverLimit() / 1000));
  }

  async #query(sql: string, failure: Failure): Promise<QueryResult> {
    try {
      return await this.#until.spend('statements', named(this.#attempt), (signal) => {
        signal.addEventListener('abort', () => this.#attempt.socket.destroy());
        return new Promise<QueryResult>((resolve, reject) =>
          this.#connection.query(sql, (error, result) => (error ? reject(error) : resolve(result))),
        );
      });
    } catch (error) {
      throw failure(error, this.#attempt);
    }
  }
}
