/**
 * The login of MySQL and MariaDB, by the two plugins that have a password by default. What passes the first login with a password is kept by
 * the server, and later ones are cheap; a wrong password is not: https://dev.mysql.com/doc/refman/9.7/en/caching-sha2-pluggable-authentication.html
 */
import { constants, createHash, publicEncrypt } from 'node:crypto';
import { attempt, type Dialogue, type Login, type Verdict, type Who } from '../../../crash-matrix/login.ts';
import type { Frame } from '../../../crash-matrix/protocol.ts';
import { mysqlProtocol } from './protocol.ts';

/** Never rejects. The connection is gone when it returns. */
export function login(who: Who): Promise<Login> {
  return attempt(who, new Conversation(who));
}

/** CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION and CLIENT_PLUGIN_AUTH; no database, to tell these sessions from the function's. */
const CAPABILITIES = (1 << 9) | (1 << 15) | (1 << 19);
const UTF8MB4 = 45;
const LONGEST_PACKET = 0x1_00_00_00;
/** ER_ACCESS_DENIED_ERROR */
const ACCESS_DENIED = 'ERR:1045';

class Conversation implements Dialogue {
  readonly goodbye = Buffer.from([1, 0, 0, 0, 1]);
  readonly #who: Who;
  readonly #messages = mysqlProtocol.converse();
  #nonce: Buffer = Buffer.alloc(0);

  constructor(who: Who) {
    this.#who = who;
  }

  *hear(bytes: Buffer): Generator<Buffer | Verdict> {
    for (const frame of this.#messages.push('←', bytes)) {
      const answer = this.#answer(frame);
      if (typeof answer === 'string') yield answer;
      else if (answer !== undefined) yield this.#packet(answer, frame);
    }
  }

  /** The messages that went before decide what the next one is: ours too. */
  #packet(payload: Buffer, { bytes }: Frame): Buffer {
    const header = Buffer.alloc(4);
    header.writeUIntLE(payload.length, 0, 3);
    header[3] = (bytes[3] ?? 0) + 1;
    const packet = Buffer.concat([header, payload]);
    for (const _ of this.#messages.push('→', packet));
    return packet;
  }

  #answer({ name, about, bytes }: Frame): Buffer | Verdict | undefined {
    switch (name) {
      case 'Handshake':
        return this.#response(bytes.subarray(4));
      case 'AuthSwitchRequest':
        this.#nonce = bytes.subarray(bytes.indexOf(0, 5) + 1).subarray(0, 20);
        return this.#proof(about);
      case 'AuthMoreData:FastAuth':
        return undefined;
      case 'AuthMoreData:FullAuth':
        return Buffer.from([2]); // for the server's key
      case 'AuthMoreData:PublicKey':
        return this.#encrypted(bytes.subarray(5));
      case 'OK:Login':
        return 'accepted';
      case ACCESS_DENIED:
        return 'refused';
      default:
        return 'unknown';
    }
  }

  /** https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html */
  #response(handshake: Buffer): Buffer {
    const first = handshake.indexOf(0, 1) + 5; // after the version and the thread
    const second = first + 8 + 19; // after a filler, capabilities, character set, status, the nonce's length and what is reserved
    this.#nonce = Buffer.concat([handshake.subarray(first, first + 8), handshake.subarray(second, second + 12)]);
    const plugin = handshake.toString('latin1', second + 13, handshake.indexOf(0, second + 13));
    const head = Buffer.alloc(32);
    head.writeUInt32LE(CAPABILITIES, 0);
    head.writeUInt32LE(LONGEST_PACKET, 4);
    head[8] = UTF8MB4;
    const proof = this.#proof(plugin);
    const user = Buffer.from(`${this.#who.username}\0`);
    return Buffer.concat([head, user, Buffer.from([proof.length]), proof, Buffer.from(`${plugin}\0`)]);
  }

  #proof(plugin: string): Buffer {
    const { password } = this.#who;
    return plugin === 'mysql_native_password' ? native(password, this.#nonce) : cachingSha2(password, this.#nonce);
  }

  #encrypted(key: Buffer): Buffer {
    const password = Buffer.from(`${this.#who.password}\0`);
    const obscured = password.map((byte, index) => byte ^ (this.#nonce[index % this.#nonce.length] ?? 0));
    return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING }, obscured);
  }
}

/** https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_native_password_authentication.html */
function native(password: string, nonce: Buffer): Buffer {
  const once = hash('sha1', Buffer.from(password));
  return xor(once, hash('sha1', nonce, hash('sha1', once)));
}

/** https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html */
function cachingSha2(password: string, nonce: Buffer): Buffer {
  const once = hash('sha256', Buffer.from(password));
  return xor(once, hash('sha256', hash('sha256', once), nonce));
}

function hash(algorithm: 'sha1' | 'sha256', ...parts: Buffer[]): Buffer {
  return createHash(algorithm).update(Buffer.concat(parts)).digest();
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ (b[index] ?? 0)));
}
