import { setTimeout as sleep } from 'node:timers/promises';
import { type Document, MongoClient, type Timestamp } from 'mongodb';
import { type Deadline, GOODBYE } from '../../shared/core/deadline.ts';
import type { Account, Credential, Endpoint, LoginResult, Session } from '../../shared/database/engine.ts';
import { trustedRoots } from '../../shared/database/tls.ts';
import {
  type Attempt,
  type Failure,
  loginFailure,
  NotPrimary,
  notDurable,
  notItself,
  statementFailure,
} from './errors.ts';

/** The database in which users are, unless the secret says otherwise. DocumentDB has no other. */
const ADMIN = 'admin';

export function realmOf({ options }: Endpoint): string {
  return options['authSource'] ?? ADMIN;
}

export async function login(to: Endpoint, as: Credential, until: Deadline): Promise<LoginResult<MongoSession>> {
  const attempt: Attempt = { to, username: as.username, hasAnswered: false };
  const client = clientOf(to, as, until);
  try {
    await until.spend('connecting', named(attempt), () => opened(client, attempt));
    const session = new MongoSession(client, attempt, until);
    if (await session.isItself()) {
      await session.requireDurable();
      return { is: 'accepted', session };
    }
    await session.close();
    return notItself(attempt);
  } catch (error) {
    await farewell(client);
    return loginFailure(error, attempt);
  }
}

/** One server and one connection for commands; beside it the driver keeps one that only watches the server. */
function clientOf(to: Endpoint, { username, password }: Credential, until: Deadline): MongoClient {
  const host = to.host.includes(':') ? `[${to.host}]` : to.host;
  const timeout = Math.max(1, until.left('connecting')); // 0 would mean none
  return new MongoClient(`mongodb://${host}:${to.port}/`, {
    directConnection: true,
    auth: { username, password: password.reveal() },
    authSource: realmOf(to),
    appName: 'secret-rotation',
    tls: to.tls !== 'off',
    ...(to.tls !== 'off' && {
      ca: trustedRoots(to.tls.ca).join('\n'),
      rejectUnauthorized: true,
      ...(to.tls.servername !== undefined && { servername: to.tls.servername }),
    }),
    maxPoolSize: 1,
    serverMonitoringMode: 'poll',
    heartbeatFrequencyMS: 3_600_000,
    connectTimeoutMS: timeout,
    serverSelectionTimeoutMS: timeout,
    // Closing the client does not end a connection in the middle of its login; this does.
    socketTimeoutMS: Math.max(timeout, until.left('statements')) + GOODBYE,
    retryReads: false,
    retryWrites: false, // DocumentDB has none
  });
}

/** The driver would try again until its time is up: what the first try met is the answer. And nothing is proven by what a secondary knows. */
function opened(client: MongoClient, attempt: Attempt): Promise<unknown> {
  const met = new Promise<never>((_, reject) => {
    client.on('serverHeartbeatFailed', ({ failure }) => reject(failure));
    client.on('serverHeartbeatSucceeded', ({ reply }) => {
      attempt.hasAnswered = true;
      if (!isPrimary(reply)) reject(new NotPrimary(reply));
    });
  });
  return Promise.race([client.connect(), met]);
}

function isPrimary(hello: Document): boolean {
  return hello['isWritablePrimary'] === true || hello['ismaster'] === true;
}

function named({ to, username }: Attempt): string {
  return `MongoDB at ${to.host}:${to.port} for user "${username}"`;
}

/** Ends both connections, and whatever the driver does in the background; the server may be deaf. */
async function farewell(client: MongoClient): Promise<void> {
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
  async write(command: Document, database: string, failure: Failure = statementFailure): Promise<void> {
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
