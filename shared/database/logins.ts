import type { Deadline } from '../core/deadline.ts';
import { type RotationError, SecretsManagerError } from '../core/errors.ts';
import type { OtherVersions, Version } from '../core/versions.ts';
import type { Account, Endpoint, Engine, LoginResult, Session } from './engine.ts';
import { LoginRefusedError } from './errors.ts';
import type { Readable } from './secret-value.ts';
import { parseSecret, type SecretValue, sameTarget } from './secret-value.ts';

/** More refused logins than these in one invocation could lock the account (MySQL's FAILED_LOGIN_ATTEMPTS and the like). */
const MOST_REFUSALS = 4;

export type Found<S extends Session> = { session: S; with: SecretValue };

/**
 * Logs in with the passwords of the secret's versions, one after the other, and always at the same endpoint: an older version's TLS
 * settings or database are not what the secret says now.
 *
 * Only a *refused* password leads to the next candidate: whatever else happens proves nothing about the password, or
 * proves it right.
 */
export class Logins<S extends Session> {
  readonly #engine: Engine<S>;
  readonly #deadline: Deadline;
  readonly #at: Endpoint;
  #refusals = 0;

  constructor(engine: Engine<S>, deadline: Deadline, at: Endpoint) {
    this.#engine = engine;
    this.#deadline = deadline;
    this.#at = at;
  }

  async try(value: SecretValue): Promise<LoginResult<S>> {
    const result = await this.#engine.login(this.#at, value, this.#deadline);
    if (result.is === 'refused') this.#refusals++;
    return result;
  }

  /** A session. @throws the cause if there is none */
  async accepted(value: SecretValue): Promise<S> {
    const result = await this.try(value);
    if (result.is !== 'accepted') throw result.why;
    return result.session;
  }

  /**
   * That this value logs in, and nothing more: the session is closed.
   * @returns whom the server takes it for
   * @throws the cause if it does not
   */
  async prove(value: SecretValue): Promise<Account> {
    const session = await this.accepted(value);
    await session.close();
    return session.account;
  }

  /** That the password is right, even if the account may not log in (a connection limit, say). @throws the cause if it is not */
  async provePassword(value: SecretValue): Promise<void> {
    const result = await this.try(value);
    if (result.is === 'accepted') await result.session.close();
    else if (result.is !== 'barred') throw result.why;
  }

  /** A session, or undefined if the password was refused. @throws the cause for anything else */
  async unlessRefused(value: SecretValue): Promise<S | undefined> {
    const result = await this.try(value);
    if (result.is === 'accepted') return result.session;
    if (result.is === 'refused') return undefined;
    throw result.why;
  }

  /**
   * A session with AWSCURRENT's password, else with the pending one, else with that of any other version, the newest first.
   * @throws {LoginRefusedError} when every known version is refused; the message says how many versions were not tried
   */
  async firstAccepted(
    current: Readable,
    readPending: () => Promise<Readable>,
    versions: OtherVersions,
  ): Promise<Found<S>> {
    const target = current.value;
    const tried: SecretValue[] = [];
    let why: RotationError | undefined;

    const attempt = async (value: SecretValue): Promise<Found<S> | undefined> => {
      if (!sameTarget(value, target) || tried.some(({ password }) => password.equals(value.password))) return undefined;
      tried.push(value);
      const result = await this.try(value);
      if (result.is === 'accepted') return { session: result.session, with: value };
      if (result.is !== 'refused') throw result.why;
      why ??= result.why;
      return undefined;
    };

    const asCurrent = await attempt(target);
    if (asCurrent) return asCurrent;
    const pending = await readPending();
    const asPending = await attempt(pending.value);
    if (asPending) return asPending;
    const known = [current.version.id, pending.version.id];
    const others = (await versions.newestFirst()).filter((id) => !known.includes(id));
    let untried = others.length;
    const closed: SecretsManagerError[] = [];
    for (const id of others) {
      if (this.#refusals >= MOST_REFUSALS) break;
      untried--;
      const value = await this.#older(versions, id, closed);
      const found = value && (await attempt(value));
      if (found) return found;
    }
    const unread = closed.length > 0 ? `, ${closed.length} that cannot be read (${closed[0]?.code})` : '';
    const andNot = untried > 0 ? `, ${untried} versions not tried lest the account be locked` : '';
    throw new LoginRefusedError(
      `${why?.message} So it is with every password in the secret's versions (${tried.length} tried${unread}${andNot}): set AWSCURRENT’s ` +
        'password in the database, or put the right one into the secret.',
      { user: target.username, host: target.endpoint.host, code: why?.code },
    );
  }

  /**
   * Whether the server accepts a password for the pending version's user that this secret knows: AWSPREVIOUS's, the pending one, or
   * that of any other version that names this user, the newest first. @throws the cause if a login proves nothing
   */
  async knows(pending: SecretValue, current: Readable, versions: OtherVersions): Promise<boolean> {
    const tried: SecretValue[] = [];
    const attempt = async (value: SecretValue): Promise<boolean> => {
      if (!sameTarget(value, pending) || tried.some(({ password }) => password.equals(value.password))) return false;
      tried.push(value);
      const result = await this.try(value);
      if (result.is === 'unknown') throw result.why;
      if (result.is === 'accepted') await result.session.close();
      return result.is !== 'refused';
    };
    const previous = await versions.labelled('AWSPREVIOUS');
    for (const value of [previous && this.#readable(previous), pending])
      if (value !== undefined && (await attempt(value))) return true;
    for (const id of await versions.newestFirst()) {
      if (this.#refusals >= MOST_REFUSALS) return false;
      const value = id === current.version.id ? undefined : await this.#older(versions, id);
      if (value !== undefined && (await attempt(value))) return true;
    }
    return false;
  }

  /** A version without a label stays under the key that it was encrypted with, which may be no more: it is no candidate. @param closed takes it then */
  async #older(
    versions: OtherVersions,
    id: string,
    closed: SecretsManagerError[] = [],
  ): Promise<SecretValue | undefined> {
    try {
      const version = await versions.byId(id);
      return version && this.#readable(version);
    } catch (error) {
      if (!(error instanceof SecretsManagerError) || error.retryHelps) throw error;
      closed.push(error);
      return undefined;
    }
  }

  /** An old version may hold anything; one that cannot be read is no candidate. */
  #readable({ id, text }: Version): SecretValue | undefined {
    try {
      return parseSecret({ text, called: id }, this.#engine);
    } catch {
      return undefined;
    }
  }
}
