/** What the strategies are given: the database of one secret, and a rotation of one of its accounts. */

import type { Deadline } from '../core/deadline.ts';
import type { Rotation } from '../core/kind.ts';
import type { Secret } from '../core/secret.ts';
import type { SecretVersions } from '../core/versions.ts';
import { AdminSecret } from './admin.ts';
import type { Account, Endpoint, Engine, Outlook, Pair, Session, Twins } from './engine.ts';
import { ForeignUserError, LoginBarredError, ReadOnlyServerError } from './errors.ts';
import { Logins } from './logins.ts';
import { newPassword } from './password.ts';
import type { Databases } from './rds.ts';
import type { Refusals } from './refusals.ts';
import type { SecretValue } from './secret-value.ts';
import type { DatabaseSettings } from './settings.ts';

/** What one step needs, beside the rotation, to rotate a database account. */
export type Tools<S extends Session> = {
  engine: Engine<S>;
  versions: SecretVersions;
  databases: Databases;
  deadline: Deadline;
  settings: Pick<DatabaseSettings, 'defaultStrategy' | 'passwords' | 'adminMaySetPasswords' | 'masterSecretArns'>;
  /** Of all invocations in this process. */
  refusals: Refusals;
  /** The event's name for the secret, which is its ARN. */
  secretId: string;
  /** Sentences that are logged with the step. */
  warnings: Set<string>;
};

/** Enough to prove that a version works, and too little to change anything. */
export type Prover<S extends Session> = {
  engine: Engine<S>;
  logins: Logins<S>;
  /** The ARN of the secret, as in the mark of its twin. */
  secretArn: string;
};

/** A rotation of a database account, with all that a strategy works with. */
export type Work<S extends Session> = Omit<Rotation<SecretValue>, 'readyToChange'> &
  Prover<S> & {
    /**
     * Call this right before a change, inside `exclusively`: every strategy does. Nothing is changed
     * that could not be proven afterwards.
     * @param session makes the change
     * @param account whose password is about to be set
     * @returns whether the server has a connection left for the proof. If not, close the session first.
     * @throws {ReadOnlyServerError | LoginBarredError | ForeignUserError} and what `Rotation.readyToChange` throws
     */
    readyToChange(session: S, account: Account): Promise<{ hasRoom: boolean }>;
    adminSecret: AdminSecret<S>;
    /** Whether the deployer lets an admin set a password without knowing the old one. */
    readonly adminMaySetPasswords: boolean;
  };

/** The part of the work that checks need. It can change nothing and store nothing. */
export type Check<S extends Session> = Pick<
  Work<S>,
  'engine' | 'adminSecret' | 'adminMaySetPasswords' | 'current' | 'previous'
>;

/** The work on the two users that alternate, inside the lock for the base. `session` is the admin's. */
export type PairWork<S extends Session> = { work: Work<S>; twins: Twins<S>; session: S; pair: Pair };

/** The database of one secret, for one step. */
export class Database<S extends Session> {
  readonly #tools: Tools<S>;

  constructor(tools: Tools<S>) {
    this.#tools = tools;
  }

  get engine(): Engine<S> {
    return this.#tools.engine;
  }

  /** Its logins go to AWSCURRENT's endpoint. */
  work(rotation: Rotation<SecretValue>): Work<S> {
    const { engine, versions, databases, deadline, settings, refusals, warnings } = this.#tools;
    const { secretArn } = rotation;
    const current = rotation.current.value;
    const ofAdmin = { engine, versions, databases, deadline, settings, secretArn, current, refusals, warnings };
    return {
      ...rotation,
      engine,
      logins: new Logins(engine, deadline, current, refusals),
      adminSecret: new AdminSecret(ofAdmin),
      async readyToChange(session, account) {
        const { hasRoom, owners } = await requireProvable(engine, session, account, current.endpoint);
        requireNoOtherSecret(owners, secretArn, account, current.endpoint);
        // The labels are asked for last: they are the one thing that a person may change at any time.
        await rotation.readyToChange();
        return { hasRoom };
      },
      // A getter: a setting that cannot be used must stop only the strategies that read it.
      get adminMaySetPasswords() {
        return settings.adminMaySetPasswords;
      },
    };
  }

  /** @param at the version to whose endpoint the logins go */
  proverAt(at: SecretValue): Prover<S> {
    const { engine, deadline, refusals, secretId } = this.#tools;
    return { engine, logins: new Logins(engine, deadline, at, refusals), secretArn: secretId };
  }

  /** @throws {PasswordRulesError | ConfigurationError} */
  newPassword(): Secret {
    return newPassword(this.#tools.settings.passwords, this.engine.password);
  }
}

/** @throws {ForeignUserError} if another secret rotates this account together with a second one */
function requireNoOtherSecret(
  owners: readonly string[] = [],
  secretArn: string,
  { username }: Account,
  { host }: Endpoint,
): void {
  const other = owners.find((owner) => owner !== secretArn);
  if (other === undefined) return;
  throw new ForeignUserError(
    `The user "${username}" at ${host} is one of two that the secret ${other} rotates in turn, as a mark in the database says; two secrets cannot ` +
      'rotate one user. Nothing was changed: give the applications of this secret that secret, or a user of their own.',
    { user: username, host },
  );
}

/** @throws {ReadOnlyServerError | LoginBarredError} if the server tells that no login could prove the change */
async function requireProvable<S extends Session>(
  engine: Engine<S>,
  session: S,
  account: Account,
  to: Endpoint,
): Promise<Outlook> {
  const outlook = await engine.outlook(session, account, to);
  const details = { user: account.username, host: to.host };
  if (outlook.readOnly !== undefined)
    throw new ReadOnlyServerError(
      `The server at ${to.host} ${outlook.readOnly}. No password was set: give the writer's endpoint in the secret.`,
      details,
    );
  if (outlook.unprovable !== undefined)
    throw new LoginBarredError(
      `The user "${account.username}" at ${to.host} ${outlook.unprovable}. No login from here could prove a new password, so none was set.`,
      details,
    );
  return outlook;
}
