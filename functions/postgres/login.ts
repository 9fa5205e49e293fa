import type { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import pg from 'pg';
import type { Deadline } from '../../shared/core/deadline.ts';
import type { Secret } from '../../shared/core/secret.ts';
import type { Credential, Endpoint, LoginResult, Tls } from '../../shared/database/engine.ts';
import { onceOneIsFree } from '../../shared/database/free-connection.ts';
import { type Trust, trustIn } from '../../shared/database/tls.ts';
import { type Connection, isForWantOfConnections, loginFailure, unproven } from './errors.ts';
import { DEFAULT_DATABASE } from './names.ts';
import { nameOf, PostgresSession } from './session.ts';

export function login(
  to: Endpoint,
  { username, password }: Credential,
  until: Deadline,
): Promise<LoginResult<PostgresSession>> {
  return loginAhead(to, username, Promise.resolve(password), until);
}

export function loginAhead(
  to: Endpoint,
  username: string,
  password: Promise<Secret>,
  until: Deadline,
): Promise<LoginResult<PostgresSession>> {
  return onceOneIsFree(() => logInOnce(to, username, password, until), isForWantOfConnections, until);
}

async function logInOnce(
  to: Endpoint,
  username: string,
  password: Promise<Secret>,
  until: Deadline,
): Promise<LoginResult<PostgresSession>> {
  const connection: Connection = {
    to,
    username,
    socket: new Socket(),
    offersTls: undefined,
    askedForPassword: false,
    authenticated: false,
    isLoggedIn: false,
    sent: 'the login',
    version: undefined,
    brokeWith: undefined,
  };
  const ssl = to.tls !== 'off' && verified(to.tls, await trustIn(to.tls.ca), to.host);
  const client = clientOf(connection, password, ssl, until);
  try {
    await until.spend('connecting', nameOf(connection), () => client.connect());
  } catch (error) {
    const result = loginFailure(error, connection);
    connection.socket.destroy();
    return result;
  }
  connection.isLoggedIn = true;
  const loginTo = (database: string) => loginAhead({ ...to, database }, username, password, until);
  const session = new PostgresSession(client, connection, until, loginTo);
  if (connection.askedForPassword) return { is: 'accepted', session };
  await session.close();
  return unproven(connection);
}

/**
 * The server answers a request for TLS with one byte:
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
 */
const OFFERS_TLS: ReadonlyMap<string, boolean> = new Map([
  ['S', true],
  ['N', false],
]);

/** A client of the driver that reports to `connection` what it sees. */
function clientOf(
  connection: Connection,
  password: Promise<Secret>,
  ssl: false | ReturnType<typeof verified>,
  until: Deadline,
): pg.Client {
  const { to, username, socket } = connection;
  if (to.tls !== 'off')
    socket.once('data', (first: Buffer) => (connection.offersTls = OFFERS_TLS.get(first.toString())));
  const limit = until.serverLimit();
  const client = new pg.Client({
    host: to.host,
    port: to.port,
    user: username,
    database: to.database ?? DEFAULT_DATABASE,
    password: async () => {
      connection.askedForPassword = true;
      return (await password).reveal();
    },
    ssl,
    stream: () => socket,
    application_name: 'secret-rotation',
    statement_timeout: limit,
    lock_timeout: limit,
    idle_in_transaction_session_timeout: limit,
  });
  // Without a listener, this event would end the process. The next statement reports that the
  // connection broke.
  client.on('error', (error) => (connection.brokeWith ??= error));
  listen(client, connection);
  containParser(client);
  return client;
}

/** Hears what the driver keeps to itself. */
function listen(client: pg.Client, heard: Connection): void {
  const { connection } = client as unknown as { connection: EventEmitter };
  connection.on('authenticationOk', () => (heard.authenticated = true));
  connection.on('parameterStatus', ({ parameterName, parameterValue }) => {
    if (parameterName === 'server_version') heard.version = parameterValue;
  });
}

/**
 * Turns what the driver's parser throws into an error of the connection. The parser throws inside a
 * listener at an answer that it does not know (a request for GSSAPI, a truncated message), which
 * would end the process.
 */
function containParser(client: pg.Client): void {
  const { connection } = client as unknown as {
    connection: EventEmitter & { attachListeners(stream: EventEmitter): void };
  };
  const attach = connection.attachListeners.bind(connection);
  connection.attachListeners = (stream) => {
    attach(stream);
    const [parse] = stream.listeners('data').slice(-1) as [(chunk: Buffer) => void];
    stream.off('data', parse).on('data', (chunk: Buffer) => {
      try {
        parse(chunk);
      } catch {
        connection.emit('error', new Error('the driver cannot read the answer'));
      }
    });
  };
}

/**
 * Checks the certificate's name itself, because the driver overwrites `servername` with the host's
 * name.
 */
function verified({ servername }: Exclude<Tls, 'off'>, { secureContext }: Trust, host: string) {
  const expected = servername ?? host;
  return {
    secureContext,
    rejectUnauthorized: true,
    checkServerIdentity: (_: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(expected, certificate),
  };
}
