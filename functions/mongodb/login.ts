import { type Document, MongoClient } from 'mongodb';
import { type Deadline, GOODBYE } from '../../shared/core/deadline.ts';
import type { Credential, Endpoint, LoginResult } from '../../shared/database/engine.ts';
import { trustedRoots } from '../../shared/database/tls.ts';
import { type Attempt, loginFailure, NotPrimary, notItself } from './errors.ts';
import { farewell, MongoSession, named, realmOf } from './session.ts';

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
