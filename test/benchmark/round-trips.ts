/** Counts how often the function waits for an answer before it can go on. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';

export const PEERS = ['Secrets Manager', 'database'] as const;
export type Peer = (typeof PEERS)[number];

/** `together` is less than the sum where the function waits for both at the same time. */
export type Waits = Record<Peer | 'together', number>;

type Place = { host: string; port: number };

/**
 * Round trips that follow one another, counted at relays between the function and its servers.
 *
 * The relays give every round trip the same length: they hold back each answer for `delay`
 * milliseconds. A request has the number of the answers, one after another, that the function had
 * received when it sent the request; an answer has the number of its request and one more. The
 * highest number that has reached the function is the count. So requests that are on their way at the
 * same time count once, and a request that is sent after an answer counts after it.
 *
 * What counts as a request and its answer is seen in the bytes alone, whether they are encrypted or
 * not: what a client sends after it has heard something, and what the server sends after that.
 * Opening a TCP connection is a round trip, too. So is a greeting that a server sends unasked, and a
 * goodbye, if the function waits until the server has closed the connection.
 */
export class RoundTrips implements AsyncDisposable {
  /** Milliseconds. 0: the relays hand on at once, and count nothing. */
  delay = 0;
  #waits = none();
  /** Of what is counted at present: an answer to what was sent before `begin` counts no more. */
  #era = 0;
  readonly #resources = new AsyncDisposableStack();

  /** Counts from 0 on. */
  begin(): void {
    this.#era++;
    this.#waits = none();
  }

  get waits(): Readonly<Waits> {
    return { ...this.#waits };
  }

  /** A relay to that server. @returns where it listens */
  async relay(peer: Peer, target: Place): Promise<Place> {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true });
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on('error', () => {}); // that it closes is all that matters
        socket.on('close', () => sockets.delete(socket));
      }
      new Connection(client, upstream, this.#questions(peer)).run();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#resources.defer(async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    });
    return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }

  /** For one connection. */
  #questions(peer: Peer): Questions {
    const clocks = [peer, 'together'] as const;
    const now = () => ({ era: this.#era, sentAt: clocks.map((clock) => this.#waits[clock]) });
    let last = now();
    return {
      ask: () => (last = now()),
      answer: async () => {
        const { era, sentAt } = last;
        if (this.delay === 0) return;
        await sleep(this.delay);
        await setImmediate(); // what was sent before now, and has not been read yet because this process was slow, is read first
        if (era !== this.#era) return;
        for (const [index, clock] of clocks.entries())
          this.#waits[clock] = Math.max(this.#waits[clock], (sentAt[index] ?? 0) + 1);
      },
    };
  }
}

/** `answer` resolves when the answer to what was last asked may be handed on, and has been counted. */
type Questions = { ask(): void; answer(): Promise<void> };

class Connection {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #questions: Questions;

  constructor(client: Socket, server: Socket, questions: Questions) {
    this.#client = client;
    this.#server = server;
    this.#questions = questions;
  }

  run(): void {
    const { ask, answer } = this.#questions;
    ask();
    // The client's kernel has opened the connection already. What the client sends is held back until
    // a connection could have been opened.
    const opened = answer().then(ask);
    handOn(this.#client, this.#server, opened, async () => ask());
    handOn(this.#server, this.#client, opened, answer);
  }
}

/** Hands on each piece, and the end, when `due` says so. Pieces wait at the same time, not one after the other. */
function handOn(from: Socket, to: Socket, opened: Promise<void>, due: () => Promise<void>): void {
  let before = opened;
  const whenDue = (work: () => void) => {
    const isDue = opened.then(due);
    before = before.then(() => isDue).then(work);
  };
  from.on('data', (bytes: Buffer) => whenDue(() => void to.write(bytes)));
  from.on('end', () => whenDue(() => void to.end()));
  // Also where one side broke off: nobody waits for that.
  from.on('close', () => before.then(() => to.destroySoon()));
}

function none(): Waits {
  return { 'Secrets Manager': 0, database: 0, together: 0 };
}
