/**
 * The login of MongoDB: SCRAM-SHA-256, or SCRAM-SHA-1 for users who have only that, https://github.com/mongodb/specifications/blob/master/source/auth/auth.md.
 * The first message greets and begins the login; the second one ends it.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { Document } from 'bson';
import { attempt, type Dialogue, type Login, type Verdict, type Who } from '../../../crash-matrix/login.ts';
import { bodyOf, message, mongodbProtocol } from './protocol.ts';

/** Never rejects. The connection is gone when it returns. */
export function login(who: Who): Promise<Login> {
  return attempt(who, new Conversation(who));
}

const MECHANISMS = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-1': 'sha1' } as const;
type Mechanism = keyof typeof MECHANISMS;

/** AuthenticationFailed */
const REFUSED = 'ERR:18';
/** Of SCRAM: without channel binding. */
const HEAD = 'n,,';

class Conversation implements Dialogue {
  readonly #who: Who;
  readonly #messages = mongodbProtocol.converse();
  readonly #nonce = randomBytes(18).toString('base64');
  #mechanism: Mechanism = 'SCRAM-SHA-256';
  #number = 0;

  constructor(who: Who) {
    this.#who = who;
  }

  get opening(): Buffer {
    const { database, username } = this.#who;
    const speculativeAuthenticate = { ...this.#start(), db: database };
    return this.#message({ hello: 1, saslSupportedMechs: `${database}.${username}`, speculativeAuthenticate });
  }

  *hear(bytes: Buffer): Generator<Buffer | Verdict> {
    for (const { name, bytes: answer } of this.#messages.push('←', bytes)) {
      const said = this.#answer(name, bodyOf(answer));
      yield typeof said === 'string' ? said : this.#message(said);
    }
  }

  /** The messages that went before decide what the next one is: ours too. */
  #message(body: Document): Buffer {
    const bytes = message(++this.#number, { ...body, $db: this.#who.database });
    for (const _ of this.#messages.push('→', bytes));
    return bytes;
  }

  #answer(name: string, body: Document): Document | Verdict {
    switch (name) {
      case 'OK:hello':
        return body['speculativeAuthenticate'] ? this.#continue(body['speculativeAuthenticate']) : this.#begin(body);
      case 'OK:saslStart':
        return this.#continue(body);
      case 'OK:saslContinue': // the proof is good; older servers want one more message, to no purpose
      case 'OK:Login':
        return 'accepted';
      case REFUSED:
        return 'refused';
      default:
        return 'unknown';
    }
  }

  /** No user of that name has a password for SCRAM-SHA-256. */
  #begin({ saslSupportedMechs }: Document): Document {
    const has: string[] = saslSupportedMechs ?? [];
    if (has.includes('SCRAM-SHA-1') && !has.includes('SCRAM-SHA-256')) this.#mechanism = 'SCRAM-SHA-1';
    return this.#start();
  }

  #start(): Document {
    const payload = Buffer.from(`${HEAD}${this.#first}`);
    return { saslStart: 1, mechanism: this.#mechanism, payload, options: { skipEmptyExchange: true } };
  }

  get #first(): string {
    return `n=${this.#who.username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${this.#nonce}`;
  }

  /** https://www.rfc-editor.org/rfc/rfc5802#section-3 */
  #continue({ conversationId, payload }: Document): Document {
    const challenge = String(payload);
    const {
      r: nonce = '',
      s: salt = '',
      i: iterations,
    } = Object.fromEntries(challenge.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
    const hash = MECHANISMS[this.#mechanism];
    const unproven = `c=${Buffer.from(HEAD).toString('base64')},r=${nonce}`;
    const clientKey = keyOf(hash, this.#password, salt, Number(iterations));
    const stored = createHash(hash).update(clientKey).digest();
    const signature = createHmac(hash, stored).update(`${this.#first},${challenge},${unproven}`).digest();
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)));
    return { saslContinue: 1, conversationId, payload: Buffer.from(`${unproven},p=${proof.toString('base64')}`) };
  }

  /** As the mechanism has it. Passwords here are of letters, digits and hyphens, in which SASLprep changes nothing. */
  get #password(): string {
    const { username, password } = this.#who;
    if (this.#mechanism === 'SCRAM-SHA-256') return password;
    return createHash('md5').update(`${username}:mongo:${password}`).digest('hex');
  }
}

/** The expensive part, which is the same in every login until the password is set again. */
const clientKeys = new Map<string, Buffer>();

function keyOf(hash: 'sha256' | 'sha1', password: string, salt: string, iterations: number): Buffer {
  const what = `${hash} ${salt} ${iterations} ${password}`;
  let key = clientKeys.get(what);
  if (key === undefined) {
    const length = hash === 'sha256' ? 32 : 20;
    const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), iterations, length, hash);
    key = createHmac(hash, salted).update('Client Key').digest();
    clientKeys.set(what, key);
  }
  return key;
}
