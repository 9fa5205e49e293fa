/** Who logs in at a server: by its own log, or on the wire where that cannot be read or names nobody. */
import type { ServerDescription } from '../../local/servers/server.ts';
import { readLog } from '../../local/servers/server.ts';
import type { Logins } from '../../local/servers/users.ts';
import { usersOf } from '../engines/servers.ts';
import { proxy } from './proxy.ts';

export type Counter = AsyncDisposable & {
  /** Where a secret has to say that the server is. */
  endpoint: { host: string; port: number };
  of(username: string): Promise<Logins>;
};

/** On the wire MongoDB's alone: of another server the log has to be readable. */
export async function countLogins(server: ServerDescription): Promise<Counter> {
  if (server.namesNobody !== undefined || 'unreadable' in server.logPlace) return countOnWire(server);
  const { host, port } = server;
  return {
    endpoint: { host, port },
    of: async (username) => usersOf(server).loginsIn(await readLog(server), username),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** MongoDB's SCRAM: the client names the user, and the server's last word proves that it knows the password, too. */
async function countOnWire(server: ServerDescription): Promise<Counter> {
  const logins: { username: string; accepted: boolean }[] = [];
  const between = await proxy(server, (from, bytes, connection) => {
    const text = bytes.toString('latin1');
    const username = from === 'client' ? text.match(/n,,n=(.*?),r=/s)?.[1] : undefined;
    if (username !== undefined) logins[connection] = { username, accepted: false };
    const login = logins[connection];
    if (login && from === 'server' && /v=[\w+/]{43}=/.test(text)) login.accepted = true;
  });
  return {
    endpoint: between.endpoint,
    async of(username) {
      const own = logins.filter((login) => login?.username === username);
      const accepted = own.filter((login) => login.accepted).length;
      return { accepted, failed: own.length - accepted };
    },
    [Symbol.asyncDispose]: () => between[Symbol.asyncDispose](),
  };
}
