/** Servers that are none, and relays to real ones that hear all that passes and fail when told to. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type Place = { host: string; port: number };
export type Listening = Place & AsyncDisposable;

/** A TCP server that does this with every connection. */
export async function fakeServer(answer: (socket: Socket) => void): Promise<Listening> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    answer(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Says this to whatever it hears first. */
export function says(...bytes: (string | Buffer)[]): (socket: Socket) => void {
  return (socket) => socket.once('data', () => socket.write(Buffer.concat(bytes.map((part) => Buffer.from(part)))));
}

export type Relay = Listening & {
  /** All that the client has said. */
  heard(): Buffer;
  /** How many connections the client has open. */
  open(): number;
  stall(): void;
  cut(): void;
};

/** Passes everything on, until it is told otherwise. */
export async function relay(to: Place): Promise<Relay> {
  const pairs: [Socket, Socket][] = [];
  const heard: Buffer[] = [];
  const listening = await fakeServer((near) => {
    const far = connect(to.port, to.host).on('error', () => near.destroy());
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    near.on('data', (bytes) => heard.push(bytes));
    pairs.push([near, far]);
    near.pipe(far).pipe(near);
  });
  return {
    ...listening,
    heard: () => Buffer.concat(heard),
    open: () => pairs.filter(([near]) => !near.closed).length,
    stall() {
      for (const [near, far] of pairs) {
        near.unpipe(far).pause();
        far.unpipe(near).pause();
      }
    },
    cut() {
      for (const [near] of pairs) near.destroy();
    },
  };
}
