/** Proxies between the function and its database. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Direction, ListeningProxy, Pass } from './message.ts';
import type { Conversation, Frame, Protocol } from './protocol.ts';

type Address = { host: string; port: number };

export interface DatabaseProxy extends ListeningProxy {
  /**
   * Connections that the server has not closed: for each what is known of it, and for how long, as of a session.
   * @param busySince only those on which the server has not answered for that many milliseconds
   */
  open(busySince: number): { state: string; ms: number }[];
}

/** Reads along: every message of the database's protocol in clear text goes through `pass`. */
export function startDatabaseProxy(target: Address, protocol: Protocol, pass: Pass): Promise<DatabaseProxy> {
  let connections = 0;
  return listen(target, (client, server) => {
    const link = new Link(client, server, protocol.converse(), ++connections, pass);
    return { over: Promise.all([link.run('→'), link.run('←')]), askedAt: () => link.askedAt };
  });
}

/**
 * Knows nothing of what passes, as over TLS. For each connection `opened` gives a function that is told of bytes before they are handed on,
 * both directions together, and says how many of them may go on; if not all, the connection is cut after those.
 */
export function startCuttingProxy(
  target: Address,
  opened: (connection: number) => (bytes: number) => number,
): Promise<DatabaseProxy> {
  let connections = 0;
  return listen(target, (client, server) => {
    const allowed = opened(++connections);
    const run = async (from: Socket, to: Socket) => {
      try {
        for await (const chunk of from as AsyncIterable<Buffer>) {
          const count = allowed(chunk.length);
          to.write(chunk.subarray(0, count));
          if (count < chunk.length) {
            client.destroySoon();
            server.destroySoon();
            return;
          }
        }
      } finally {
        to.end(); // also where the other side broke off
      }
    };
    return { over: Promise.all([run(client, server), run(server, client)]), askedAt: () => undefined };
  });
}

/** `askedAt`: since when the server has owed an answer, as far as anybody knows: performance.now(). */
type Served = { over: Promise<unknown>; askedAt(): number | undefined };

async function listen(target: Address, serve: (client: Socket, server: Socket) => Served): Promise<DatabaseProxy> {
  const open = new Set<Socket>();
  const served = new Map<Socket, Served>();
  const proxy = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    for (const socket of [client, server]) {
      open.add(socket);
      socket.on('error', () => {}); // that it closes is all that matters
      socket.on('close', () => open.delete(socket));
    }
    // A side that breaks off, as a killed process does, ends its half of the link only: what is held goes on afterwards.
    const link = serve(client, server);
    link.over.catch(() => {});
    served.set(server, link);
    for (const event of ['end', 'close']) server.on(event, () => served.delete(server));
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    port: (proxy.address() as AddressInfo).port,
    open: (busySince) => {
      const now = performance.now();
      return [...served.values()].flatMap(({ askedAt }) => {
        const ms = now - (askedAt() ?? now);
        return ms < busySince ? [] : [{ state: ms > 0 ? 'busy' : 'open', ms: Math.round(ms) }];
      });
    },
    async [Symbol.asyncDispose]() {
      proxy.close();
      for (const socket of open) socket.destroy();
      await once(proxy, 'close');
    },
  };
}

class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #conversation: Conversation;
  readonly #connection: number;
  readonly #pass: Pass;
  /** performance.now(); undefined where the server owes no answer. */
  askedAt: number | undefined;
  #loggedIn = false;
  /** An error was put in place of the answer: the rest of it is swallowed, but for what follows an error too. */
  #swallowing = false;

  constructor(client: Socket, server: Socket, conversation: Conversation, connection: number, pass: Pass) {
    this.#client = client;
    this.#server = server;
    this.#conversation = conversation;
    this.#connection = connection;
    this.#pass = pass;
  }

  /** One direction, until it ends. */
  async run(direction: Direction): Promise<void> {
    const [from, to] = direction === '→' ? [this.#client, this.#server] : [this.#server, this.#client];
    try {
      for await (const chunk of from as AsyncIterable<Buffer>)
        for (const frame of this.#conversation.push(direction, chunk)) await this.#passOn(direction, frame, to);
    } finally {
      to.end();
    }
  }

  async #passOn(direction: Direction, frame: Frame, to: Socket): Promise<void> {
    if (direction === '←') this.askedAt = undefined;
    if (direction === '←' && this.#swallowing) {
      if (!frame.endsAnswer) return;
      this.#swallowing = false;
      if (frame.followsError) await write(to, frame.bytes);
      return;
    }
    await this.#pass({
      ...frame,
      connection: this.#connection,
      direction,
      forward: () => {
        if (direction === '→') this.askedAt = performance.now();
        return write(to, frame.bytes);
      },
      drop: () => this.#drop(),
      fail: () => this.#fail(frame),
    });
    if (frame.endsAnswer) this.#loggedIn = true;
  }

  #drop(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  /** While logging in, an error ends the connection; afterwards, the answer. */
  #fail(frame: Frame): void {
    const error = this.#conversation.errorInPlaceOf(frame, this.#loggedIn);
    if (!this.#loggedIn) {
      this.#client.end(error);
      this.#server.destroy();
      return;
    }
    this.#client.write(error);
    if (!frame.endsAnswer) this.#swallowing = true;
    else if (frame.followsError) this.#client.write(frame.bytes);
  }
}

/** Resolves when the kernel has the bytes, or when the socket is closed and never will. */
function write(to: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (!to.writable) resolve();
    else to.write(bytes, () => resolve());
  });
}
