/**
 * MongoDB's protocol, as a server of a few answers speaks it, https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
 * The answers have the form of MongoDB 8.0's.
 */
import { createHmac, pbkdf2Sync } from 'node:crypto';
import type { Socket } from 'node:net';
import { BSON, type Document } from 'mongodb';

const OP = { reply: 1, query: 2004, message: 2013 } as const;
/** Length, request, response to, opcode; 32 bits each. */
const HEADER = 16;

export type Heard = { request: number; operation: number; command: Document };

/** What a client sends. */
function read(message: Buffer): Heard {
  const operation = message.readInt32LE(12);
  // Before the document: flags and the kind of section; or flags, the collection's name, how many to skip and to return.
  const start = HEADER + (operation === OP.query ? 4 + 'admin.$cmd\0'.length + 8 : 5);
  return { request: message.readInt32LE(4), operation, command: BSON.deserialize(message.subarray(start)) };
}

export function message(operation: number, responseTo: number, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER);
  for (const [index, value] of [HEADER + body.length, 1, responseTo, operation].entries())
    header.writeInt32LE(value, 4 * index);
  return Buffer.concat([header, body]);
}

/** The answer to what was heard, in its own kind of message. */
export function reply({ request, operation }: Pick<Heard, 'request' | 'operation'>, document: Document): Buffer {
  const bytes = Buffer.from(BSON.serialize(document));
  if (operation !== OP.query) return message(OP.message, request, Buffer.concat([Buffer.alloc(5), bytes]));
  const head = Buffer.alloc(20); // flags, cursor, where it starts
  head.writeInt32LE(1, 16); // document
  return message(OP.reply, request, Buffer.concat([head, bytes]));
}

/** Answers each message, and hangs up on whoever speaks another language. */
export function answering(answer: (heard: Heard) => Buffer | undefined): (socket: Socket) => void {
  return (socket) => {
    let bytes = Buffer.alloc(0);
    socket.on('data', (more) => {
      bytes = Buffer.concat([bytes, more]);
      while (bytes.length >= HEADER) {
        const [length, operation] = [bytes.readInt32LE(0), bytes.readInt32LE(12)];
        if (operation !== OP.query && operation !== OP.message) return void socket.destroy();
        if (length > bytes.length) return;
        const said = answer(read(bytes.subarray(0, length)));
        bytes = bytes.subarray(length);
        if (said !== undefined) socket.write(said);
      }
    });
  };
}

const opTime = { ts: new BSON.Timestamp({ t: 1_760_000_000, i: 1 }), t: new BSON.Long(1) };

/** Of the primary of a set of one, to `hello`. */
export const PRIMARY: Document = {
  helloOk: true,
  hosts: ['127.0.0.1:27017'],
  setName: 'rs0',
  setVersion: 1,
  isWritablePrimary: true,
  ismaster: true,
  secondary: false,
  primary: '127.0.0.1:27017',
  me: '127.0.0.1:27017',
  lastWrite: { opTime, majorityOpTime: opTime },
  maxBsonObjectSize: 16_777_216,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  localTime: new Date(),
  logicalSessionTimeoutMinutes: 30,
  connectionId: 7,
  minWireVersion: 0,
  maxWireVersion: 25,
  readOnly: false,
  ok: 1,
};

export const SECONDARY: Document = { ...PRIMARY, isWritablePrimary: false, ismaster: false, secondary: true };

/** Of an error: https://www.mongodb.com/docs/manual/reference/error-codes/ */
export function error(code: number, codeName: string, errmsg: string): Document {
  return { ok: 0, errmsg, code, codeName };
}

export const isHello = (command: Document): boolean =>
  'hello' in command || 'ismaster' in command || 'isMaster' in command;

/** One who logs in at the fake. */
export type As = { username: string; password: string };

/**
 * Lets this user in, who alone knows the password, and answers all else as a server does, but for what `answer` says. Counts the user's commands from
 * 0, without those of logging in and out.
 */
export function lettingIn(
  as: As,
  answer: (command: Document, position: number | undefined) => Document | undefined,
): (socket: Socket) => void {
  return (socket) => {
    const scram = new Scram(as);
    let position: number | undefined;
    const usual = (command: Document): Document => {
      if ('saslStart' in command) return scram.begin(command);
      if ('saslContinue' in command) return scram.end(command);
      if ('connectionStatus' in command)
        return { authInfo: { authenticatedUsers: [{ user: as.username, db: 'admin' }] }, ok: 1 };
      if (isHello(command)) return { ...PRIMARY, saslSupportedMechs: ['SCRAM-SHA-256'] };
      return 'usersInfo' in command ? { users: [], ok: 1 } : { ok: 1 };
    };
    answering((heard) => {
      const { command } = heard;
      const isCounted = scram.isThrough && !('endSessions' in command);
      if (isCounted) position = position === undefined ? 0 : position + 1;
      return reply(heard, answer(command, isCounted ? position : undefined) ?? usual(command));
    })(socket);
  };
}

/** The server's side of RFC 5802 with SHA-256. */
class Scram {
  isThrough = false;
  #messages = '';
  readonly #password: string;

  constructor({ password }: As) {
    this.#password = password;
  }

  begin({ payload }: Document): Document {
    const first = payload.toString('utf8').replace(/^n,,/, '');
    const nonce = first.match(/r=(.*)/)?.[1];
    const challenge = `r=${nonce}server,s=${Buffer.from('salt').toString('base64')},i=4096`;
    this.#messages = `${first},${challenge}`;
    return said(challenge, false);
  }

  end({ payload }: Document): Document {
    const salted = pbkdf2Sync(this.#password, 'salt', 4096, 32, 'sha256');
    const key = createHmac('sha256', salted).update('Server Key').digest();
    const messages = `${this.#messages},${payload.toString('utf8').replace(/,p=.*/, '')}`;
    this.isThrough = true;
    return said(`v=${createHmac('sha256', key).update(messages).digest('base64')}`, true);
  }
}

function said(payload: string, done: boolean): Document {
  return { conversationId: 1, done, payload: new BSON.Binary(Buffer.from(payload)), ok: 1 };
}
