import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** Between finding a free port and using it somebody else may take it: then, and only then, another one is tried. */
export async function withFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let triesLeft = 5; ; triesLeft--) {
    const port = await free(0);
    try {
      return await start(port);
    } catch (error) {
      const isStillFree = await free(port).catch(() => undefined);
      if (isStillFree || triesLeft === 0) throw error;
    }
  }
}

/** @returns the port; for 0, one that is free */
async function free(port: number): Promise<number> {
  await using server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
