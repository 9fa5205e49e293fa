import type { Deadline } from '../core/deadline.ts';
import type { Rotation } from '../core/kind.ts';
import type { Secret } from '../core/secret.ts';
import type { SecretVersions } from '../core/versions.ts';
import { AdminSecret } from './admin.ts';
import type { Engine, Session } from './engine.ts';
import { Logins } from './logins.ts';
import { newPassword } from './password.ts';
import type { Databases } from './rds.ts';
import type { SecretValue } from './secret-value.ts';
import type { DatabaseSettings } from './settings.ts';

/** What there is beside the rotation to rotate a database account with. One object serves one step. */
export type Tools<S extends Session> = {
  engine: Engine<S>;
  versions: SecretVersions;
  databases: Databases;
  deadline: Deadline;
  settings: Pick<DatabaseSettings, 'defaultStrategy' | 'passwords' | 'adminMaySetPasswords'>;
  /** As the event calls the secret, which is by its ARN. */
  secretId: string;
  /** To be logged. */
  warnings: Set<string>;
};

/** What a proof needs. It changes nothing. */
export type Proof<S extends Session> = {
  engine: Engine<S>;
  logins: Logins<S>;
  /** Of the secret: what a twin is marked with. */
  secretArn: string;
};

/** A rotation of a database account. */
export type Work<S extends Session> = Rotation<SecretValue> &
  Proof<S> & {
    admin: AdminSecret<S>;
    /** The deployer lets an admin set a password without knowing the present one. */
    readonly adminMaySetPasswords: boolean;
  };

/** What a check needs. It changes nothing and stores nothing. */
export type Check<S extends Session> = Pick<
  Work<S>,
  'engine' | 'admin' | 'adminMaySetPasswords' | 'current' | 'previous'
>;

/** The database of one secret, for one step: what strategies are made for. */
export class Database<S extends Session> {
  readonly #tools: Tools<S>;

  constructor(tools: Tools<S>) {
    this.#tools = tools;
  }

  get engine(): Engine<S> {
    return this.#tools.engine;
  }

  /** The logins of the work go to AWSCURRENT's endpoint. */
  work(rotation: Rotation<SecretValue>): Work<S> {
    const { engine, versions, databases, deadline, settings, warnings } = this.#tools;
    const { secretArn } = rotation;
    const current = rotation.current.value;
    return {
      ...rotation,
      engine,
      logins: new Logins(engine, deadline, current.endpoint),
      admin: new AdminSecret({ engine, versions, databases, deadline, secretArn, current, warnings }),
      // Read by who needs it alone: a setting that cannot be used stops nothing else.
      get adminMaySetPasswords() {
        return settings.adminMaySetPasswords;
      },
    };
  }

  /** @param at the version at whose endpoint to log in */
  proof(at: SecretValue): Proof<S> {
    const { engine, deadline, secretId } = this.#tools;
    return { engine, logins: new Logins(engine, deadline, at.endpoint), secretArn: secretId };
  }

  /** @throws {PasswordRulesError | ConfigurationError} */
  newPassword(): Secret {
    return newPassword(this.#tools.settings.passwords, this.engine.password);
  }
}
