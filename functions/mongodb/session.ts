import { setTimeout as sleep } from 'node:timers/promises';
import type { Document, MongoClient, Timestamp } from 'mongodb';
import { type Deadline, GOODBYE } from '../../shared/core/deadline.ts';
import type { Account, Endpoint, Session } from '../../shared/database/engine.ts';
import { type Connection, denied, type Failure, notDurable, statementFailure } from './errors.ts';

/**
 * The database in which users are, unless the secret's `authSource` names another. DocumentDB has
 * no other.
 */
export const USERS_DATABASE = 'admin';

/** The database in which the user is. */
export function realmOf({ options }: Endpoint): string {
  return options['authSource'] ?? USERS_DATABASE;
}

/** How the deadline's errors name this connection. */
export function nameOf({ to, username }: Connection): string {
  return `MongoDB at ${to.host}:${to.port} for user "${username}"`;
}

/**
 * Ends both connections, and what the driver does in the background. After GOODBYE, without waiting
 * for the server.
 */
export async function disconnect(client: MongoClient): Promise<void> {
  const driver = client as unknown as { topology?: { closeCheckedOutConnections(): void } };
  const timer = setTimeout(() => driver.topology?.closeCheckedOutConnections(), GOODBYE);
  await client.close().catch(() => {});
  clearTimeout(timer);
}

/**
 * The last write that this server has, and the last one that a majority of the replica set has:
 * https://www.mongodb.com/docs/manual/reference/command/hello/
 */
type LastWrite = { opTime: OpTime; majorityOpTime: OpTime };
type OpTime = { ts: Timestamp; t: number };

/** Whether the server would let this session's user run a command in this database. */
export type MayRun = (command: Document, database: string) => boolean;

/** Between two questions for the last write, in milliseconds. */
const PAUSE = 50;

export class MongoSession implements Session {
  readonly account: Account;
  /** Whether a mark at the twin shows whose it is. Set by state() in state.ts. */
  keepsMarks = false;
  /** Why it does not, as the end of a sentence. */
  whyNoMarks = 'the pair was not looked at';
  readonly #client: MongoClient;
  readonly #connection: Connection;
  readonly #until: Deadline;
  /** In a rehearsal only. */
  #mayRun: MayRun | undefined;

  constructor(client: MongoClient, connection: Connection, until: Deadline) {
    this.account = { username: connection.username, realm: realmOf(connection.to) };
    this.#client = client;
    this.#connection = connection;
    this.#until = until;
  }

  /**
   * Just runs `work`. MongoDB has neither locks nor transactions for users: each command about a
   * user is atomic, and no more than that.
   */
  exclusively<T>(_account: Account, work: (stillAlone: () => Promise<void>) => Promise<T>): Promise<T> {
    return work(async () => {});
  }

  /** Runs `work`, and sends no command that changes something: `mayRun` tells whether it would be denied. */
  async rehearse(mayRun: MayRun, work: () => Promise<void>): Promise<void> {
    this.#mayRun = mayRun;
    try {
      await work();
    } finally {
      this.#mayRun = undefined;
    }
  }

  get isRehearsing(): boolean {
    return this.#mayRun !== undefined;
  }

  get host(): string {
    return this.#connection.to.host;
  }

  /** Whether the server counts this user as the one that has logged in. */
  async isAuthenticated(): Promise<boolean> {
    const { authInfo } = await this.read({ connectionStatus: 1 }, USERS_DATABASE);
    const users: { user: string; db?: string }[] = authInfo?.authenticatedUsers ?? [];
    return users.some(
      ({ user, db = this.account.realm }) => user === this.account.username && db === this.account.realm,
    );
  }

  /**
   * Waits until a majority of the replica set has every write that this server had at the login.
   * Without that, a failover could undo what the login has proven: the password of an earlier
   * attempt may be known to this server alone.
   *
   * Does not wait where the server keeps no such count: a single server, mongos, or DocumentDB,
   * whose cluster shares its storage.
   */
  async requireDurable(): Promise<void> {
    let seen: LastWrite | undefined = await this.#lastWrite();
    const then = seen?.opTime;
    while (then !== undefined && seen?.majorityOpTime !== undefined && isBefore(seen.majorityOpTime, then)) {
      if (this.#until.serverLimit() < PAUSE) throw notDurable(this.#connection);
      await sleep(PAUSE);
      seen = await this.#lastWrite();
    }
  }

  async #lastWrite(): Promise<LastWrite | undefined> {
    return (await this.read({ hello: 1 }, USERS_DATABASE))['lastWrite'];
  }

  /**
   * Sends a command that changes nothing.
   * @param database in which the command runs. For a command about a user: the database in which
   * the user is.
   */
  async read(command: Document, database: string, failure: Failure = statementFailure): Promise<Document> {
    return this.#run({ ...command, maxTimeMS: this.#until.serverLimit() }, database, failure);
  }

  /**
   * Sends a command that changes something. When it returns, a majority of the replica set has the
   * change.
   */
  async change(command: Document, database: string, failure: Failure = statementFailure): Promise<void> {
    if (this.#mayRun?.(command, database)) return;
    if (this.isRehearsing) throw failure(denied(this.#connection), this.#connection);
    const ms = this.#until.serverLimit();
    await this.#run({ ...command, writeConcern: { w: 'majority', wtimeout: ms }, maxTimeMS: ms }, database, failure);
  }

  /** The same as `end`: the driver closes the connection itself. */
  close(): Promise<void> {
    return this.end();
  }

  end(): Promise<void> {
    return disconnect(this.#client);
  }

  async #run(command: Document, database: string, failure: Failure): Promise<Document> {
    [this.#connection.sent] = Object.keys(command) as [string];
    try {
      const reply = await this.#until.spend('statements', nameOf(this.#connection), async (signal) => {
        signal.addEventListener('abort', () => void disconnect(this.#client));
        return this.#client.db(database).command(command);
      });
      if (reply['writeConcernError'] !== undefined) throw notDurable(this.#connection);
      return reply;
    } catch (error) {
      throw failure(error, this.#connection);
    }
  }
}

function isBefore(one: OpTime, other: OpTime): boolean {
  return one.t < other.t || (one.t === other.t && one.ts.lessThan(other.ts));
}
