import saslprep from '@mongodb-js/saslprep';
import { type Document, MongoClient, MongoError } from 'mongodb';
import { type Deadline, GOODBYE } from '../../shared/core/deadline.ts';
import { RotationError } from '../../shared/core/errors.ts';
import type { Secret } from '../../shared/core/secret.ts';
import type { Credential, Endpoint, LoginResult, Tls } from '../../shared/database/engine.ts';
import { trustIn } from '../../shared/database/tls.ts';
import { type Connection, impossible, loginFailure, NotPrimary, unproven } from './errors.ts';
import { disconnect, MongoSession, nameOf, realmOf } from './session.ts';

export async function login(to: Endpoint, as: Credential, until: Deadline): Promise<LoginResult<MongoSession>> {
  const connection: Connection = {
    to,
    username: as.username,
    hasAnswered: false,
    isLoggedIn: false,
    sent: 'the login',
  };
  const client = clientOf(to, as, await encrypted(to.tls), until);
  try {
    await until.spend('connecting', nameOf(connection), () => opened(client, connection));
    const session = new MongoSession(client, connection, until);
    if (await session.isAuthenticated()) {
      await session.requireDurable();
      connection.isLoggedIn = true;
      return { is: 'accepted', session };
    }
    await session.close();
    return unproven(connection);
  } catch (error) {
    await disconnect(client);
    return isOfPreparation(error) && !isPreparable(as.password)
      ? impossible(connection)
      : loginFailure(error, connection);
  }
}

/** What prepares a password for SCRAM-SHA-256 throws plain errors, which the driver passes on. */
function isOfPreparation(error: unknown): boolean {
  return (
    !(error instanceof MongoError || error instanceof RotationError) && !(Object(error) as { code?: unknown }).code
  );
}

/** Whether a server can have stored this password: https://www.rfc-editor.org/rfc/rfc4013#section-2.3 */
function isPreparable(password: Secret): boolean {
  try {
    saslprep(password.reveal());
    return true;
  } catch {
    return false;
  }
}

async function encrypted(tls: Tls) {
  if (tls === 'off') return { tls: false };
  const { secureContext } = await trustIn(tls.ca);
  const { servername } = tls;
  return { tls: true, secureContext, rejectUnauthorized: true, ...(servername !== undefined && { servername }) };
}

/**
 * One server, and one connection for commands. The driver keeps a second connection, which only
 * watches the server.
 */
function clientOf(
  to: Endpoint,
  { username, password }: Credential,
  encryption: Awaited<ReturnType<typeof encrypted>>,
  until: Deadline,
): MongoClient {
  const host = to.host.includes(':') ? `[${to.host}]` : to.host;
  const timeout = Math.max(1, until.left('connecting')); // 0 would mean none
  return new MongoClient(`mongodb://${host}:${to.port}/`, {
    directConnection: true,
    auth: { username, password: password.reveal() },
    authSource: realmOf(to),
    appName: 'secret-rotation',
    ...encryption,
    maxPoolSize: 1,
    serverMonitoringMode: 'poll',
    heartbeatFrequencyMS: 3_600_000,
    connectTimeoutMS: timeout,
    serverSelectionTimeoutMS: timeout,
    // Closing the client does not end a connection in the middle of its login. This time limit
    // does.
    socketTimeoutMS: Math.max(timeout, until.left('statements')) + GOODBYE,
    retryReads: false,
    retryWrites: false, // DocumentDB has none
  });
}

/**
 * Connects once. The driver would try again until its time is up, so the first failure that it
 * reports counts. A server that is not the primary fails, too: what a secondary knows of passwords
 * proves nothing.
 */
function opened(client: MongoClient, connection: Connection): Promise<unknown> {
  const failed = new Promise<never>((_, reject) => {
    client.on('serverHeartbeatFailed', ({ failure }) => reject(failure));
    client.on('serverHeartbeatSucceeded', ({ reply }) => {
      connection.hasAnswered = true;
      if (!isPrimary(reply)) reject(new NotPrimary(reply));
    });
  });
  return Promise.race([client.connect(), failed]);
}

function isPrimary(hello: Document): boolean {
  return hello['isWritablePrimary'] === true || hello['ismaster'] === true;
}
