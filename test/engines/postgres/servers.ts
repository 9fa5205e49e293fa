/** What a PostgreSQL server needs, wherever it comes from. */
import pg from 'pg';
import type { Container, ServerEngine } from '../../../local/servers/engine.ts';
import type { Address, Settings } from '../../../local/servers/source.ts';
import { whenItAnswers } from '../../../local/servers/waiting.ts';

const ALWAYS = {
  log_connections: 'on', // tests count logins
  log_disconnections: 'on',
  log_line_prefix: '%m [%p] %q%u@%d ',
  fsync: 'off', // no data here is worth waiting for a disk
};
/** The same on every platform, whatever locales it has. */
export const INITDB_OPTIONS = ['--encoding=UTF8', '--locale=C'];

export const postgresServers: ServerEngine = {
  defaultPort: 5432,
  superuser: 'postgres',
  database: 'postgres',

  container({ superuser }: Address, settings: Settings): Container {
    return {
      environment: {
        POSTGRES_USER: superuser.username,
        POSTGRES_PASSWORD: superuser.password,
        POSTGRES_INITDB_ARGS: INITDB_OPTIONS.join(' '),
        ...settings.environment,
      },
      command: commandLine(settings),
    };
  },

  containerLog: {
    async mark(address: Address, marker: string): Promise<void> {
      await using client = await connect(address);
      await client.query(`DO $$ BEGIN RAISE LOG '${marker}'; END $$`);
    },
  },

  identify: (address: Address) => identify(address),
  isRefusal: (error: unknown) => error instanceof pg.DatabaseError && error.code?.startsWith('28') === true,
  turnOnTls,
};

async function identify(address: Address, ssl: pg.ClientConfig['ssl'] = false) {
  await using client = await connect(address, ssl);
  const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
  return { product: 'PostgreSQL', version: rows[0]?.server_version.split(' ')[0] ?? '' };
}

export function commandLine(settings: Settings, more: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries({ ...ALWAYS, ...more, ...settings.settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
}

export async function connect(
  address: Address,
  ssl: pg.ClientConfig['ssl'] = false,
): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({
    host: address.host,
    port: address.port,
    database: address.database,
    user: address.superuser.username,
    password: address.superuser.password,
    connectionTimeoutMillis: 5000,
    ssl,
  });
  client.on('error', () => {}); // a server that stops under an idle connection; the next query says so
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

/**
 * Writes the files through the server itself, under the names that it looks for: so they belong to the user it runs as,
 * inside a container too, and it accepts the key.
 */
async function turnOnTls(address: Address, tls: NonNullable<Settings['tls']>): Promise<void> {
  await using client = await connect(address);
  for (const [file, pem] of [
    ['server.crt', tls.certificate],
    ['server.key', tls.key],
  ] as const) {
    const lines = `SELECT unnest(string_to_array(${client.escapeLiteral(pem.trim())}, chr(10)))`;
    await client.query(`COPY (${lines}) TO PROGRAM 'umask 077; cat > ${file}'`);
  }
  await client.query('ALTER SYSTEM SET ssl = on');
  await client.query('SELECT pg_reload_conf()');
  const overTls = { ...postgresServers, identify: (to: Address) => identify(to, { rejectUnauthorized: false }) };
  await whenItAnswers(overTls, address, async () => true);
}
