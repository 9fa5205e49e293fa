/** What a PostgreSQL server needs, wherever it comes from. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Address, Settings, Started } from './source.ts';

const SUPERUSER = 'postgres';
const ALWAYS = {
  log_connections: 'on', // tests count logins
  log_disconnections: 'on',
  log_line_prefix: '%m [%p] %q%u@%d ',
  fsync: 'off', // no data here is worth waiting for a disk
};
/** The same on every platform, whatever locales it has. */
export const INITDB_OPTIONS = ['--encoding=UTF8', '--locale=C'];

export function newAddress(host: string, port: number): Address {
  const password = randomBytes(18).toString('base64url');
  return { host, port, database: 'postgres', superuser: { username: SUPERUSER, password } };
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
 * Waits up to a minute.
 * @returns the server's version, as `18.1`
 * @throws when the server refuses its superuser, or is no longer running
 */
export async function whenItAnswers(
  address: Address,
  isRunning: () => Promise<boolean>,
  ssl: pg.ClientConfig['ssl'] = false,
): Promise<string> {
  for (const deadline = Date.now() + 60_000; ; await sleep(50)) {
    try {
      await using client = await connect(address, ssl);
      const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
      return rows[0]?.server_version.split(' ')[0] ?? '';
    } catch (error) {
      const refused = error instanceof pg.DatabaseError && error.code?.startsWith('28');
      if (refused || Date.now() > deadline || !(await isRunning())) throw error;
    }
  }
}

/** Waits as `whenItAnswers` does, for a server that was just started: what its log says is the reason if it never does. */
export async function whenItHasStarted(started: Started, log: () => Promise<string>): Promise<Started> {
  try {
    await whenItAnswers(started.address, started.isRunning);
    return started;
  } catch (cause) {
    throw new Error(`${started.source} did not start:\n${await log()}`, { cause });
  }
}

/**
 * Writes the files through the server itself, under the names that it looks for: so they belong to the user it runs as,
 * inside a container too, and it accepts the key.
 */
export async function turnOnTls(address: Address, tls: NonNullable<Settings['tls']>): Promise<void> {
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
  await whenItAnswers(address, async () => true, { rejectUnauthorized: false });
}
