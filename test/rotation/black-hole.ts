/** A port at which packets are dropped, as where a security group does not let them in. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

/** A listener that never accepts: when its queue is full, the kernel answers nobody. */
const LISTENER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(workerData), 0, 0));
  });`;

export async function startBlackHole(): Promise<{ port: number } & AsyncDisposable> {
  await using cleanUp = new AsyncDisposableStack();
  const sleeping = new SharedArrayBuffer(4);
  const worker = cleanUp.adopt(new Worker(LISTENER, { eval: true, workerData: sleeping }), async (running) => {
    Atomics.notify(new Int32Array(sleeping), 0);
    await running.terminate();
  });
  const [port] = (await once(worker, 'message')) as [number];
  for (;;) {
    const socket = cleanUp.adopt(connect(port, '127.0.0.1'), (open) => void open.destroy());
    socket.on('error', () => {});
    if (!(await isConnected(socket))) break;
  }
  const open = cleanUp.move();
  return { port, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

function isConnected(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true));
    setTimeout(() => resolve(false), 300);
  });
}
