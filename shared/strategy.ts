import type { AdminSecret } from './admin.ts';
import type { Engine, Session } from './engine.ts';
import type { Logins } from './login.ts';
import type { SecretValue } from './secret-value.ts';
import type { SecretVersions, Version } from './versions.ts';

/** A version whose value has been read and understood. */
export type Readable = { version: Version; value: SecretValue };

/** What one step works on. */
export type Rotation<S extends Session> = {
  engine: Engine<S>;
  versions: SecretVersions;
  logins: Logins<S>;
  admin: AdminSecret<S>;
  /** The deployer lets an admin set a password without knowing the present one. */
  adminMaySetPasswords: boolean;
  /** Of the secret: what a twin is marked with. */
  secretArn: string;
  token: string;
  current: Readable;
  /**
   * The pending version, read anew by id and label, which proves that it still is pending.
   * @throws if it is not, or does not fit
   */
  pending(): Promise<Readable>;
  /** The labels still say what a change rests on. @throws if not */
  requireLabels(): Promise<void>;
  /**
   * To be called right before a change to the database: the labels still say what the change rests on, and time is left
   * to prove it.
   * @throws if not; nothing has changed then
   */
  readyToChange(): Promise<void>;
};

/** What a check needs that changes nothing and stores nothing. */
export type Check<S extends Session> = Pick<Rotation<S>, 'engine' | 'admin' | 'adminMaySetPasswords' | 'current'>;

/** What a proof needs that changes nothing. */
export type Proof<S extends Session> = Pick<Rotation<S>, 'engine' | 'logins' | 'secretArn'>;

/** Which keys of the successor differ from AWSCURRENT's, beside the password. */
export type Changed = Readonly<Record<string, unknown>>;

/** Why a pending version is not the successor of AWSCURRENT, as the end of a sentence. */
export type Unfit = string;

/** How a pending version becomes true in the database. */
export interface Strategy {
  /**
   * Refuses what would fail later, as far as it can be known without a login: before anything is stored.
   * @param previous reads AWSPREVIOUS, for a strategy that has to know it
   * @returns how the successor differs
   */
  next<S extends Session>(check: Check<S>, previous: () => Promise<SecretValue | undefined>): Promise<Changed>;
  /** What `set` will need beside AWSCURRENT's login works. Changes nothing. */
  rehearse<S extends Session>(check: Check<S>, previous: () => Promise<SecretValue | undefined>): Promise<void>;
  /** Undefined for every pending version made from `next` of this very AWSCURRENT. */
  fits(current: SecretValue, pending: SecretValue): Unfit | undefined;
  /** Returns only when the pending version has logged in and holds the rights of its predecessor. */
  set<S extends Session>(rotation: Rotation<S>): Promise<void>;
  /** Repeats that proof, as far as the pending version can see it itself; changes nothing. */
  test<S extends Session>(proof: Proof<S>, pending: SecretValue): Promise<void>;
  /**
   * A pending version that no longer fits is to lose its label: makes sure that AWSCURRENT works without it, and calls `release`
   * while nothing can change that. `pending` is undefined where it cannot be read.
   * @throws if AWSCURRENT cannot be made to work; the label stays then
   */
  withdraw<S extends Session>(
    rotation: Rotation<S>,
    pending: SecretValue | undefined,
    release: () => Promise<void>,
  ): Promise<void>;
}
