/**
 * PostgreSQL's messages in clear text, https://www.postgresql.org/docs/current/protocol-message-formats.html: each has a
 * letter and a length, but for the client's first, which has no letter.
 */
import type { Direction } from '../../../crash-matrix/message.ts';
import type { Conversation, Frame, Protocol } from '../../../crash-matrix/protocol.ts';

export const postgresProtocol: Protocol = {
  converse: () => new PostgresConversation(),
  isError: (name) => name === 'ErrorResponse',
  isWrite: (name) => /^Query:(CREATE|ALTER|COMMENT|GRANT|REVOKE|REASSIGN|COMMIT)$/.test(name),
  names: { loggedIn: 'Authentication:Ok', changed: ['CommandComplete:COMMIT'] },
};

class PostgresConversation implements Conversation {
  readonly #rest: Record<Direction, Buffer> = { '→': Buffer.alloc(0), '←': Buffer.alloc(0) };
  #started = false;

  *push(direction: Direction, bytes: Buffer): Generator<Frame> {
    let rest = Buffer.concat([this.#rest[direction], bytes]);
    for (;;) {
      const letters = this.#started || direction === '←' ? 1 : 0;
      if (rest.length < letters + 4) break;
      const length = letters + rest.readInt32BE(letters);
      if (rest.length < length) break;
      const frame = rest.subarray(0, length);
      rest = rest.subarray(length);
      if (letters === 0) yield this.#start(frame);
      else yield direction === '→' ? fromClient(frame) : fromServer(frame);
    }
    this.#rest[direction] = rest;
  }

  #start(bytes: Buffer): Frame {
    this.#started = true;
    return { name: 'Startup', about: '', bytes };
  }

  /** While logging in, an error ends the connection; afterwards, the query. */
  errorInPlaceOf(_: Frame, isLoggedIn: boolean): Buffer {
    const severity = isLoggedIn ? 'ERROR' : 'FATAL';
    const fields = Buffer.from(`S${severity}\0V${severity}\0CXX000\0MPut here by the crash matrix.\0\0`);
    const head = Buffer.from('E\0\0\0\0');
    head.writeInt32BE(fields.length + 4, 1);
    return Buffer.concat([head, fields]);
  }
}

/** Characters: what a developer looks for stands at the beginning. */
const LONG = 250;

function fromClient(bytes: Buffer): Frame {
  const letter = String.fromCharCode(bytes[0] ?? 0);
  switch (letter) {
    case 'p':
      return { name: 'SASL', about: '', bytes };
    case 'Q': {
      const statement = firstText(bytes);
      const about = statement.replaceAll(/'[^']*'/g, "'…'").replaceAll(/\s+/g, ' ');
      return {
        name: `Query:${keyword(statement)}`,
        about: about.length > LONG ? `${about.slice(0, LONG)}…` : about,
        bytes,
      };
    }
    case 'X':
      return { name: 'Terminate', about: '', bytes };
    default:
      return { name: letter, about: '', bytes };
  }
}

/** Of the first statement in a query that is more than a setting for those after it. */
function keyword(statements: string): string {
  const keywords = statements.split(';').map((statement) => /\w+/.exec(statement)?.[0] ?? '');
  return keywords.find((word) => word !== 'SET') ?? 'SET';
}

const AUTHENTICATION: Record<number, string> = { 0: 'Ok', 10: 'SASL', 11: 'SASLContinue', 12: 'SASLFinal' };
const FROM_SERVER: Record<string, string> = {
  D: 'DataRow',
  E: 'ErrorResponse',
  K: 'BackendKeyData',
  N: 'NoticeResponse',
  T: 'RowDescription',
};

function fromServer(bytes: Buffer): Frame {
  const letter = String.fromCharCode(bytes[0] ?? 0);
  switch (letter) {
    case 'R': {
      const kind = bytes.readInt32BE(5);
      return { name: `Authentication:${AUTHENTICATION[kind] ?? kind}`, about: '', bytes };
    }
    case 'S':
      return { name: `ParameterStatus:${firstText(bytes)}`, about: '', bytes };
    case 'C':
      return {
        name: `CommandComplete:${firstText(bytes)
          .replaceAll(/[^A-Z]+/g, '-')
          .replace(/-$/, '')}`,
        about: '',
        bytes,
      };
    case 'E':
      return { name: 'ErrorResponse', about: /\0C(\w{5})\0/.exec(bytes.toString('latin1'))?.[1] ?? '', bytes };
    case 'Z':
      return { name: 'ReadyForQuery', about: '', bytes, endsAnswer: true, followsError: true };
    default:
      return { name: FROM_SERVER[letter] ?? letter, about: '', bytes };
  }
}

/** Up to the first NUL. */
function firstText(bytes: Buffer): string {
  return bytes.toString('utf8', 5, bytes.indexOf(0, 5));
}
