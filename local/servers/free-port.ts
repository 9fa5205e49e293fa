import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** Between finding a free port and using it somebody else may take it, so a start that fails is tried again. */
export async function withFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let triesLeft = 2; ; triesLeft--) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (triesLeft === 0) throw error;
    }
  }
}

async function freePort(): Promise<number> {
  await using server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
