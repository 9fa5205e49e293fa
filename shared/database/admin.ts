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
import type { Readable } from './secret-value.ts';
import { isManagedByRds, parseSecret, type SecretValue, sameHost } from './secret-value.ts';

/**
 * Set by RDS on the secrets that it manages; the example of https://docs.aws.amazon.com/cli/latest/reference/secretsmanager/list-secrets.html has the
 * first. AWS's own functions look for them whatever the case, and so does this one.
 */
const DATABASE_TAG = /^aws:rds:primaryDB(Instance|Cluster)Arn$/i;

const CLEAR_TEXT = 'The admin secret says "ssl": false: what the admin does crosses the network in clear text.';

type Given<S extends Session> = {
  engine: Engine<S>;
  /** Of the secret that is rotated. */
  versions: SecretVersions;
  databases: Databases;
  deadline: Deadline;
  secretArn: string;
  current: SecretValue;
  /** To be logged. */
  warnings: Set<string>;
};

/** An admin that may be used. */
export type Admin<S extends Session> = {
  /** Its host is another name than the rotated secret's: that may be a replica, which lags. */
  isElsewhere: boolean;
  /**
   * At the admin secret's own endpoint: what the rotated secret says of host and TLS is not for the admin's password.
   * @throws {AdminRefusedError} if the server refuses its passwords
   */
  login(): Promise<S>;
};

/**
 * The secret that `masterarn` names: whom to log in as where a user cannot change itself. It comes with the guards that keep
 * whoever may edit the rotated secret from using the admin's rights for more than that secret's users, and all but one of them hold before any
 * connection is made.
 */
export class AdminSecret<S extends Session> {
  readonly #given: Given<S>;

  constructor(given: Given<S>) {
    this.#given = given;
  }

  /**
   * Reads the admin secret and refuses one that may not be used for these users. Makes no connection to the database.
   * @param users about to get a password from the admin, or to be its twin
   * @throws {AdminSecretError}
   */
  async guarded(users: readonly string[]): Promise<Admin<S>> {
    const { current } = this.#given;
    const read = await this.#read(users);
    return { isElsewhere: !sameHost(read.value, current), login: () => this.#login(read, users) };
  }

  async #login(read: Readable, users: readonly string[]): Promise<S> {
    const { engine, deadline } = this.#given;
    const logins = new Logins(engine, deadline, read.value.endpoint);
    const candidates = [
      async () => read.value,
      () => this.#again(read, 'AWSCURRENT', users),
      () => this.#again(read, 'AWSPENDING', users),
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

  /** Rotated since it was read, or about to be: then another password works. Undefined if it says what was tried. */
  async #again(
    tried: Readable,
    label: 'AWSCURRENT' | 'AWSPENDING',
    users: readonly string[],
  ): Promise<SecretValue | undefined> {
    const version = await this.#versions.labelled(label);
    if (version === undefined || version.id === tried.version.id) return undefined;
    const value = await this.#parse(version, label).catch(unlessUnfit);
    const isSameServer = value && sameHost(value, tried.value) && value.endpoint.port === tried.value.endpoint.port;
    return isSameServer && sharedName(value, users) === undefined ? value : undefined;
  }

  async #read(users: readonly string[]): Promise<Readable> {
    const { secretArn } = this.#given;
    const version = await this.#current();
    if (version.arn === secretArn)
      throw new AdminSecretError('The secret names itself in "masterarn": give the ARN of an admin’s secret.');
    const value = await this.#parse(version, 'AWSCURRENT');
    await this.#requireSameHost(value);
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

  /** A secret that RDS manages says nothing of the server: its tags name the instance or cluster. */
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

  /** An edited "host" must not make the admin change users of another server, nor one of another port. */
  async #requireSameHost(admin: SecretValue): Promise<void> {
    const { current, databases } = this.#given;
    const { host, port } = current.endpoint;
    if (sameHost(admin, current) && admin.endpoint.port === port) return;
    if (!sameHost(admin, current) && (await databases.sameFamily(host, admin.endpoint.host))) return;
    throw new AdminSecretError(
      `The secret's host is ${host}:${port}, that of its admin secret ("masterarn") ${admin.endpoint.host}:${admin.endpoint.port}: they are not ` +
        'the same server, nor of the same RDS cluster or replicas, so nothing was sent to either.',
      { host },
    );
  }
}

/** What parseSecret throws. */
function isOfUnfitSecret(error: unknown): error is RotationError {
  const classes = [InvalidSecretError, EngineMismatchError, UserNameError, UnsupportedHostError];
  return classes.some((unfit) => error instanceof unfit);
}

/** A version that cannot be used is no candidate. */
function unlessUnfit(error: unknown): undefined {
  if (!(error instanceof AdminSecretError)) throw error;
}

/** A user of the rotated secret that is the admin too, or the other of the admin's own pair. */
function sharedName(admin: SecretValue, users: readonly string[]): string | undefined {
  const names = isAlternating(admin) ? namesIn(admin) : undefined;
  return [admin.username, ...(names ? [names.base, names.twin] : [])].find((name) => users.includes(name));
}

/** Whether the admin secret itself has two users. */
function isAlternating({ masterarn, baseusername, alternateusername }: SecretValue): boolean {
  return [masterarn, baseusername, alternateusername].some((key) => key !== undefined);
}
