import mysql from 'mysql2/promise';
import type { Address } from '../../../local/servers/source.ts';

/** As the superuser. Several statements may go in one query. */
export async function connect(address: Address, ssl?: mysql.SslOptions): Promise<mysql.Connection> {
  const client = await mysql.createConnection({
    host: address.host,
    port: address.port,
    database: address.database,
    user: address.superuser.username,
    password: address.superuser.password,
    connectTimeout: 5000,
    multipleStatements: true,
    ...(ssl && { ssl }),
  });
  client.on('error', () => {}); // a server that stops under an idle connection; the next query says so
  return client;
}

/** ER_ACCESS_DENIED_ERROR. By number: mysql2 knows MySQL's names only, and MariaDB has other errors under some of them. */
export function isAccessDenied(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && error.errno === 1045;
}
