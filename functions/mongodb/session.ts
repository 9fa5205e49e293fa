import { setTimeout as sleep } from 'node:timers/promises';
import type { Document, MongoClient, Timestamp } from 'mongodb';
import { type Deadline, GOODBYE } from '../../shared/core/deadline.ts';
import type { Account, Endpoint, Session } from '../../shared/database/engine.ts';
import { type Attempt, type Failure, notDurable, statementFailure } from './errors.ts';

/** The database in which users are, unless the secret says otherwise. DocumentDB has no other. */
const ADMIN = 'admin';

export function realmOf({ options }: Endpoint): string {
  return options['authSource'] ?? ADMIN;
}

export function named({ to, username }: Attempt): string {
  return `MongoDB at ${to.host}:${to.port} for user "${username}"`;
}

/** Ends both connections, and whatever the driver does in the background; the server may be deaf. */
export async function farewell(client: MongoClient): Promise<void> {
  const driver = client as unknown as { topology?: { closeCheckedOutConnections(): void } };
  const timer = setTimeout(() => driver.topology?.closeCheckedOutConnections(), GOODBYE);
  await client.close().catch(() => {});
  clearTimeout(timer);
}

/** When something was written last, and when something that a majority has: https://www.mongodb.com/docs/manual/reference/command/hello/ */
type LastWrite = { opTime: OpTime; majorityOpTime: OpTime };
type OpTime = { ts: Timestamp; t: number };

/** Milliseconds between two looks at what a majority has. */
const PATIENCE = 50;

export class MongoSession implements Session {
  readonly account: Account;
  /** Whether a mark at the twin shows whose it is: known once the pair was looked at. */
  keepsMarks = false;
  /** Why not, as the end of a sentence. */
  whyNoMarks = 'the pair was not looked at';
  readonly #client: MongoClient;
  readonly #attempt: Attempt;
  readonly #until: Deadline;

  constructor(client: MongoClient, attempt: Attempt, until: Deadline) {
    this.account = { username: attempt.username, realm: realmOf(attempt.to) };
    this.#client = client;
    this.#attempt = attempt;
    this.#until = until;
  }

  /** There are neither locks nor transactions for users: each command about one is atomic, and that is all. */
  exclusively<T>(_account: Account, work: (stillAlone: () => Promise<void>) => Promise<T>): Promise<T> {
    return work(async () => {});
  }

  get host(): string {
    return this.#attempt.to.host;
  }

  async isItself(): Promise<boolean> {
    const { authInfo } = await this.read({ connectionStatus: 1 }, ADMIN);
    const users: { user: string; db?: string }[] = authInfo?.authenticatedUsers ?? [];
    return users.some(
      ({ user, db = this.account.realm }) => user === this.account.username && db === this.account.realm,
    );
  }

  /**
   * What this login has proven must outlive a failover: an earlier attempt's password may be known to this server alone. Waits until a majority of the
   * replica set has all that it had then; servers that keep no such count (a single one, mongos, DocumentDB, whose storage is the cluster's) have nothing to wait for.
   */
  async requireDurable(): Promise<void> {
    let seen: LastWrite | undefined = await this.#lastWrite();
    const then = seen?.opTime;
    while (then !== undefined && seen?.majorityOpTime !== undefined && isBefore(seen.majorityOpTime, then)) {
      if (this.#until.serverLimit() < PATIENCE) throw notDurable(this.#attempt);
      await sleep(PATIENCE);
      seen = await this.#lastWrite();
    }
  }

  async #lastWrite(): Promise<LastWrite | undefined> {
    return (await this.read({ hello: 1 }, ADMIN))['lastWrite'];
  }

  /** @param database in which the command is run: a user's is that where it authenticates */
  async read(command: Document, database: string, failure: Failure = statementFailure): Promise<Document> {
    return this.#run({ ...command, maxTimeMS: this.#until.serverLimit() }, database, failure);
  }

  /** Known to a majority of the replica set when it returns. */
  async change(command: Document, database: string, failure: Failure = statementFailure): Promise<void> {
    const ms = this.#until.serverLimit();
    await this.#run({ ...command, writeConcern: { w: 'majority', wtimeout: ms }, maxTimeMS: ms }, database, failure);
  }

  close(): Promise<void> {
    return farewell(this.#client);
  }

  async #run(command: Document, database: string, failure: Failure): Promise<Document> {
    try {
      const reply = await this.#until.spend('statements', named(this.#attempt), async (signal) => {
        signal.addEventListener('abort', () => void farewell(this.#client));
        return this.#client.db(database).command(command);
      });
      if (reply['writeConcernError'] !== undefined) throw notDurable(this.#attempt);
      return reply;
    } catch (error) {
      throw failure(error, this.#attempt);
    }
  }
}

function isBefore(one: OpTime, other: OpTime): boolean {
  return one.t < other.t || (one.t === other.t && one.ts.lessThan(other.ts));
}
