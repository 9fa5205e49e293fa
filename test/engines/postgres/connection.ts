import pg from 'pg';
import type { Address } from '../../../local/servers/source.ts';

/** As the superuser. */
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
