import { isIP, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type Connection, createConnection } from 'mysql2';
import type { Deadline } from '../../shared/core/deadline.ts';
import type { Credential, Endpoint, LoginResult } from '../../shared/database/engine.ts';
import { trustedRoots } from '../../shared/database/tls.ts';
import { type Attempt, loginFailure, notItself } from './errors.ts';
import { MySqlSession, named } from './session.ts';

export async function login(to: Endpoint, as: Credential, until: Deadline): Promise<LoginResult<MySqlSession>> {
  const socket = new Socket();
  const connection = connect(to, as, socket);
  const attempt: Attempt = { to, username: as.username, socket, tls: () => tlsOf(connection), farewell: undefined };
  // A connection that breaks while idle is found out by the next statement; unheard, the event would end the process.
  connection.on('error', (error) => (attempt.farewell ??= error));
  try {
    await until.spend('connecting', named(attempt), () => opened(connection));
    const session = new MySqlSession(connection, attempt, until);
    const taken = await session.begin();
    if (taken === as.username) return { is: 'accepted', session };
    await session.close();
    return notItself(attempt, taken);
  } catch (error) {
    socket.destroy();
    return loginFailure(error, attempt);
  }
}

function connect(to: Endpoint, { username, password }: Credential, socket: Socket): Connection {
  return createConnection({
    host: certified(to),
    user: username,
    password: password.reveal(),
    ...(to.database !== undefined && { database: to.database }),
    ...(to.tls !== 'off' && { ssl: { ca: trustedRoots(to.tls.ca), rejectUnauthorized: true, verifyIdentity: true } }),
    stream: () => socket.connect(to.port, to.host).setNoDelay(true),
    connectTimeout: 0,
    charset: 'utf8mb4',
    disableEval: true,
    supportBigNumbers: true,
    // No server may ask for a file of ours, https://dev.mysql.com/doc/refman/9.7/en/load-data-local-security.html
    flags: ['-LOCAL_FILES'],
    connectAttributes: { program_name: 'secret-rotation' },
  });
}

/**
 * What the driver compares the certificate with, and nothing else, as the socket is ours. For an address it would compare it with "localhost":
 * a final dot makes it a name, and Node's checkServerIdentity leaves the dot out again.
 */
function certified({ host, tls }: Endpoint): string {
  const name = (tls === 'off' ? undefined : tls.servername) ?? host;
  return isIP(name) === 0 ? name : `${name}.`;
}

/** The driver's own stream is the socket, or TLS over it once the server has agreed. */
function tlsOf(connection: Connection): TLSSocket | undefined {
  const { stream } = connection as unknown as { stream: Socket };
  return stream instanceof TLSSocket ? stream : undefined;
}

function opened(connection: Connection): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.once('connect', () => resolve());
    connection.once('error', reject);
  });
}
