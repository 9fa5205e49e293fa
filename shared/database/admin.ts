/**
 * The admin, and the admin secret.
 *
 * The *admin secret* is the secret that the rotated secret's `masterarn` names. The *admin* is the
 * database login in it.
 */

import type { Deadline } from '../core/deadline.ts';
import { InvalidSecretError, type RotationError, SecretsManagerError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import { type SecretText, withKeys } from '../core/secret-text.ts';
import type { SecretVersions, Version } from '../core/versions.ts';
import type { Engine, Session } from './engine.ts';
import {
  AdminRefusedError,
  AdminSecretError,
  EngineMismatchError,
  UnsupportedHostError,
  UserNameError,
} from './errors.ts';
import { Logins } from './logins.ts';
import { namesIn } from './pair.ts';
import type { Databases } from './rds.ts';
import { isManagedByRds, parseSecret, type Readable, type SecretValue, sameHost } from './secret-value.ts';

/**
 * RDS sets one of these tags on each secret that it manages: the ARN of the instance or the cluster.
 * https://docs.aws.amazon.com/cli/latest/reference/secretsmanager/list-secrets.html shows the first.
 * AWS's own functions ignore the case of the letters, and so does this one.
 */
const DATABASE_TAG = /^aws:rds:primaryDB(Instance|Cluster)Arn$/i;

const CLEAR_TEXT = 'The admin secret says "ssl": false: what the admin does crosses the network in clear text.';

type Given<S extends Session> = {
  engine: Engine<S>;
  /** The versions of the secret that is rotated. */
  versions: SecretVersions;
  databases: Databases;
  deadline: Deadline;
  /** The ARN of the secret that is rotated. */
  secretArn: string;
  /** AWSCURRENT of the secret that is rotated. */
  current: SecretValue;
  /** Sentences that are logged with the step. */
  warnings: Set<string>;
};

/** An admin who has passed the guards. */
export type Admin<S extends Session> = {
  /**
   * Whether the rotated secret names another host than the admin secret. That host may be a replica,
   * which learns only after a while what the admin has changed.
   */
  isAtAnotherHost: boolean;
  /**
   * Logs the admin in, at the endpoint in the admin secret: host and TLS settings of the rotated
   * secret must not receive the admin's password.
   * @returns a session, which the caller closes
   * @throws {AdminRefusedError} if the server refuses the passwords in the admin secret
   */
  login(): Promise<S>;
};

/**
 * The admin secret, with its guards.
 *
 * Without guards, whoever may edit the rotated secret could misuse the admin. An edited `host` would
 * receive the admin's password. A user in an edited `username` would get a new password, which the
 * editor could read in the secret. The guards refuse that before any connection is made. One more is
 * left to the strategies: AWSCURRENT's user has to log in first, or the deployer has allowed that the
 * admin sets passwords.
 */
export class AdminSecret<S extends Session> {
  readonly #given: Given<S>;

  constructor(given: Given<S>) {
    this.#given = given;
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
    return { isAtAnotherHost: !sameHost(read.value, current), login: () => this.#login(read, users) };
  }

  async #login(read: Readable, users: readonly string[]): Promise<S> {
    const { engine, deadline } = this.#given;
    const logins = new Logins(engine, deadline, read.value.endpoint);
    const candidates = [
      async () => read.value,
      () => this.#readAgain(read, 'AWSCURRENT', users),
      () => this.#readAgain(read, 'AWSPENDING', users),
    ];
    let refused: RotationError | undefined;
    for (const candidate of candidates) {
      const value = await candidate();
      if (value === undefined) continue;
      const result = await logins.try(value);
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
   * password works. The new version has to pass the guards, too.
   * @returns undefined if the version was tried before, or may not be used
   */
  async #readAgain(
    tried: Readable,
    label: 'AWSCURRENT' | 'AWSPENDING',
    users: readonly string[],
  ): Promise<SecretValue | undefined> {
    const version = await this.#versions.labelled(label);
    if (version === undefined || version.id === tried.version.id) return undefined;
    const value = await this.#parse(version, label).catch(undefinedIfUnfit);
    const isSameServer = value && sameHost(value, tried.value) && value.endpoint.port === tried.value.endpoint.port;
    return isSameServer && sharedName(value, users) === undefined ? value : undefined;
  }

  async #read(users: readonly string[]): Promise<Readable> {
    const { secretArn } = this.#given;
    const version = await this.#current();
    if (version.arn === secretArn)
      throw new AdminSecretError('The secret names itself in "masterarn": give the ARN of an admin’s secret.');
    const value = await this.#parse(version, 'AWSCURRENT');
    await this.#requireSameServer(value);
    const shared = sharedName(value, users);
    if (shared !== undefined)
      throw new AdminSecretError(
        `The user "${shared}" is the admin of the secret's "masterarn" itself: rotate the admin by its own secret, with another admin.`,
        { user: shared },
      );
    return { version, value };
  }

  get #versions(): SecretVersions {
    const { current, versions } = this.#given;
    if (current.masterarn === undefined)
      throw new AdminSecretError(
        'The secret has no "masterarn": this strategy needs the ARN of an admin’s secret there.',
      );
    return versions.of(current.masterarn);
  }

  async #current(): Promise<Version> {
    let version: Version | undefined;
    try {
      version = await this.#versions.labelled('AWSCURRENT');
    } catch (error) {
      if (!(error instanceof SecretsManagerError)) throw error;
      throw new SecretsManagerError(
        `${error.message} It was asked for the admin secret ("masterarn").`,
        error.retryHelps,
        error,
      );
    }
    if (version === undefined)
      throw new AdminSecretError('There is no admin secret with the ARN in "masterarn", or it has no text value.');
    return version;
  }

  /** @throws {AdminSecretError} if it is not the secret of a database account */
  async #parse({ text }: Version, called: string): Promise<SecretValue> {
    const { engine, warnings } = this.#given;
    try {
      const whole = isManagedByRds({ text, called }) ? await this.#withEndpoint({ text, called }) : text;
      const value = parseSecret({ text: whole, called }, engine);
      if (value.endpoint.tls === 'off') warnings.add(CLEAR_TEXT);
      return value;
    } catch (error) {
      if (!isOfUnfitSecret(error)) throw error;
      throw new AdminSecretError(`The admin secret of "masterarn" cannot be used. ${error.message}`);
    }
  }

  /**
   * A secret that RDS manages does not say where the server is. Its tags name the instance or
   * cluster.
   */
  async #withEndpoint(managed: SecretText): Promise<Secret> {
    const { databases, current } = this.#given;
    const { tags } = await this.#versions.describe();
    const [, arn] = [...tags].find(([tag]) => DATABASE_TAG.test(tag)) ?? [];
    if (arn === undefined)
      throw new AdminSecretError(
        'The admin secret of "masterarn" has no "host", and none of the tags aws:rds:primaryDBInstanceArn, aws:rds:primaryDBClusterArn that RDS ' +
          'sets on the secrets it manages.',
      );
    const endpoint = await databases.endpointOf(arn);
    return withKeys(managed, { engine: current.engineKey, ...endpoint });
  }

  /** Otherwise an edit of "host" or "port" could make the admin change users of another server. */
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
}

/** Whether this is an error of parseSecret. */
function isOfUnfitSecret(error: unknown): error is RotationError {
  const classes = [InvalidSecretError, EngineMismatchError, UserNameError, UnsupportedHostError];
  return classes.some((unfit) => error instanceof unfit);
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
