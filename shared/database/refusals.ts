/** Which passwords a server has refused, as long as this process remembers. */

import { createHmac, randomBytes } from 'node:crypto';
import type { Credential, Endpoint } from './engine.ts';

/**
 * For how long a refused password is remembered: longer than the service takes to try again, and no
 * longer than a person takes who has put things right.
 */
const MINUTES_REMEMBERED = 15;

/** A refused login, with the password as a hash under a key that no other process has. */
type Refused = { password: string; at: number };

/**
 * Refused logins, by account. One object serves all invocations of a process, and so all attempts of a
 * rotation as long as Lambda keeps the process.
 *
 * A search among old passwords goes on where the last attempt has stopped, instead of trying the same
 * ones again.
 */
export class Refusals {
  readonly #key = randomBytes(32);
  readonly #byAccount = new Map<string, Refused[]>();

  add(to: Endpoint, as: Credential): void {
    const before = this.#of(to, as.username);
    this.#byAccount.set(accountOf(to, as.username), [...before, { password: this.#hash(as), at: performance.now() }]);
  }

  /** Whether the server has refused this password, and nothing has happened since that could change its mind. */
  has(to: Endpoint, as: Credential): boolean {
    return this.#of(to, as.username).some(({ password }) => password === this.#hash(as));
  }

  /** To be called when the account has logged in or its password has changed: the server counts anew. */
  forget(to: Endpoint, username: string): void {
    this.#byAccount.delete(accountOf(to, username));
  }

  #of(to: Endpoint, username: string): Refused[] {
    const account = accountOf(to, username);
    const recent = (this.#byAccount.get(account) ?? []).filter(
      ({ at }) => performance.now() - at < MINUTES_REMEMBERED * 60_000,
    );
    if (recent.length === 0) this.#byAccount.delete(account);
    return recent;
  }

  #hash({ password }: Credential): string {
    return createHmac('sha256', this.#key).update(password.reveal()).digest('base64');
  }
}

function accountOf({ host, port }: Endpoint, username: string): string {
  return `${host}:${port} ${username}`;
}
