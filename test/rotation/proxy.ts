import { once } from 'node:events';
import { createServer, connect as dial, type Server as TcpServer } from 'node:net';

/** Between function and server; `onBytes` sees what passes. */
export async function proxy(
  server: { host: string; port: number },
  onBytes: (from: 'client' | 'server', bytes: Buffer) => void | Promise<void>,
): Promise<TcpServer & { endpoint: { host: string; port: number } } & AsyncDisposable> {
  const listener = createServer((client) => {
    const upstream = dial(server.port, server.host);
    for (const [from, source, target] of [
      ['client', client, upstream],
      ['server', upstream, client],
    ] as const) {
      let before = Promise.resolve();
      source.on('data', (bytes) => {
        before = before.then(() => onBytes(from, bytes)).then(() => void target.write(bytes));
      });
      source.on('error', () => target.destroy()).on('close', () => target.destroy());
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
