/** What the strategies are given: the database of one secret, and a rotation of one of its accounts. */

import type { Deadline } from '../core/deadline.ts';
import { type Findings, ownError } from '../core/errors.ts';
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

/** What makes work a rehearsal: where its findings go, and the value that the pending version would have. */
export type Rehearsal = { findings: Findings; pending: SecretValue };

/** A rotation of a database account, with all that a strategy works with. */
export type Work<S extends Session> = Omit<Rotation<SecretValue>, 'readyToChange'> &
  Prover<S> & {
    /** Whether nothing of it may last: see `Engine.rehearse`. `release` is not called then. */
    readonly isRehearsal: boolean;
    /**
     * Runs a check. A rotation ends at the first that fails. A rehearsal notes the failure and goes on.
     * @returns what the check returns; undefined if it fails in a rehearsal
     */
    mustHold<T>(check: () => T | Promise<T>): Promise<T | undefined>;
    /**
     * Call this right before a change, inside `exclusively`: every strategy does. Nothing is changed
     * that could not be proven afterwards.
     * @param account whose password is about to be set
     * @param outlook what `lookAhead` has found for this account
     * @returns whether the server has a connection left for the proof. If not, close the session first.
     * @throws {ReadOnlyServerError | LoginBarredError | ForeignUserError} and what `Rotation.readyToChange` throws
     */
    readyToChange(account: Account, outlook: Outlook): Promise<{ hasRoom: boolean }>;
    /**
     * Asks the server what `readyToChange` has to know. Call it inside `exclusively`.
     * @param session makes the change
     * @throws as `Engine.outlook`
     */
    lookAhead(session: S, account: Account): Promise<Outlook>;
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
  work(rotation: Rotation<SecretValue>, rehearsal?: Rehearsal): Work<S> {
    const { engine, versions, databases, deadline, settings, refusals, warnings } = this.#tools;
    const isRehearsal = rehearsal !== undefined;
    const mustHold = isRehearsal ? noting(rehearsal.findings) : ending;
    const { secretArn } = rotation;
    const current = rotation.current.value;
    const ofAdmin = { engine, versions, databases, deadline, settings, secretArn, current, refusals, warnings };
    return {
      ...rotation,
      ...(isRehearsal && { pending: async () => ({ version: rotation.current.version, value: rehearsal.pending }) }),
      isRehearsal,
      mustHold,
      engine,
      logins: new Logins(engine, deadline, current.endpoint, refusals, { isRehearsal }),
      adminSecret: new AdminSecret(ofAdmin),
      lookAhead: (session, account) => engine.outlook(session, account, current.endpoint),
      async readyToChange(account, outlook) {
        await mustHold(() => requireWriter(outlook, account, current.endpoint));
        await mustHold(() => requireProvable(outlook, account, current.endpoint));
        await mustHold(() => requireNoOtherSecret(outlook, secretArn, account, current.endpoint));
        // The labels are asked for last: they are the one thing that a person may change at any time.
        await mustHold(() => rotation.readyToChange());
        return { hasRoom: outlook.hasRoom };
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
    return { engine, logins: new Logins(engine, deadline, at.endpoint, refusals), secretArn: secretId };
  }

  /** Logs this sentence with the step. */
  warn(sentence: string): void {
    this.#tools.warnings.add(sentence);
  }

  /** @throws {PasswordRulesError | ConfigurationError} */
  newPassword(): Secret {
    return newPassword(this.#tools.settings.passwords, this.engine.password);
  }
}

/** How a rotation makes its checks. */
async function ending<T>(check: () => T | Promise<T>): Promise<T> {
  return check();
}

/**
 * How a rehearsal makes its checks. A failure of the connection ends it, too: every check that follows
 * would meet the same.
 */
function noting(findings: Findings) {
  return async <T>(check: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await check();
    } catch (error) {
      const failure = ownError(error);
      if (failure.layer === 'TCP' || failure.layer === 'deadline') throw failure;
      findings.add(failure);
      return undefined;
    }
  };
}

/** @throws {ForeignUserError} if another secret rotates this account together with a second one */
function requireNoOtherSecret(
  { owners = [] }: Outlook,
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

/** @throws {ReadOnlyServerError} if nothing may be written at this server */
function requireWriter({ readOnly }: Outlook, { username }: Account, { host }: Endpoint): void {
  if (readOnly === undefined) return;
  throw new ReadOnlyServerError(
    `The server at ${host} ${readOnly}. No password was set: give the writer's endpoint in the secret.`,
    { user: username, host },
  );
}

/** @throws {LoginBarredError} if the server tells that no login could prove the change */
function requireProvable({ unprovable }: Outlook, { username }: Account, { host }: Endpoint): void {
  if (unprovable === undefined) return;
  throw new LoginBarredError(
    `The user "${username}" at ${host} ${unprovable}. No login from here could prove a new password, so none was set.`,
    { user: username, host },
  );
}
