/** A server that somebody else runs and named in the environment: used as it is, never stopped or configured. */
import type { ServerEngine } from './engine.ts';
import type { Row } from './row.ts';
import type { Settings, Started, Unavailable } from './source.ts';

export async function givenServer(
  { defaultPort, database }: ServerEngine,
  row: Row,
  settings: Settings,
): Promise<Started | Unavailable> {
  const url = process.env[row.addressVariable];
  if (!url || Object.keys(settings).length > 0) return { remedy: `give ${row.addressVariable}` };
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
