import { isIP, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type Connection as Client, type ConnectionOptions, createConnection } from 'mysql2';
import type { Deadline } from '../../shared/core/deadline.ts';
import type { Credential, Endpoint, LoginResult } from '../../shared/database/engine.ts';
import { onceOneIsFree } from '../../shared/database/free-connection.ts';
import { type Trust, trustIn } from '../../shared/database/tls.ts';
import { type Connection, isForWantOfConnections, loginFailure, unproven } from './errors.ts';
import { MySqlSession, nameOf } from './session.ts';

export function login(to: Endpoint, as: Credential, until: Deadline): Promise<LoginResult<MySqlSession>> {
  return onceOneIsFree(() => logInOnce(to, as, until), isForWantOfConnections, until);
}

async function logInOnce(to: Endpoint, as: Credential, until: Deadline): Promise<LoginResult<MySqlSession>> {
  const socket = new Socket();
  const connection: Connection = {
    to,
    username: as.username,
    socket,
    tls: () => tlsOf(client),
    isLoggedIn: false,
    sent: 'the login',
    brokeWith: undefined,
    plugin: undefined,
  };
  const tls = to.tls === 'off' ? {} : { ssl: verified(await trustIn(to.tls.ca)) };
  const client = clientOf(connection, as, tls);
  // Without a listener, this event would end the process. The next statement reports that the
  // connection broke.
  client.on('error', (error) => (connection.brokeWith ??= error));
  try {
    await until.spend('connecting', nameOf(connection), () => opened(client));
    const session = new MySqlSession(client, connection, until);
    const takenFor = await session.begin();
    connection.isLoggedIn = true;
    if (takenFor === as.username) return { is: 'accepted', session };
    await session.close();
    return unproven(connection, takenFor);
  } catch (error) {
    const result = loginFailure(error, connection);
    socket.destroy();
    return result;
  }
}

function clientOf(
  connection: Connection,
  { username, password }: Credential,
  tls: { ssl?: ReturnType<typeof verified> },
): Client {
  const { to, socket } = connection;
  return createConnection({
    host: certified(to),
    user: username,
    password: password.reveal(),
    ...(to.database !== undefined && { database: to.database }),
    ...tls,
    stream: () => socket.connect(to.port, to.host).setNoDelay(true),
    connectTimeout: 0,
    charset: 'utf8mb4',
    disableEval: true,
    supportBigNumbers: true,
    authPlugins: pluginsAskedFor((name) => (connection.plugin = name)),
    // No server may ask for a file of ours,
    // https://dev.mysql.com/doc/refman/9.7/en/load-data-local-security.html
    flags: ['-LOCAL_FILES'],
    connectAttributes: { program_name: 'secret-rotation' },
  });
}

const verifying = new WeakMap<Trust, { ca: string[]; rejectUnauthorized: true; verifyIdentity: true }>();

/** The same object for the same authorities: by it the driver knows whether it has parsed them before. */
function verified(trust: Trust) {
  const known = verifying.get(trust);
  if (known !== undefined) return known;
  const ssl = { ca: trust.ca, rejectUnauthorized: true as const, verifyIdentity: true as const };
  verifying.set(trust, ssl);
  return ssl;
}

/**
 * The driver looks here, before its own plugins, for each that the server asks for. Its error for one
 * that it has not says the name in the message only.
 */
function pluginsAskedFor(hear: (name: string) => void): NonNullable<ConnectionOptions['authPlugins']> {
  return new Proxy(
    {},
    {
      getOwnPropertyDescriptor(_, name) {
        hear(String(name));
        return undefined;
      },
    },
  );
}

/**
 * The name that the certificate must have. The driver uses `host` for nothing else, because it is
 * given a socket.
 *
 * Where `host` is an IP address, the driver would compare the certificate with "localhost". A final
 * dot makes the address a name to the driver, and Node's checkServerIdentity drops the dot again.
 */
function certified({ host, tls }: Endpoint): string {
  const name = (tls === 'off' ? undefined : tls.servername) ?? host;
  return isIP(name) === 0 ? name : `${name}.`;
}

/** The driver replaces its socket by TLS over that socket once the server has agreed to TLS. */
function tlsOf(client: Client): TLSSocket | undefined {
  const { stream } = client as unknown as { stream: Socket };
  return stream instanceof TLSSocket ? stream : undefined;
}

function opened(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('error', reject);
  });
}
