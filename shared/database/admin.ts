/**
 * The admin: the database login in the admin secret, which the rotated secret's `masterarn` names.
 *
 * The guards here keep whoever may edit the rotated secret from misusing an admin:
 * - `masterarn` must lead to an admin secret that the deployer has named. Otherwise an edit could put
 *   any other secret that the function rotates in the admin's place.
 * - `host` and `port` must lead to the admin's own server. Otherwise an edit could make the admin
 *   change users of another one.
 * - `username` and the names of the pair must not be the admin's own. Otherwise the editor could read
 *   the admin's new password.
 * - The admin logs in as the admin secret says. No host and no TLS setting of the rotated secret gets
 *   to see the admin's password.
 *
 * They hold before any connection is made. One more guard is the strategies': `username` could name
 * somebody else's user. So that user logs in with AWSCURRENT's password first, or the deployer has
 * allowed that the admin sets passwords.
 */

import type { Deadline } from '../core/deadline.ts';
import type { RotationError } from '../core/errors.ts';
import { AdminVersions, type Given } from './admin-versions.ts';
import type { Session } from './engine.ts';
import { AdminRefusedError, AdminSecretError } from './errors.ts';
import { Logins } from './logins.ts';
import { namesIn } from './pair.ts';
import type { Refusals } from './refusals.ts';
import { type Readable, type SecretValue, sameHost } from './secret-value.ts';
import type { DatabaseSettings } from './settings.ts';

/** An admin who has passed the guards. */
export type Admin<S extends Session> = {
  /**
   * Whether the rotated secret names another host than the admin secret. That host may be a replica,
   * which learns only after a while what the admin has changed.
   */
  isAtAnotherHost: boolean;
  /**
   * Logs the admin in.
   * @param permission the admin's password is used only after this has resolved
   * @returns a session, which the caller closes
   * @throws {AdminRefusedError} if the server refuses the passwords in the admin secret
   * @throws what `permission` is rejected with
   */
  login(permission?: Promise<unknown>): Promise<S>;
};

type OfAdmin<S extends Session> = Given<S> & {
  deadline: Deadline;
  settings: Pick<DatabaseSettings, 'masterSecretArns'>;
  secretArn: string;
  refusals: Refusals;
};

/** The admin secret, with its guards. */
export class AdminSecret<S extends Session> {
  readonly #given: OfAdmin<S>;
  readonly #versions: AdminVersions<S>;

  /** `secretArn` is the ARN of the secret that is rotated. */
  constructor(given: OfAdmin<S>) {
    this.#given = given;
    this.#versions = new AdminVersions(given);
  }

  /**
   * Reads the admin secret, and refuses it if it may not be used for these users. Makes no connection
   * to a database.
   *
   *     const admin = await adminSecret.guarded(['app', 'app_clone']);
   *     const session = await admin.login();
   * @param users the users that the admin will change
   * @throws {AdminSecretError}
   * @throws {RdsError} if RDS had to be asked for a host, and did not answer
   */
  async guarded(users: readonly string[]): Promise<Admin<S>> {
    const { current } = this.#given;
    const read = await this.#read(users);
    return {
      isAtAnotherHost: !sameHost(read.value, current),
      login: (permission) => this.#login(read, users, permission),
    };
  }

  async #read(users: readonly string[]): Promise<Readable> {
    const { secretArn } = this.#given;
    const version = await this.#versions.current();
    if (version.arn === secretArn)
      throw new AdminSecretError('The secret names itself in "masterarn": give the ARN of an admin’s secret.');
    this.#requireNamedByDeployer(version.arn);
    const value = await this.#versions.parse(version, 'AWSCURRENT');
    await this.#requireSameServer(value);
    const shared = sharedName(value, users);
    if (shared !== undefined)
      throw new AdminSecretError(
        `The user "${shared}" is the admin of the secret's "masterarn" itself: rotate the admin by its own secret, with another admin.`,
        { user: shared },
      );
    return { version, value };
  }

  /** @param arn as Secrets Manager gives it; `masterarn` may be a name, or lack the six characters */
  #requireNamedByDeployer(arn: string): void {
    const named = this.#given.settings.masterSecretArns;
    if (named === undefined || named.includes(arn)) return;
    throw new AdminSecretError(
      `The secret's "masterarn" leads to ${arn}. The function may not use that secret as an admin's: the parameter masterSecretArn of the ` +
        `function's stack (MASTER_SECRET_ARNS) ${named.length === 0 ? 'is empty' : 'does not name it'}.`,
    );
  }

  /** The same server, or one of the same RDS cluster or chain of replicas. */
  async #requireSameServer(ofAdmin: SecretValue): Promise<void> {
    const { current, databases } = this.#given;
    const { host, port } = current.endpoint;
    const isSameHost = sameHost(ofAdmin, current);
    if (isSameHost && ofAdmin.endpoint.port === port) return;
    if (!isSameHost && (await databases.sameFamily(host, ofAdmin.endpoint.host))) return;
    throw new AdminSecretError(
      `The secret's host is ${host}:${port}, that of its admin secret ("masterarn") ${ofAdmin.endpoint.host}:${ofAdmin.endpoint.port}: they are not ` +
        'the same server, nor of the same RDS cluster or replicas, so nothing was sent to either.',
      { host },
    );
  }

  async #login(read: Readable, users: readonly string[], permission?: Promise<unknown>): Promise<S> {
    const { engine, deadline, refusals } = this.#given;
    const logins = new Logins(engine, deadline, read.value.endpoint, refusals);
    const candidates = [
      async () => read.value,
      () => this.#readAgain(read, 'AWSCURRENT', users),
      () => this.#readAgain(read, 'AWSPENDING', users),
    ];
    let refused: RotationError | undefined;
    for (const candidate of candidates) {
      const value = await candidate();
      if (value === undefined) continue;
      const result = await (permission ? logins.tryAfter(permission, value) : logins.try(value));
      if (result.is === 'accepted') return result.session;
      if (result.is !== 'refused') throw result.why;
      refused = result.why;
    }
    throw new AdminRefusedError(
      `${refused?.message} It is the admin of the secret's "masterarn": either that secret is rotating, and the next attempt succeeds, ` +
        'or its password is not the database’s.',
      { user: read.value.username, host: read.value.endpoint.host, code: refused?.code },
    );
  }

  /**
   * Reads the admin secret once more: if it was rotated since, or is being rotated now, another
   * password works. The new version has to pass the guards, too. It has to be the same secret's: a
   * name in `masterarn` may lead to another one by now.
   * @returns undefined if this is the version that was read first, or if it may not be used
   */
  async #readAgain(
    first: Readable,
    label: 'AWSCURRENT' | 'AWSPENDING',
    users: readonly string[],
  ): Promise<SecretValue | undefined> {
    const version = await this.#versions.labelled(label);
    if (version === undefined || version.id === first.version.id) return undefined;
    if (version.arn !== first.version.arn) return undefined;
    const value = await this.#versions.parse(version, label).catch(undefinedIfUnfit);
    const isSameServer = value && sameHost(value, first.value) && value.endpoint.port === first.value.endpoint.port;
    return isSameServer && sharedName(value, users) === undefined ? value : undefined;
  }
}

/** For a version that is no candidate if it cannot be used. */
function undefinedIfUnfit(error: unknown): undefined {
  if (!(error instanceof AdminSecretError)) throw error;
}

/** The one of these users who is the admin, or the other user of the admin secret's own pair. */
function sharedName(ofAdmin: SecretValue, users: readonly string[]): string | undefined {
  const names = isAlternating(ofAdmin) ? namesIn(ofAdmin) : undefined;
  return [ofAdmin.username, ...(names ? [names.base, names.twin] : [])].find((name) => users.includes(name));
}

/** Whether the admin secret itself may have two users that alternate. */
function isAlternating({ masterarn, baseusername, alternateusername }: SecretValue): boolean {
  return [masterarn, baseusername, alternateusername].some((key) => key !== undefined);
}
