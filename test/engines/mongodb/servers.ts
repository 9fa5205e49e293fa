/** What a MongoDB server needs, wherever it comes from, and one that speaks its protocol. */
import type { Container, Identity, ServerEngine } from '../../../local/servers/engine.ts';
import type { Address, Settings } from '../../../local/servers/source.ts';
import { CODES, connect, isOneOf, isPrimary, unlessUnknownCommand } from './connection.ts';
import { certificateAndKey, commandLine, keyOf, ofReplicaSet, trusting, withTls } from './options.ts';
import { mongodOnPath } from './programs.ts';
import { mongodbUsers } from './users.ts';

/** The official image gives what is in this folder to the user that the server runs as, and mongod wants its key for itself. */
const KEY_FILE = '/data/configdb/key';
const CERTIFICATE_AND_KEY = '/certs/server.pem';

export const mongodbServers = {
  rows: {
    'mongodb 8.0': {
      engineKey: 'mongo',
      product: 'MongoDB',
      version: '8',
      standIn: { product: 'FerretDB', version: '2' },
      addressVariable: 'MONGODB_URL',
      imageVariable: 'MONGODB_IMAGE',
      image: 'mongo:8.0',
    },
  },

  programs: { path: mongodOnPath },
  users: mongodbUsers,

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
} as const satisfies ServerEngine;

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

/** MongoDB logs the name of each client's application, FerretDB that of each command. */
async function mark(address: Address, marker: string): Promise<void> {
  await using client = await connect(address, { appName: marker });
  await client
    .db('admin')
    .command({ [marker]: 1 })
    .catch(unlessUnknownCommand);
}
