/**
 * Reads along between the function and its database. Unlike the crash matrix's proxy it strikes at nothing, so what came in one piece goes on
 * in one: each write is a system call, and a login has twenty messages.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Direction } from '../crash-matrix/message.ts';
import type { Conversation, Frame, Protocol } from '../crash-matrix/protocol.ts';

/** A message, before it goes on. */
export type Heard = Frame & { connection: number; direction: Direction };

export interface Wiretap extends AsyncDisposable {
  readonly port: number;
  /** Breaks all connections off. */
  cut(): void;
}

/** @param hear what came waits until it resolves */
export async function tapWire(
  target: { host: string; port: number },
  protocol: Protocol,
  hear: (message: Heard) => Promise<void>,
): Promise<Wiretap> {
  const open = new Set<Socket>();
  let connections = 0;
  const listener = createServer({ noDelay: true }, (client) => {
    const server = connect({ ...target, noDelay: true });
    const connection = ++connections;
    const conversation = protocol.converse();
    for (const socket of [client, server]) {
      open.add(socket);
      socket.on('error', () => {}); // that it closes is all that matters
      socket.on('close', () => open.delete(socket));
    }
    relay(client, server, '→', conversation, (frame) => hear({ ...frame, connection, direction: '→' }));
    relay(server, client, '←', conversation, (frame) => hear({ ...frame, connection, direction: '←' }));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: (listener.address() as AddressInfo).port,
    cut,
    async [Symbol.asyncDispose]() {
      listener.close();
      cut();
      await once(listener, 'close');
    },
  };
}

async function relay(
  from: Socket,
  to: Socket,
  direction: Direction,
  conversation: Conversation,
  hear: (frame: Frame) => Promise<void>,
): Promise<void> {
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      const frames = [...conversation.push(direction, chunk)];
      for (const frame of frames) await hear(frame);
      if (frames.length > 0 && to.writable) to.write(Buffer.concat(frames.map(({ bytes }) => bytes)));
    }
  } catch {
    // It broke off.
  } finally {
    to.destroySoon();
  }
}
