/** A server that somebody else runs and named in the environment: used as it is, never stopped or configured. */
import { engines } from './engines.ts';
import type { Row } from './rows.ts';
import type { Settings, Started, Unavailable } from './source.ts';

export async function givenServer(row: Row, settings: Settings): Promise<Started | Unavailable> {
  const url = process.env[row.addressVariable];
  if (!url || Object.keys(settings).length > 0) return { remedy: `give ${row.addressVariable}` };
  const { defaultPort, database } = engines[row.engine];
  const { hostname, port, pathname, username, password } = new URL(url);
  const notOurs = `the server named by ${row.addressVariable} is not ours`;
  return {
    source: row.addressVariable,
    address: {
      host: hostname,
      port: Number(port || defaultPort),
      database: decodeURIComponent(pathname.slice(1)) || database,
      superuser: { username: decodeURIComponent(username), password: decodeURIComponent(password) },
    },
    logPlace: { unreadable: `${notOurs}: its log cannot be read` },
    isRunning: async () => false, // so that one failed connection is enough
    restart: () => Promise.reject(new Error(`${notOurs}: it cannot be restarted`)),
    stop: async () => {},
  };
}
