import type { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import pg from 'pg';
import type { Deadline } from '../../shared/core/deadline.ts';
import type { Credential, Endpoint, LoginResult, Tls } from '../../shared/database/engine.ts';
import { trustedRoots } from '../../shared/database/tls.ts';
import { type Attempt, loginFailure, unproven } from './errors.ts';
import { DEFAULT_DATABASE, named, PostgresSession } from './session.ts';

/** One byte answers an SSLRequest: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL */
const OFFERS_TLS: ReadonlyMap<string, boolean> = new Map([
  ['S', true],
  ['N', false],
]);

export async function login(to: Endpoint, as: Credential, until: Deadline): Promise<LoginResult<PostgresSession>> {
  const attempt: Attempt = {
    to,
    username: as.username,
    socket: new Socket(),
    offersTls: undefined,
    askedForPassword: false,
    farewell: undefined,
  };
  const { socket } = attempt;
  if (to.tls !== 'off') socket.once('data', (first: Buffer) => (attempt.offersTls = OFFERS_TLS.get(first.toString())));
  const limit = until.serverLimit();
  const client = new pg.Client({
    host: to.host,
    port: to.port,
    user: as.username,
    database: to.database ?? DEFAULT_DATABASE,
    password: () => {
      attempt.askedForPassword = true;
      return as.password.reveal();
    },
    ssl: to.tls === 'off' ? false : verified(to.tls, to.host),
    stream: () => socket,
    application_name: 'secret-rotation',
    statement_timeout: limit,
    lock_timeout: limit,
    idle_in_transaction_session_timeout: limit,
  });
  // A connection that breaks while idle is found out by the next statement; unheard, the event would end the process.
  client.on('error', (error) => (attempt.farewell ??= error));
  containParser(client);
  try {
    await until.spend('connecting', named(attempt), () => client.connect());
  } catch (error) {
    const result = loginFailure(error, attempt);
    socket.destroy();
    return result;
  }
  const elsewhere = (database: string) => login({ ...to, database }, as, until);
  const session = new PostgresSession(client, attempt, until, elsewhere);
  if (attempt.askedForPassword) return { is: 'accepted', session };
  await session.close();
  return unproven(attempt);
}

/**
 * The driver's parser throws, out of a listener, at an answer that it does not know (a wish for GSSAPI, a truncated message):
 * that would end the process. Here it becomes an error of the connection.
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
 * The driver overwrites `servername` with the host's name, so another name for the certificate to bear is checked here.
 */
function verified({ servername, ca }: Exclude<Tls, 'off'>, host: string) {
  const expected = servername ?? host;
  return {
    ca: trustedRoots(ca),
    rejectUnauthorized: true,
    checkServerIdentity: (_: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(expected, certificate),
  };
}
