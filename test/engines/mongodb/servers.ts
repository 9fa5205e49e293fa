/** What a MongoDB server needs, wherever it comes from, and one that speaks its protocol. */
import { type Document, MongoClient, MongoServerError } from 'mongodb';
import type { Container, Identity, ServerEngine } from '../../../local/servers/engine.ts';
import type { Address, Settings } from '../../../local/servers/source.ts';

export const CODES = { userNotFound: 11, unauthorized: 13, authenticationFailed: 18, commandNotFound: 59 } as const;

const REPLICA_SET = 'rs0';
/** The official image gives what is in this folder to the user that the server runs as, and mongod wants its key for itself. */
const KEY_FILE = '/data/configdb/key';
const CERTIFICATE_AND_KEY = '/certs/server.pem';

export const mongodbServers: ServerEngine = {
  defaultPort: 27017,
  superuser: 'root',
  database: 'admin',

  container({ superuser }: Address, settings: Settings, variables: readonly string[]): Container {
    // Others have no replica sets, and do not know the options.
    const isMongod = variables.includes('MONGO_VERSION');
    const { tls } = settings;
    return {
      environment: {
        MONGO_INITDB_ROOT_USERNAME: superuser.username,
        MONGO_INITDB_ROOT_PASSWORD: superuser.password,
        ...settings.environment,
      },
      command: [
        'mongod',
        ...(isMongod ? ofReplicaSet(KEY_FILE) : []),
        ...(tls ? withTls(CERTIFICATE_AND_KEY) : []),
        ...(tls && isMongod ? trusting(CERTIFICATE_AND_KEY) : []),
        ...commandLine(settings),
      ],
      files: [
        ...(isMongod ? [{ target: KEY_FILE, content: keyOf(superuser), mode: 0o400 }] : []),
        ...(tls ? [{ target: CERTIFICATE_AND_KEY, content: certificateAndKey(tls) }] : []),
      ],
    };
  },

  containerLog: { mark },

  async identify(address: Address): Promise<Identity> {
    await using client = await connect(address);
    const db = client.db('admin');
    if (!(await isPrimary(client))) throw new Error(`${address.host}:${address.port} is not a primary`);
    const { version, ferretdb } = await db.command({ buildInfo: 1 });
    if (ferretdb === undefined) return { product: 'MongoDB', version };
    const namesNobody = 'FerretDB’s log does not tell whose a login was';
    return { product: 'FerretDB', version: ferretdb.version.replace(/^v/, ''), namesNobody };
  },

  isRefusal: isOneOf(CODES.authenticationFailed, CODES.unauthorized),

  complete,
  tlsOnly: true,
};

/** A stand-alone server has no majority to wait for. */
export function ofReplicaSet(keyFile: string): string[] {
  return [
    ...['--replSet', REPLICA_SET, '--keyFile', keyFile],
    ...['--setParameter', 'shutdownTimeoutMillisForSignaledShutdown=100'], // there is nobody to hand its clients to
    ...['--wiredTigerCacheSizeGB', '0.25'], // several servers share a small machine
  ];
}

/** Beside plain text, as mongod's preferTLS has it, FerretDB cannot. */
export function withTls(file: string): string[] {
  return ['--tlsMode', 'requireTLS', '--tlsCertificateKeyFile', file];
}

/**
 * Whose certificates are good: without that no mongod uses TLS any more, https://jira.mongodb.org/browse/SERVER-72839, and with it alone clients would
 * need one, too. Nobody's but the server's own, as it would send its clients the authority's beside that.
 */
export function trusting(file: string): string[] {
  return ['--tlsCAFile', file, '--tlsAllowConnectionsWithoutCertificates'];
}

export function commandLine({ settings = {} }: Settings): string[] {
  return Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
}

/** What the members of a set know each other by; there is one. */
export function keyOf({ password }: Address['superuser']): string {
  return Buffer.from(password).toString('base64');
}

export function certificateAndKey({ certificate, key }: NonNullable<Settings['tls']>): string {
  return `${certificate.trim()}\n${key.trim()}\n`;
}

/**
 * Initiates the replica set of a mongod that waits for it, and makes the superuser where nobody has: then whoever comes from the same host may,
 * https://www.mongodb.com/docs/manual/core/localhost-exception/
 */
async function complete(address: Address): Promise<void> {
  const superuser = await connect(address).catch((error) => {
    if (isOneOf(CODES.authenticationFailed)(error)) return undefined;
    throw error;
  });
  await using client = superuser ?? (await connect({ ...address, superuser: undefined }));
  const admin = client.db('admin');
  if ((await admin.command({ hello: 1 }))['isreplicaset'] === true) await admin.command({ replSetInitiate: {} });
  if (!(await isPrimary(client))) throw new Error('the replica set has not elected its primary yet');
  const { username, password } = address.superuser;
  if (superuser === undefined) {
    await admin.command({ createUser: username, pwd: password, roles: ['root'] });
    return complete(address);
  }
  // Whatever takes longer than that is logged: tests look for commands.
  await admin.command({ profile: 0, slowms: -1 }).catch(unlessUnknownCommand);
}

export async function isPrimary(client: MongoClient): Promise<boolean> {
  return (await client.db('admin').command({ hello: 1 }))['isWritablePrimary'] === true;
}

/** MongoDB logs the name of each client's application, FerretDB that of each command. */
async function mark(address: Address, marker: string): Promise<void> {
  await using client = await connect(address, { appName: marker });
  await client
    .db('admin')
    .command({ [marker]: 1 })
    .catch(unlessUnknownCommand);
}

export function unlessUnknownCommand(error: unknown): undefined {
  if (!isOneOf(CODES.commandNotFound)(error)) throw error;
}

type Options = ConstructorParameters<typeof MongoClient>[1];

/** As the superuser, who is in `admin`; without one as nobody. */
export async function connect(
  address: Omit<Address, 'superuser'> & { superuser: Address['superuser'] | undefined },
  options: Options = {},
): Promise<MongoClient> {
  const client = new MongoClient(`mongodb://${address.host}:${address.port}`, {
    ...(address.superuser && { auth: address.superuser, authSource: 'admin' }),
    ...(address.tlsOnly && { tls: true, tlsAllowInvalidCertificates: true, tlsAllowInvalidHostnames: true }),
    directConnection: true,
    maxPoolSize: 1,
    serverMonitoringMode: 'poll',
    serverSelectionTimeoutMS: 5000,
    connectTimeoutMS: 5000,
    retryReads: false,
    retryWrites: false,
    ...options,
  });
  // The driver would try again until its time is up.
  const failed = new Promise<never>((_, reject) => {
    client.on('serverHeartbeatFailed', ({ failure }) => reject(failure.cause ?? failure));
  });
  try {
    return await Promise.race([client.connect(), failed]);
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Whether it is the server's answer with one of these codes. */
export function isOneOf(...codes: number[]): (error: unknown) => error is MongoServerError & Document {
  return (error): error is MongoServerError & Document =>
    error instanceof MongoServerError && codes.includes(Number(error.code));
}
