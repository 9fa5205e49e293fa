import { once } from 'node:events';
import { createServer, connect as dial, type Server as TcpServer } from 'node:net';

/**
 * Between function and server; `onBytes` sees what passes, and on which connection, counted from 0.
 * @param isLate a client that has gone is gone for the server only after all that it sent, however long that is held back
 */
export async function proxy(
  server: { host: string; port: number },
  onBytes: (from: 'client' | 'server', bytes: Buffer, connection: number) => void | Promise<void>,
  { isLate = false } = {},
): Promise<TcpServer & { endpoint: { host: string; port: number } } & AsyncDisposable> {
  let connections = 0;
  const listener = createServer((client) => {
    const connection = connections++;
    const upstream = dial(server.port, server.host);
    for (const [from, source, target] of [
      ['client', client, upstream],
      ['server', upstream, client],
    ] as const) {
      let before = Promise.resolve();
      source.on('data', (bytes) => {
        before = before.then(() => onBytes(from, bytes, connection)).then(() => void target.write(bytes));
      });
      const leave = () => (isLate ? before.then(() => target.destroySoon()) : target.destroy());
      source.on('error', leave).on('close', leave);
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  return Object.assign(listener, {
    endpoint: { host: '127.0.0.1', port },
    [Symbol.asyncDispose]: async () => void listener.close(),
  });
}
