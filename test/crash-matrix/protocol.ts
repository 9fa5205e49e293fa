/** A database's protocol in clear text, as far as a proxy must know it to strike at single messages. */
import type { Direction } from './message.ts';

export type Frame = {
  name: string;
  about: string;
  bytes: Buffer;
  /** The server's last word before it is the client's turn again. There is none until an error does not end the connection any more. */
  endsAnswer?: boolean;
  /** Comes after an error too: an answer that fails ends with it. */
  followsError?: boolean;
  /** On a connection on which the client never logs in: it only watches the server. */
  watches?: boolean;
};

/** One connection. */
export interface Conversation {
  /** Cuts a stream of bytes into messages, whatever pieces it comes in. */
  push(direction: Direction, bytes: Buffer): Iterable<Frame>;
  /** In place of that message: what a server answers that met a bug of its own. It says nothing about what was asked. */
  errorInPlaceOf(frame: Frame, isLoggedIn: boolean): Buffer;
}

export type Protocol = {
  converse(): Conversation;
  isError(name: string): boolean;
  /** Whether a client that sends it changes something. */
  isWrite(name: string): boolean;
  /** Names of messages. */
  readonly names: {
    /** Login accepted. */
    readonly loggedIn: string;
    /** A single user's password has changed. */
    readonly changed: readonly string[];
  };
};
