/** How the admin secret is read: the secret that the rotated secret's `masterarn` names. */

import { InvalidSecretError, type RotationError, SecretsManagerError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import { type SecretText, withKeys } from '../core/secret-text.ts';
import type { SecretVersions, Version } from '../core/versions.ts';
import type { Engine, Session } from './engine.ts';
import { AdminSecretError, EngineMismatchError, UnsupportedHostError, UserNameError } from './errors.ts';
import type { Databases } from './rds.ts';
import { isManagedByRds, parseSecret, type SecretValue } from './secret-value.ts';

/**
 * RDS sets one of these tags on each secret that it manages: the ARN of the instance or the cluster.
 * https://docs.aws.amazon.com/cli/latest/reference/secretsmanager/list-secrets.html shows the first.
 * AWS's own functions ignore the case of the letters, and so does this one.
 */
const DATABASE_TAG = /^aws:rds:primaryDB(Instance|Cluster)Arn$/i;

const CLEAR_TEXT = 'The admin secret says "ssl": false: what the admin does crosses the network in clear text.';

export type Given<S extends Session> = {
  engine: Engine<S>;
  /** The versions of the secret that is rotated. */
  versions: SecretVersions;
  databases: Databases;
  /** AWSCURRENT of the secret that is rotated. */
  current: SecretValue;
  /** Sentences that are logged with the step. */
  warnings: Set<string>;
};

/** The versions of the admin secret, and what they say. */
export class AdminVersions<S extends Session> {
  readonly #given: Given<S>;

  constructor(given: Given<S>) {
    this.#given = given;
  }

  /**
   * AWSCURRENT of the admin secret.
   * @throws {AdminSecretError} if there is none
   */
  async current(): Promise<Version> {
    let version: Version | undefined;
    try {
      version = await this.labelled('AWSCURRENT');
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

  /** Undefined if no version has this label. */
  async labelled(label: 'AWSCURRENT' | 'AWSPENDING'): Promise<Version | undefined> {
    return this.#versions.labelled(label);
  }

  /** @throws {AdminSecretError} if it is not the secret of a database account */
  async parse({ text }: Version, called: string): Promise<SecretValue> {
    const { engine, warnings } = this.#given;
    try {
      const whole = isManagedByRds({ text, called }) ? await this.#withEndpoint({ text, called }) : text;
      const value = parseSecret({ text: whole, called }, engine);
      if (value.endpoint.tls === 'off') warnings.add(CLEAR_TEXT);
      return value;
    } catch (error) {
      if (!isUnfit(error)) throw error;
      throw new AdminSecretError(`The admin secret of "masterarn" cannot be used. ${error.message}`);
    }
  }

  get #versions(): SecretVersions {
    const { current, versions } = this.#given;
    if (current.masterarn === undefined)
      throw new AdminSecretError(
        'The secret has no "masterarn": this strategy needs the ARN of an admin’s secret there.',
      );
    return versions.of(current.masterarn);
  }

  /**
   * A secret that RDS manages does not say where the server is. Its tags name the instance or cluster.
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
}

/** Whether this is an error of `parseSecret`. */
function isUnfit(error: unknown): error is RotationError {
  const classes = [InvalidSecretError, EngineMismatchError, UserNameError, UnsupportedHostError];
  return classes.some((unfit) => error instanceof unfit);
}
