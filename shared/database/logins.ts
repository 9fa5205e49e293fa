/**
 * Logins with the passwords of the secret's versions: which password is tried next, and how many
 * are.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Deadline } from '../core/deadline.ts';
import { type RotationError, SecretsManagerError } from '../core/errors.ts';
import { together } from '../core/together.ts';
import type { OtherVersions, Version } from '../core/versions.ts';
import type { Account, Endpoint, Engine, LoginResult, Session } from './engine.ts';
import { LoginRefusedError } from './errors.ts';
import type { Refusals } from './refusals.ts';
import { parseSecret, type Readable, type SecretValue, sameTarget } from './secret-value.ts';

/**
 * More refused logins in one invocation could lock the account, as MySQL's FAILED_LOGIN_ATTEMPTS
 * does, for example.
 */
const MOST_REFUSALS = 4;

/** How long a connection waits for the permission to log in, in milliseconds. */
const PATIENCE = 1000;

/** A session, and the version whose password it logged in with. */
export type Found<S extends Session> = { session: S; with: SecretValue };

/**
 * Logs in with the passwords of the secret's versions.
 *
 * All logins go to one endpoint, AWSCURRENT's: an older version contributes its password, never its
 * TLS settings or its database.
 *
 * Only a *refused* password leads on to the next one. Any other failure shows that the password is
 * right, or shows nothing.
 */
export class Logins<S extends Session> {
  readonly #engine: Engine<S>;
  readonly #deadline: Deadline;
  readonly #at: Endpoint;
  /** Of all invocations in this process. */
  readonly #remembered: Refusals;
  readonly #isRehearsal: boolean;
  #refusals = 0;

  /**
   * @param at where all logins go, whatever a version says
   * @param isRehearsal whether the pending version is not stored. Then no server knows its password, and
   *   AWSCURRENT's own password has to be right.
   */
  constructor(
    engine: Engine<S>,
    deadline: Deadline,
    at: Endpoint,
    remembered: Refusals,
    { isRehearsal = false }: { isRehearsal?: boolean } = {},
  ) {
    this.#engine = engine;
    this.#deadline = deadline;
    this.#at = at;
    this.#remembered = remembered;
    this.#isRehearsal = isRehearsal;
  }

  /** One login. Never throws. The caller closes the session, if there is one. */
  async try(value: SecretValue): Promise<LoginResult<S>> {
    return this.#noted(value, await this.#engine.login(this.#at, value, this.#deadline));
  }

  /**
   * As `try`, but the password is used only after `permission` has resolved. Before that, the
   * connection is opened, if the engine can. It is given up after a while: it may be the server's last
   * one, for which whoever gives the permission is waiting.
   * @throws what `permission` is rejected with
   */
  async tryAfter(permission: Promise<unknown>, value: SecretValue): Promise<LoginResult<S>> {
    const { loginAhead } = this.#engine;
    if (loginAhead === undefined) {
      await permission;
      return this.try(value);
    }
    const tooLate = sleep(PATIENCE, undefined, { ref: false }).then(() => Promise.reject(new TypeError('too late')));
    const password = Promise.race([permission.then(() => value.password), tooLate]);
    const isInTime = password.then(
      () => true,
      () => false,
    );
    const opening = loginAhead(this.#at, value.username, password, this.#deadline);
    const [, result] = await together(permission, opening);
    return (await isInTime) ? this.#noted(value, result) : this.try(value);
  }

  #noted(value: SecretValue, result: LoginResult<S>): LoginResult<S> {
    if (result.is === 'refused') {
      this.#refusals++;
      this.#remembered.add(this.#at, value);
    }
    if (result.is === 'accepted' || result.is === 'barred') this.#remembered.forget(this.#at, value.username);
    return result;
  }

  /** One login, whose session is closed at once. Never throws. */
  async probe(value: SecretValue): Promise<LoginResult<S>> {
    const result = await this.try(value);
    if (result.is === 'accepted') await result.session.close();
    return result;
  }

  /** Call this after the password of a user was set: what the server refused before says nothing now. */
  passwordChanged(username: string): void {
    this.#remembered.forget(this.#at, username);
  }

  /**
   * A session, which the caller closes.
   * @throws why there is none
   */
  async logIn(value: SecretValue): Promise<S> {
    const result = await this.try(value);
    if (result.is !== 'accepted') throw result.why;
    return result.session;
  }

  /**
   * A session, which the caller closes; undefined if the password was refused.
   * @throws any other reason why there is none
   */
  async logInUnlessRefused(value: SecretValue): Promise<S | undefined> {
    const result = await this.try(value);
    if (result.is === 'accepted') return result.session;
    if (result.is === 'refused') return undefined;
    throw result.why;
  }

  /**
   * Proves that this value logs in. The session is closed.
   * @returns the account that the server chose
   * @throws why it does not log in
   */
  async prove(value: SecretValue): Promise<Account> {
    const result = await this.probe(value);
    if (result.is !== 'accepted') throw result.why;
    return result.session.account;
  }

  /**
   * Like `prove`, but an account that may not log in at the moment will do, as long as the password is
   * right: the account may be at its connection limit, for example.
   * @throws if the password is refused, or if the login shows nothing about it
   */
  async requireRightPassword(value: SecretValue): Promise<void> {
    const result = await this.probe(value);
    if (result.is !== 'accepted' && result.is !== 'barred') throw result.why;
  }

  /**
   * A session of AWSCURRENT's user with any password that the secret has for it. The order is:
   * AWSCURRENT, the pending version, all other versions from the newest on. A rehearsal tries
   * AWSCURRENT only: a rotation could go on from an older version, but applications read this one.
   *
   * Few passwords are tried in one attempt. The next attempt goes on with others, if it is in the same
   * process.
   *
   * A version is tried only if it names the same user of the same server as AWSCURRENT, and has a
   * password that was not tried yet.
   * @param readPending is called if AWSCURRENT's password is refused
   * @throws {LoginRefusedError} if all are refused; the message says how many were not tried
   * @throws any other reason why a login failed
   */
  async logInWithAny(
    current: Readable,
    readPending: () => Promise<Readable | undefined>,
    versions: OtherVersions,
  ): Promise<Found<S>> {
    const candidates = new Candidates(current.value);
    let why: RotationError | undefined;

    const found = async (value: SecretValue): Promise<Found<S> | undefined> => {
      if (!candidates.take(value)) return undefined;
      const result = await this.try(value);
      if (result.is === 'accepted') return { session: result.session, with: value };
      if (result.is !== 'refused') throw result.why;
      why ??= result.why;
      return undefined;
    };

    const asCurrent = await found(current.value);
    if (asCurrent) return asCurrent;
    if (this.#isRehearsal) throw currentRefused(current.value, why);
    const pending = await readPending();
    const asPending = pending && (await found(pending.value));
    if (asPending) return asPending;
    const others = (await versions.newestFirst()).filter(
      (id) => id !== current.version.id && id !== pending?.version.id,
    );
    const unreadable: SecretsManagerError[] = [];
    const { first, untried, passed } = await this.#search(others, versions, found, unreadable);
    if (first) return first;
    for (const value of passed) candidates.pass(value);
    throw allRefused(current.value, why, { ...candidates.counts, untried, unreadable });
  }

  /**
   * Whether the server accepts a password that this secret has for the user of the pending version.
   * If it does, the user is this secret's. The order is: AWSPREVIOUS, the pending version, all other
   * versions but AWSCURRENT from the newest on.
   *
   * Example: AWSCURRENT names `app`, and the pending version `app_clone`. A login of `app_clone` with
   * the password in AWSPREVIOUS shows that an earlier rotation has set that password.
   * @returns `known`: the account; `barred` if the password is right and the account may not log in;
   *   undefined if no password is accepted. `untried`: how many versions are left for the next attempts.
   * @throws if a login shows nothing about its password
   */
  async acceptsKnownPassword(
    pending: SecretValue,
    current: Readable,
    versions: OtherVersions,
  ): Promise<{ known: Account | 'barred' | undefined; untried: number }> {
    const candidates = new Candidates(pending);
    const accepted = async (value: SecretValue | undefined): Promise<Account | 'barred' | undefined> => {
      if (value === undefined || !candidates.take(value)) return undefined;
      const result = await this.probe(value);
      if (result.is === 'unknown') throw result.why;
      if (result.is === 'accepted') return result.session.account;
      return result.is === 'barred' ? 'barred' : undefined;
    };
    const previous = await versions.labelled('AWSPREVIOUS');
    const known =
      (await accepted(previous && this.#understood(previous))) ??
      (await accepted(this.#isRehearsal ? undefined : pending));
    if (known !== undefined) return { known, untried: 0 };
    const others = (await versions.newestFirst()).filter((id) => id !== current.version.id);
    const { first, untried } = await this.#search(others, versions, accepted);
    return { known: first, untried };
  }

  /**
   * Goes through versions until one is found. Passwords that the server has refused a short while ago
   * come last: somebody may have set such a password since.
   * @param found tries a version; undefined if it is not what is searched for
   * @returns `passed`: versions that were refused a short while ago, and were not tried again. `untried`:
   *   how many others were not tried, as the server has refused enough logins
   */
  async #search<T>(
    ids: readonly string[],
    versions: OtherVersions,
    found: (value: SecretValue) => Promise<T | undefined>,
    unreadable: SecretsManagerError[] = [],
  ): Promise<{ first?: T; untried: number; passed: SecretValue[] }> {
    let untried = ids.length;
    const passed: SecretValue[] = [];
    for (const id of ids) {
      if (this.#refusals >= MOST_REFUSALS) break;
      untried--;
      const value = await this.#byId(versions, id, unreadable);
      if (value === undefined) continue;
      const isPassed = this.#remembered.has(this.#at, value);
      if (isPassed) passed.push(value);
      const first = isPassed ? undefined : await found(value);
      if (first !== undefined) return { first, untried, passed: [] };
    }
    while (passed.length > 0 && this.#refusals < MOST_REFUSALS) {
      const first = await found(passed.shift() as SecretValue);
      if (first !== undefined) return { first, untried, passed };
    }
    return { untried, passed };
  }

  /**
   * Undefined if the version is no candidate. An unlabelled version may be encrypted with a KMS key
   * that no longer exists: it is skipped, and its error goes to `unreadable`.
   */
  async #byId(
    versions: OtherVersions,
    id: string,
    unreadable: SecretsManagerError[] = [],
  ): Promise<SecretValue | undefined> {
    try {
      const version = await versions.byId(id);
      return version && this.#understood(version);
    } catch (error) {
      if (!(error instanceof SecretsManagerError) || error.retryHelps) throw error;
      unreadable.push(error);
      return undefined;
    }
  }

  /** Undefined if the text is not that of a database account: an old version may hold anything. */
  #understood({ id, text }: Version): SecretValue | undefined {
    try {
      return parseSecret({ text, called: id }, this.#engine);
    } catch {
      return undefined;
    }
  }
}

/** The passwords that may be tried for one user of one server, each of them once. */
class Candidates {
  readonly #target: SecretValue;
  readonly #taken: SecretValue[] = [];
  /** Hosts of versions for the same user that were not tried, as they name another server. */
  readonly #elsewhere = new Set<string>();
  /** How many passwords were tried. */
  #tried = 0;
  /** How many were not, as the server has refused them a short while ago. */
  #passed = 0;

  constructor(target: SecretValue) {
    this.#target = target;
  }

  /** False if this value names another user or server, or if its password was taken before. */
  take(value: SecretValue): boolean {
    if (!this.#isNew(value)) return false;
    this.#tried++;
    return true;
  }

  get counts() {
    return { tried: this.#tried, passed: this.#passed, elsewhere: this.#elsewhere };
  }

  /** Counts the password without a login. */
  pass(value: SecretValue): void {
    if (this.#isNew(value)) this.#passed++;
  }

  #isNew(value: SecretValue): boolean {
    if (value.username === this.#target.username && !sameTarget(value, this.#target))
      this.#elsewhere.add(value.endpoint.host);
    const isTaken = this.#taken.some(({ password }) => password.equals(value.password));
    if (isTaken || !sameTarget(value, this.#target)) return false;
    this.#taken.push(value);
    return true;
  }
}

const SET_OR_CORRECT = 'Set AWSCURRENT’s password in the database, or put the right one into the secret.';

/** @param why the server's answer */
function currentRefused(
  { username, endpoint: { host } }: SecretValue,
  why: RotationError | undefined,
): LoginRefusedError {
  return new LoginRefusedError(`${why?.message} It is the password in AWSCURRENT. ${SET_OR_CORRECT}`, {
    user: username,
    host,
    code: why?.code,
  });
}

/** What a search among the passwords of a secret has come to. */
type Search = Candidates['counts'] & {
  untried: number;
  unreadable: readonly SecretsManagerError[];
};

/** @param why the server's answer to the first refused password */
function allRefused(
  { username, endpoint: { host } }: SecretValue,
  why: RotationError | undefined,
  { tried, passed, elsewhere, untried, unreadable }: Search,
): LoginRefusedError {
  const unread = unreadable.length > 0 ? `, ${unreadable.length} that cannot be read (${unreadable[0]?.code})` : '';
  const before = passed > 0 ? `, ${passed} refused a short while ago` : '';
  const andNot =
    untried > 0 ? `, ${untried} versions left for the next attempts so that the account is not locked` : '';
  const atOthers =
    elsewhere.size > 0 ? ` Versions that name another server were not tried: ${[...elsewhere].join(', ')}.` : '';
  return new LoginRefusedError(
    `${why?.message} The same holds for the other passwords in the secret's versions (${tried} tried${before}${unread}${andNot}).${atOthers} ` +
      SET_OR_CORRECT,
    { user: username, host, code: why?.code },
  );
}
