import { createHash } from 'node:crypto';
import { type Connection as Client, escape as literal, type QueryResult } from 'mysql2';
import { type Deadline, GOODBYE } from '../../shared/core/deadline.ts';
import type { Account, Session } from '../../shared/database/engine.ts';
import { commandIn } from '../../shared/database/statement.ts';
import {
  type Connection,
  type Failure,
  isOptionPrevents,
  lockLost,
  lockTaken,
  readOnlyServer,
  statementFailure,
} from './errors.ts';

/** How the deadline's errors name this connection. */
export function nameOf({ to, username }: Connection): string {
  return `the server at ${to.host}:${to.port} for user "${username}"`;
}

/** DEFAULT would be the server's own setting. This is the largest number, which means no limit. */
const NO_SELECT_LIMIT = 'sql_select_limit = 18446744073709551615, sql_big_selects = 1';

export class MySqlSession implements Session {
  /**
   * The account for which the server takes the session. Of several with one name, that with the
   * most specific host.
   */
  account: Account = { username: '', realm: '' };
  isMariaDb = false;
  isRehearsing = false;
  readonly #client: Client;
  readonly #connection: Connection;
  readonly #until: Deadline;
  /** The statement that has set the limits last. */
  #limited: string | undefined;

  constructor(client: Client, connection: Connection, until: Deadline) {
    this.#client = client;
    this.#connection = connection;
    this.#until = until;
  }

  /** The cipher of this connection, as OpenSSL names it; undefined without TLS. */
  get cipher(): string | undefined {
    return this.#connection.tls()?.getCipher().name;
  }

  /**
   * Asks the server what it is, and sets the limits. The version in the server's greeting does not
   * count: it comes in clear text, before TLS, and may be anybody's.
   * @returns the user's name in the account that the server chose. An anonymous account (''@'10.%')
   * may be more specific than the user's own ('app'@'%').
   */
  async begin(): Promise<string> {
    type Row = { version: string; account: string };
    // With LIMIT: sql_select_limit, which may be 0, holds only for a SELECT that has none.
    const [row] = await this.rows<Row>('SELECT VERSION() AS version, CURRENT_USER() AS account LIMIT 1');
    const { version, account } = row ?? { version: '', account: '' };
    this.isMariaDb = /mariadb/i.test(version);
    await this.#limit();
    const at = account.lastIndexOf('@');
    this.account = { username: account.slice(0, at), realm: account.slice(at + 1) };
    return this.account.username;
  }

  /**
   * Runs `work` under a lock (GET_LOCK), not in a transaction: on these servers, each statement
   * about accounts commits by itself. The lock belongs to one server, so it does not keep apart two
   * sessions on two writers of a cluster.
   */
  async exclusively<T>({ username }: Account, work: (stillAlone: () => Promise<void>) => Promise<T>): Promise<T> {
    const lock = literal(`secret-rotation:${createHash('sha256').update(username).digest('hex').slice(0, 40)}`);
    const ask = async (expression: string) => (await this.rows<{ it: unknown }>(`SELECT ${expression} AS it`))[0]?.it;
    if ((await ask(`GET_LOCK(${lock}, ${this.#seconds()})`)) !== 1) throw lockTaken(this.#connection, username);
    try {
      return await work(async () => {
        if ((await ask(`IS_USED_LOCK(${lock}) = CONNECTION_ID()`)) !== 1) throw lockLost(this.#connection, username);
      });
    } finally {
      // May fail: the end of the session ends the lock, too.
      await ask(`RELEASE_LOCK(${lock})`).catch(() => {});
    }
  }

  /**
   * Runs `work` under the lock, and sends no statement that changes something: each would commit by
   * itself. rehearsal.ts has the checks that stand in for the server's.
   */
  async rehearse(account: Account, work: () => Promise<void>): Promise<void> {
    this.isRehearsing = true;
    try {
      await this.exclusively(account, work);
    } finally {
      this.isRehearsing = false;
    }
  }

  get host(): string {
    return this.#connection.to.host;
  }

  /** The rows that a query returns. */
  async rows<Row>(query: string, failure: Failure = statementFailure): Promise<Row[]> {
    return (await this.#query(query, failure)) as unknown as Row[];
  }

  /** Sends a statement that changes something and may have to wait. */
  async change(statement: string, failure: Failure = statementFailure): Promise<void> {
    if (this.isRehearsing) return;
    await this.#limit();
    try {
      await this.#query(statement, failure);
    } catch (error) {
      const isReadOnly = isOptionPrevents(error) && (await this.#isReadOnly());
      throw isReadOnly ? readOnlyServer(this.#connection) : error;
    }
  }

  async #isReadOnly(): Promise<boolean> {
    const [row] = await this.rows<{ it: unknown }>('SELECT @@global.read_only AS it');
    return row?.it !== 0;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => void this.end(resolve).then(resolve));
  }

  /** @param onTold is called when the server has been told, if it can be */
  async end(onTold?: () => void): Promise<void> {
    const { socket } = this.#connection;
    this.#connection.brokeWith ??= Object.assign(new Error('closed'), { code: 'PROTOCOL_CONNECTION_LOST' });
    const timer = setTimeout(() => socket.destroy(), GOODBYE);
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      this.#client.end(onTold);
      if (socket.closed) resolve();
    });
    clearTimeout(timer);
  }

  /**
   * Sets the time limits before each statement that may have to wait: less time is left than there
   * was at login. The limits are rounded down, so thousands of GRANTs that follow one another are sent
   * with few of these statements between them.
   *
   * The same statement sets what the server's settings or its init_connect may have changed:
   * - the character set and sql_mode: in another character set, or under NO_BACKSLASH_ESCAPES, the
   *   server would read another password than the driver sends;
   * - with sql_quote_show_create, SHOW GRANTS puts names in quotes;
   * - a sql_select_limit cuts SHOW GRANTS, too, so that rights would seem to be missing; without
   *   sql_big_selects the server refuses queries over large grant tables;
   * - in a read-only transaction, no account can be changed; without autocommit, what others commit
   *   is not seen.
   */
  async #limit(): Promise<void> {
    const seconds = this.#seconds();
    // Without this mode, GRANT on MariaDB would make an account again that somebody has just
    // dropped, without a password. MySQL 8 never does that.
    const mode = this.isMariaDb ? 'NO_AUTO_CREATE_USER' : '';
    // MariaDB 10 knows only this name, and newer ones know it, too.
    const writes = this.isMariaDb ? 'tx_read_only = 0' : 'transaction_read_only = 0';
    // MariaDB has a limit for each statement. MySQL has one for SELECT only, so there the waits are
    // limited. That of SELECT is a little longer than GET_LOCK may wait.
    const limits = this.isMariaDb
      ? `max_statement_time = ${roundedDown(this.#until.serverLimit()) / 1000}`
      : `lock_wait_timeout = ${seconds}, innodb_lock_wait_timeout = ${seconds}, max_execution_time = ${(seconds + 1) * 1000}`;
    const statement = `SET NAMES utf8mb4, SESSION sql_mode = '${mode}', sql_quote_show_create = 1, ${NO_SELECT_LIMIT}, autocommit = 1, ${writes}, ${limits}, wait_timeout = ${seconds + 1}`;
    if (statement === this.#limited) return;
    await this.#query(statement, statementFailure);
    this.#limited = statement;
  }

  /** The server's limit in whole seconds, and at least one: the server knows no less. */
  #seconds(): number {
    return Math.max(1, Math.floor(this.#until.serverLimit() / 1000));
  }

  async #query(sql: string, failure: Failure): Promise<QueryResult> {
    this.#connection.sent = commandIn(sql);
    try {
      return await this.#until.spend('statements', nameOf(this.#connection), (signal) => {
        signal.addEventListener('abort', () => this.#connection.socket.destroy());
        return new Promise<QueryResult>((resolve, reject) =>
          this.#client.query(sql, (error, result) => (error ? reject(error) : resolve(result))),
        );
      });
    } catch (error) {
      throw failure(error, this.#connection);
    }
  }
}

/** To a tenth of a second, if it is more than a second. @param ms milliseconds, and so is the result */
function roundedDown(ms: number): number {
  return ms > 1000 ? Math.floor(ms / 100) * 100 : ms;
}
