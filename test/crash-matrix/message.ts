/** What passes between the function and its servers, as the proxies see it. */

/** → from the function, ← to it. */
export type Direction = '→' | '←';

/** A message that has arrived at the proxy and not been handed on yet. */
export type Message = {
  /** The same for all messages of one connection to the database. Secrets Manager is taken for one connection. */
  readonly connection: 'sm' | number;
  readonly direction: Direction;
  /** What it is called in a point's id: an operation, or a protocol message. No spaces. */
  readonly name: string;
  /** Of a connection to the database on which the function never logs in: it only watches the server. */
  readonly watches?: boolean;
  /** For the timeline, without anything secret; empty if the name says all. */
  readonly about: string;
  /** As it crosses the network, for the search for leaks. */
  readonly bytes: Buffer;
  /** The last of an answer. */
  readonly endsAnswer?: boolean;
  /** What the SDK's repetitions of one call have in common. */
  readonly call?: string;
  /** Resolves when it is on its way; does nothing if nobody is there any more to hear it. */
  forward(): Promise<void>;
  /** Closes the connection on both sides. */
  drop(): void;
  /** To the function: an error of the server's in place of this message and the rest of the answer. */
  fail(): void;
};

/** Decides what becomes of a message. One direction of a connection waits until it is done. */
export type Pass = (message: Message) => Promise<void>;

/** Stands between the function and one of its servers. */
export type ListeningProxy = { readonly port: number } & AsyncDisposable;
