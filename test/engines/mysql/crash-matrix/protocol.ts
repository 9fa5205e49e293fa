/**
 * The messages of MySQL and MariaDB in clear text, https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html: packets of a length,
 * a number and a payload. What a packet is depends on what came before it, in either direction.
 */
import type { Direction } from '../../../crash-matrix/message.ts';
import type { Conversation, Frame, Protocol } from '../../../crash-matrix/protocol.ts';

export const mysqlProtocol: Protocol = {
  converse: () => new MysqlConversation(),
  isError: (name) => name.startsWith('ERR:'),
  isWrite: (name) => /^Query:(CREATE|ALTER|GRANT|REVOKE|SET-PASSWORD|SET-DEFAULT-ROLE)$/.test(name),
  names: { loggedIn: 'OK:Login', changed: ['OK:ALTER', 'OK:SET-PASSWORD'] },
};

const HEADER = 4;
const LONGEST_PAYLOAD = 0xff_ff_ff;

/** Of the server, before which the client has not said anything, and of the client, which answers with its own. */
const CLIENT_SSL = 1 << 11;
const CLIENT_QUERY_ATTRIBUTES = 1 << 27;
const MORE_RESULTS = 0x00_08;

/** The first byte of a payload. */
const COM_QUIT = 0x01;
const COM_QUERY = 0x03;
const OK = 0x00;
const MORE_DATA = 0x01;
const EOF = 0xfe;
const ERR = 0xff;

type State =
  /** The server greets, and the client says who it is. */
  | { is: 'greeting' }
  | { is: 'authentication' }
  /** Nobody can read along any more. */
  | { is: 'TLS' }
  | { is: 'idle' }
  /** To the statement that begins so. */
  | { is: 'answer'; to: string }
  | { is: 'columns'; to: string; left: number; packets: Buffer[] }
  | { is: 'rows'; to: string };

class MysqlConversation implements Conversation {
  readonly #rest: Record<Direction, Buffer> = { '→': Buffer.alloc(0), '←': Buffer.alloc(0) };
  #state: State = { is: 'greeting' };
  #capabilities = 0;

  *push(direction: Direction, bytes: Buffer): Generator<Frame> {
    let rest = Buffer.concat([this.#rest[direction], bytes]);
    while (rest.length > 0) {
      const length = this.#state.is === 'TLS' ? rest.length : lengthOf(rest);
      if (length === undefined || rest.length < length) break;
      const packet = rest.subarray(0, length);
      rest = rest.subarray(length);
      const frame = direction === '→' ? this.#fromClient(packet) : this.#fromServer(packet);
      if (frame) yield frame;
    }
    this.#rest[direction] = rest;
  }

  /** https://dev.mysql.com/doc/mysql-errors/en/server-error-reference.html: 1105 is ER_UNKNOWN_ERROR. */
  errorInPlaceOf({ bytes }: Frame): Buffer {
    const payload = Buffer.from('\xff\0\0#HY000Put here by the crash matrix.', 'latin1');
    payload.writeUInt16LE(1105, 1);
    const header = Buffer.alloc(HEADER);
    header.writeUIntLE(payload.length, 0, 3);
    header[3] = bytes[3] ?? 0;
    return Buffer.concat([header, payload]);
  }

  #fromClient(bytes: Buffer): Frame {
    const payload = bytes.subarray(HEADER);
    switch (this.#state.is) {
      case 'TLS':
        return { name: 'TLS', about: '', bytes };
      case 'greeting': {
        const flags = payload.readUInt32LE(0);
        const isSslRequest = (flags & CLIENT_SSL) !== 0;
        this.#capabilities &= flags;
        this.#state = { is: isSslRequest ? 'TLS' : 'authentication' };
        return { name: isSslRequest ? 'SSLRequest' : 'HandshakeResponse', about: '', bytes };
      }
      case 'authentication':
        return { name: isByte(payload, 2) ? 'PublicKeyRequest' : 'AuthResponse', about: '', bytes };
      default:
        return this.#command(payload, bytes);
    }
  }

  #command(payload: Buffer, bytes: Buffer): Frame {
    if (payload[0] === COM_QUIT) return { name: 'Quit', about: '', bytes };
    if (payload[0] !== COM_QUERY) {
      const name = `Command-${payload[0]}`;
      this.#state = { is: 'answer', to: name };
      return { name, about: '', bytes };
    }
    const attributes = this.#capabilities & CLIENT_QUERY_ATTRIBUTES ? 2 : 0; // how many there are: none, in one set
    const statement = payload.toString('utf8', 1 + attributes);
    const to = keyword(statement);
    this.#state = { is: 'answer', to };
    return { name: `Query:${to}`, about: withoutLiterals(statement), bytes };
  }

  #fromServer(bytes: Buffer): Frame | undefined {
    const payload = bytes.subarray(HEADER);
    const state = this.#state;
    if (state.is === 'TLS') return { name: 'TLS', about: '', bytes };
    if (payload[0] === ERR) {
      if (state.is !== 'greeting' && state.is !== 'authentication') this.#state = { is: 'idle' };
      return { name: `ERR:${payload.readUInt16LE(1)}`, about: '', bytes, endsAnswer: true };
    }
    switch (state.is) {
      case 'greeting':
        this.#capabilities = capabilitiesOf(payload);
        return { name: 'Handshake', about: '', bytes };
      case 'authentication':
        return this.#authentication(payload, bytes);
      case 'columns':
        return this.#column(state, bytes);
      case 'rows':
        if (payload[0] !== EOF || payload.length >= 9) return { name: 'Row', about: '', bytes };
        return this.#end('EOF', state.to, payload.readUInt16LE(3), bytes);
      default:
        return this.#answer(state.is === 'answer' ? state.to : '', payload, bytes);
    }
  }

  #authentication(payload: Buffer, bytes: Buffer): Frame {
    switch (payload[0]) {
      case OK:
        this.#state = { is: 'idle' };
        return { name: 'OK:Login', about: '', bytes, endsAnswer: true };
      case EOF:
        return { name: 'AuthSwitchRequest', about: textAt(payload, 1), bytes };
      case MORE_DATA: {
        const data = payload.subarray(1);
        const name = isByte(data, 3) ? 'FastAuth' : isByte(data, 4) ? 'FullAuth' : 'PublicKey';
        return { name: `AuthMoreData:${name}`, about: '', bytes };
      }
      default:
        return { name: `Auth-${payload[0]}`, about: '', bytes };
    }
  }

  #answer(to: string, payload: Buffer, bytes: Buffer): Frame | undefined {
    if (payload[0] !== OK) {
      this.#state = { is: 'columns', to, left: payload[0] ?? 0, packets: [bytes] };
      return undefined;
    }
    const [, affectedEnd] = lengthEncoded(payload, 1);
    const [, idEnd] = lengthEncoded(payload, affectedEnd);
    return this.#end(`OK:${to}`, to, payload.readUInt16LE(idEnd), bytes);
  }

  /** What the columns are is one message, with the EOF that ends it. */
  #column(state: State & { is: 'columns' }, bytes: Buffer): Frame | undefined {
    state.packets.push(bytes);
    if (state.left-- > 0) return undefined;
    this.#state = { is: 'rows', to: state.to };
    return { name: 'Columns', about: '', bytes: Buffer.concat(state.packets) };
  }

  #end(name: string, to: string, status: number, bytes: Buffer): Frame {
    const goesOn = (status & MORE_RESULTS) !== 0;
    this.#state = goesOn ? { is: 'answer', to } : { is: 'idle' };
    return { name, about: '', bytes, endsAnswer: !goesOn };
  }
}

/** Of the first packet, with its header; undefined if it has not come so far. */
function lengthOf(bytes: Buffer): number | undefined {
  if (bytes.length < HEADER) return undefined;
  const payload = bytes.readUIntLE(0, 3);
  if (payload === LONGEST_PAYLOAD) throw new Error('A packet of 16 MiB has nothing to do with rotation');
  return HEADER + payload;
}

/** https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html */
function capabilitiesOf(handshake: Buffer): number {
  const lower = handshake.indexOf(0, 1) + 1 + 4 + 8 + 1; // after the version: thread, first part of the nonce, filler
  const upper = lower + 2 + 1 + 2; // character set, status
  return handshake.readUInt16LE(lower) | (handshake.readUInt16LE(upper) << 16);
}

/** @returns a number, and where it ends */
function lengthEncoded(bytes: Buffer, at: number): [number, number] {
  const first = bytes[at] ?? 0;
  if (first < 0xfb) return [first, at + 1];
  const size = { 252: 2, 253: 3 }[first] ?? 6;
  return [bytes.readUIntLE(at + 1, size), at + 1 + (first === 0xfe ? 8 : size)];
}

function isByte(bytes: Buffer, byte: number): boolean {
  return bytes.length === 1 && bytes[0] === byte;
}

/** Up to the first NUL. */
function textAt(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at, bytes.indexOf(0, at));
}

/** SET alone says too little: what it sets may be a password. */
function keyword(statement: string): string {
  const [, words = ''] = /^\s*(SET\s+(?:PASSWORD|DEFAULT\s+ROLE|ROLE)|\w*)/i.exec(statement) ?? [];
  return words.toUpperCase().replaceAll(/\s+/g, '-');
}

/** Characters: what a developer looks for stands at the beginning. */
const LONG = 250;

function withoutLiterals(statement: string): string {
  const about = statement.replaceAll(/(["'])(?:\\.|\1\1|(?!\1).)*\1/gs, '$1…$1').replaceAll(/\s+/g, ' ');
  return about.length > LONG ? `${about.slice(0, LONG)}…` : about;
}
