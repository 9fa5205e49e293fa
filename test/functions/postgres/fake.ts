/** Servers of a few bytes, and relays that fail when told to. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type Listening = { host: string; port: number } & AsyncDisposable;

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

/** A message of the protocol, https://www.postgresql.org/docs/current/protocol-message-formats.html */
export function message(type: string, ...body: (string | number)[]): Buffer {
  const content = Buffer.concat(
    body.map((part) =>
      typeof part === 'string' ? Buffer.from(part) : Buffer.from(new Int32Array([part]).buffer).swap32(),
    ),
  );
  const length = Buffer.alloc(4);
  length.writeInt32BE(content.length + 4);
  return Buffer.concat([Buffer.from(type), length, content]);
}

/** ErrorResponse, by its fields' letters. */
export function errorResponse(fields: Record<string, string>): Buffer {
  return message(
    'E',
    `${Object.entries({ S: 'FATAL', V: 'FATAL', ...fields })
      .map(([key, text]) => `${key}${text}\0`)
      .join('')}\0`,
  );
}

export const READY = message('Z', 'I');
export const accepting = () => Buffer.concat([message('R', 0), READY]);
export const done = () => Buffer.concat([message('C', 'SELECT 1\0'), READY]);

/** Asks for the password in plain text, then says these things, each in answer to a message. */
export function inTurn(...answers: ((heard: string) => Buffer)[]): (socket: Socket) => void {
  return (socket) => {
    socket.once('data', () => {
      socket.write(message('R', 3));
      socket.on('data', (bytes) => {
        // Type and length before, NUL after.
        const answer = answers.shift();
        if (answer) socket.write(answer(bytes.subarray(5, -1).toString()));
      });
    });
  };
}

/** Passes everything on, until it is told otherwise. */
export async function relay(to: { host: string; port: number }): Promise<Listening & { stall(): void; cut(): void }> {
  const pairs: [Socket, Socket][] = [];
  const listening = await fakeServer((near) => {
    const far = connect(to.port, to.host).on('error', () => near.destroy());
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    pairs.push([near, far]);
    near.pipe(far).pipe(near);
  });
  return {
    ...listening,
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
