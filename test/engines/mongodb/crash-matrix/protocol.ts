/**
 * The messages of MongoDB in clear text, https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/: a header and a document. A
 * driver has one connection for commands, and one beside it that only watches the server.
 */
import { type Document, deserialize, serialize } from 'bson';
import type { Direction } from '../../../crash-matrix/message.ts';
import type { Conversation, Frame, Protocol } from '../../../crash-matrix/protocol.ts';

export const mongodbProtocol: Protocol = {
  converse: () => new MongodbConversation(),
  isError: (name) => name.startsWith('ERR:'),
  isWrite: (name) => /^Query:(createUser|updateUser|updateUser-pwd|grantRolesToUser|revokeRolesFromUser)$/.test(name),
  names: { loggedIn: 'OK:Login', changed: ['OK:updateUser-pwd'] },
};

/** Length, number, number of what is answered, and kind: four bytes each. */
const HEADER = 16;
/** As every server says in its greeting. */
const LONGEST_MESSAGE = 48_000_000;

/** Of the first answer, and of the first message: drivers do not know yet what the server understands. */
const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;

/** Nobody waits for an answer. */
const MORE_TO_COME = 1 << 1;

class MongodbConversation implements Conversation {
  readonly #rest: Record<Direction, Buffer> = { '→': Buffer.alloc(0), '←': Buffer.alloc(0) };
  /** What waits for an answer, by its number. */
  readonly #asked = new Map<number, string>();
  #watches: boolean | undefined;

  *push(direction: Direction, bytes: Buffer): Generator<Frame> {
    let rest = Buffer.concat([this.#rest[direction], bytes]);
    for (let length = lengthOf(rest); length !== undefined && rest.length >= length; length = lengthOf(rest)) {
      const message = rest.subarray(0, length);
      rest = rest.subarray(length);
      const frame = direction === '→' ? this.#fromClient(message) : this.#fromServer(message);
      if (frame) yield { ...frame, ...(this.#watches && { watches: true }) };
    }
    this.#rest[direction] = rest;
  }

  /** https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml */
  errorInPlaceOf({ bytes }: Frame): Buffer {
    const body = { ok: 0, errmsg: 'Put here by the crash matrix.', code: 1, codeName: 'InternalError' };
    const [number, to] = [bytes.readInt32LE(4), bytes.readInt32LE(8)];
    return bytes.readInt32LE(12) === OP_REPLY ? reply(number, to, body) : message(number, body, to);
  }

  #fromClient(bytes: Buffer): Frame {
    const body = bodyOf(bytes);
    const name = nameOf(body);
    this.#watches ??= name === 'hello' && !('speculativeAuthenticate' in body);
    const wantsAnswer = bytes.readInt32LE(12) !== OP_MSG || (bytes.readInt32LE(HEADER) & MORE_TO_COME) === 0;
    if (wantsAnswer) this.#asked.set(bytes.readInt32LE(4), name);
    return { name: `Query:${name}`, about: described(body), bytes };
  }

  /** FerretDB also answers who does not wait for it, and may be gone: that is not handed on. */
  #fromServer(bytes: Buffer): Frame | undefined {
    const number = bytes.readInt32LE(8);
    const to = this.#asked.get(number);
    if (to === undefined) return undefined;
    this.#asked.delete(number);
    const { ok, code, codeName, done } = bodyOf(bytes);
    if (ok !== 1) return { name: `ERR:${code}`, about: codeName ?? '', bytes, endsAnswer: true };
    const isLogin = to === 'saslContinue' && done === true;
    return { name: isLogin ? 'OK:Login' : `OK:${to}`, about: '', bytes, endsAnswer: true };
  }
}

/** Undefined if not even the header is there. */
function lengthOf(bytes: Buffer): number | undefined {
  if (bytes.length < HEADER) return undefined;
  const length = bytes.readInt32LE(0);
  if (length < HEADER || length > LONGEST_MESSAGE) throw new Error('This is no message of MongoDB’s');
  return length;
}

/** The document of a message; of several, the one that says what the message is. */
export function bodyOf(bytes: Buffer): Document {
  return deserialize(bytes.subarray(startOfBody(bytes)), {
    allowObjectSmallerThanBufferSize: true,
    promoteBuffers: true,
  });
}

function startOfBody(bytes: Buffer): number {
  switch (bytes.readInt32LE(12)) {
    case OP_MSG:
      return HEADER + 4 + 1; // flags, and the kind of section: 0, a body, comes first from every driver
    case OP_QUERY:
      return bytes.indexOf(0, HEADER + 4) + 1 + 8; // flags and the name of a collection; what to skip and to return
    case OP_REPLY:
      return HEADER + 4 + 8 + 4 + 4; // flags, cursor, where it starts, how many documents
    default:
      throw new Error(`Nobody here sends messages of the kind ${bytes.readInt32LE(12)}`);
  }
}

/** @param to the number of what it answers */
export function message(number: number, body: Document, to = 0): Buffer {
  return framed(number, to, OP_MSG, Buffer.alloc(4 + 1), body);
}

function reply(number: number, to: number, body: Document): Buffer {
  const head = Buffer.alloc(4 + 8 + 4 + 4);
  head.writeInt32LE(1, head.length - 4);
  return framed(number, to, OP_REPLY, head, body);
}

function framed(number: number, to: number, kind: number, head: Buffer, body: Document): Buffer {
  const document = serialize(body);
  const header = Buffer.alloc(HEADER);
  for (const [index, value] of [HEADER + head.length + document.length, number, to, kind].entries())
    header.writeInt32LE(value, 4 * index);
  return Buffer.concat([header, head, document]);
}

/** The command, by its name of today; updateUser alone says too little: what it sets may be a password. */
function nameOf(body: Document): string {
  const [command = ''] = Object.keys(body);
  if (/^ismaster$/i.test(command)) return 'hello';
  return 'pwd' in body && command === 'updateUser' ? 'updateUser-pwd' : command;
}

/** Of no interest: of the driver's, and the same in every command. */
const USUAL = new Set(['lsid', '$db', 'client', 'compression', 'backpressure', 'helloOk']);
/** A password, what proves that one knows it, and a number that says nothing. */
const HIDDEN = new Set(['pwd', 'payload', 'endSessions']);

/** Characters: what a developer looks for stands at the beginning. */
const LONG = 250;

function described(body: Document): string {
  const shown = Object.fromEntries(Object.entries(body).filter(([key]) => !USUAL.has(key)));
  const about = JSON.stringify(shown, (key, value) => (HIDDEN.has(key) ? '…' : value));
  return about.length > LONG ? `${about.slice(0, LONG)}…` : about;
}
