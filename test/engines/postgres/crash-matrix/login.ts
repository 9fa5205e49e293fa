/**
 * PostgreSQL's login. What takes a client the most time, deriving a key from the password, is done once for each password and salt, as
 * RFC 5802 allows (section 5.1).
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { attempt, type Dialogue, type Login, type Verdict, type Who } from '../../../crash-matrix/login.ts';

/** Shown in pg_stat_activity, to tell these sessions from the function's. */
const APPLICATION = 'crash-matrix-prober';

/** Never rejects. The connection is gone when it returns. */
export function login(who: Who): Promise<Login> {
  return attempt(who, dialogue(who));
}

function dialogue(who: Who): Dialogue {
  const scram = new Scram(who.password);
  let received = Buffer.alloc(0);
  return {
    opening: startup(who),
    *hear(bytes) {
      received = Buffer.concat([received, bytes]);
      while (received.length >= 5 && received.length > received.readInt32BE(1)) {
        const message = received.subarray(0, received.readInt32BE(1) + 1);
        received = received.subarray(message.length);
        const answer = scram.answer(message);
        if (answer !== undefined) yield answer;
      }
    },
  };
}

function startup({ username, database }: Who): Buffer {
  const version = Buffer.from([0, 3, 0, 0]);
  const parameters = `user\0${username}\0database\0${database}\0application_name\0${APPLICATION}\0\0`;
  const body = Buffer.concat([version, Buffer.from(parameters)]);
  return Buffer.concat([int32(body.length + 4), body]);
}

/** https://www.postgresql.org/docs/current/sasl-authentication.html, RFC 5802 and RFC 7677; the server's proof is not checked. */
class Scram {
  readonly #password: string;
  readonly #nonce = randomBytes(18).toString('base64');

  constructor(password: string) {
    this.#password = password;
  }

  /** What to send, or how it ended; undefined if there is nothing to say. */
  answer(message: Buffer): Buffer | Verdict | undefined {
    if (message[0] === 0x45) return message.includes('\0C28P01\0') ? 'refused' : 'unknown';
    if (message[0] !== 0x52) return undefined;
    switch (message.readInt32BE(5)) {
      case 0:
        return 'accepted';
      case 10: {
        const first = Buffer.from(`n,,${this.#firstBare()}`);
        return response(Buffer.concat([Buffer.from('SCRAM-SHA-256\0'), int32(first.length), first]));
      }
      case 11:
        return response(Buffer.from(this.#final(message.toString('utf8', 9))));
      case 12:
        return undefined;
      default:
        return 'unknown';
    }
  }

  #firstBare(): string {
    return `n=*,r=${this.#nonce}`;
  }

  #final(serverFirst: string): string {
    const [, nonce = '', salt = '', iterations = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)/.exec(serverFirst) ?? [];
    const key = clientKey(this.#password, salt, Number(iterations));
    const withoutProof = `c=biws,r=${nonce}`;
    const storedKey = createHash('sha256').update(key).digest();
    const signature = hmac(storedKey, `${this.#firstBare()},${serverFirst},${withoutProof}`);
    const proof = key.map((byte, index) => byte ^ (signature[index] ?? 0));
    return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`;
  }
}

const clientKeys = new Map<string, Buffer>();

function clientKey(password: string, salt: string, iterations: number): Buffer {
  const name = `${iterations} ${salt} ${password}`;
  const known = clientKeys.get(name);
  if (known !== undefined) return known;
  const key = hmac(pbkdf2Sync(password, Buffer.from(salt, 'base64'), iterations, 32, 'sha256'), 'Client Key');
  clientKeys.set(name, key);
  return key;
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function response(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from('p'), int32(body.length + 4), body]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
