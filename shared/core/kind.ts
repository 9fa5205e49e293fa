/**
 * The contract between the four steps and a kind of secret.
 *
 * The core decides about staging labels and does not know what a secret opens. A kind knows what
 * the text of a version means (`V`: a database login, for example) and makes a new value work. A
 * kind never moves a label itself. The two meet in `Rotation`: the core makes one for each step,
 * and a strategy uses it.
 *
 * An *attempt* is one pass through the steps for one ClientRequestToken. When a step fails, Secrets
 * Manager begins the next attempt at createSecret, with the same token. Two attempts may overlap.
 */

import type { Findings } from './errors.ts';
import type { Json, SecretText } from './secret-text.ts';
import type { OtherVersions, Version } from './versions.ts';

/** A version whose text has been understood. */
export type Readable<V> = { version: Version; value: V };

/**
 * Why a pending version is not the successor of AWSCURRENT, as the end of a sentence: `differs from
 * AWSCURRENT in "host"`.
 */
export type Unfit = string;

/** What is found after a change outside Secrets Manager that is no longer wanted. */
export type Overtaken<V> = {
  /** AWSCURRENT as it is now. */
  current: V;
  /** Whether the version of this rotation still has AWSPENDING. */
  isPending: boolean;
};

/** What one step works on. */
export type Rotation<V> = {
  /** The ARN of the secret, even if the event named the secret in another way. */
  readonly secretArn: string;
  /** The ClientRequestToken. It is also the id of the pending version. */
  readonly token: string;
  /** AWSCURRENT, as it was when the step began. */
  readonly current: Readable<V>;
  /**
   * Reads the pending version again, by id and label.
   * @throws {PendingMismatchError} if the version no longer has AWSPENDING, has no value, or is no
   *   longer the successor of `current`
   * @throws what `Kind.parse` throws
   */
  pending(): Promise<Readable<V>>;
  /** AWSPREVIOUS. Undefined if no version has that label, or if its text cannot be understood. */
  previous(): Promise<V | undefined>;
  /** The secret's other versions, for a search among them: for a password that still works, say. */
  readonly versions: OtherVersions;
  /**
   * Requires that this version still has AWSPENDING and that `current` still has AWSCURRENT.
   * Labels that were read within the last second are believed; `anew` reads them in any case.
   * @throws {TokenNotPendingError | PendingMismatchError | RotationDisabledError} if not
   */
  requireLabels(how?: 'anew'): Promise<void>;
  /**
   * Call this right before a change outside Secrets Manager. It checks the labels as
   * `requireLabels` does, and that enough time is left to prove the change.
   * @throws if not; nothing has changed then
   */
  readyToChange(): Promise<void>;
  /**
   * Reads whether AWSPENDING is the only label of this version, and `current` still has AWSCURRENT. If
   * so, the version was not promoted, and `current` may take its place again.
   */
  isPendingAlone(): Promise<boolean>;
  /**
   * Call this right after a change outside Secrets Manager. While the change waited for a lock, a
   * person may have moved the labels.
   * @returns undefined if the change is still wanted, or if another attempt has promoted it. If not,
   *   the change has to be undone if a version with a label no longer works because of it.
   */
  overtaken(): Promise<Overtaken<V> | undefined>;
  /**
   * Takes AWSPENDING off this version. That ends the rotation: the next RotateSecret makes a new
   * version. Call this only after AWSCURRENT has been seen to work without this version.
   */
  release(): Promise<void>;
};

/**
 * What the pending version says where it differs from AWSCURRENT. All other keys are copied.
 * `{ keys: { password: '…' } }` is a successor that changes the password only.
 */
export type Successor = {
  keys: Json;
  /**
   * Undoes what was made outside Secrets Manager for this value. The core calls it if this value is
   * not stored, because another attempt has stored one first, or because AWSPENDING has moved.
   */
  unused?: () => Promise<void>;
};

/**
 * How much of a proof was seen. `in part`: a pending version may not be allowed to look at its own
 * rights, for example.
 */
export type Seen = 'all' | 'in part';

/** How a pending version is made, put to work, and given up. */
export interface Strategy<V> {
  /** As users write it in the tag and the setting, and as it stands in the log: `single-user`. */
  readonly name: string;
  /**
   * Makes the value of the pending version. createSecret calls this once, before anything is
   * stored. It refuses what would fail later, as far as that can be known without a change.
   *
   * This attempt may die before the value is stored. So if the strategy makes something outside
   * Secrets Manager here (an API key, say), the next attempt must be able to find it.
   */
  successor(rotation: Rotation<V>): Promise<Successor>;
  /**
   * For a testSecret that was called alone, when the pending version has no value. Finds what would
   * keep `successor` and `set` from succeeding, as far as that can be seen. Nothing that it does lasts.
   * @param findings takes every failure, in the order in which a rotation would meet them. What is
   *   thrown becomes one more.
   */
  rehearse(rotation: Rotation<V>, findings: Findings): Promise<void>;
  /**
   * Why `pending` is not the successor of `current`; undefined if it is.
   *
   * It is always undefined for a pending version that `successor` made from this very `current`. If
   * a person then edits "port" in AWSCURRENT, the same pending version no longer fits.
   */
  fits(current: V, pending: V): Unfit | undefined;
  /**
   * Makes the pending version work. Returns only when it works as AWSCURRENT does. An earlier
   * attempt may have done a part of this, and another attempt may run at the same time.
   */
  set(rotation: Rotation<V>): Promise<void>;
  /**
   * Repeats the proof that ended `set`, as far as the pending value alone can show it. Changes
   * nothing.
   * @param at the version that says where to log in: the pending version itself in testSecret,
   *   AWSCURRENT in finishSecret, as it may have been edited
   * @param current reads AWSCURRENT, for a strategy that needs it
   * @returns whether that was all of the proof
   */
  test(pending: V, at: V, current: () => Promise<V>): Promise<Seen>;
  /**
   * Proves what `test` could not see. Changes nothing. finishSecret calls it if this process has not
   * seen `set` return.
   */
  testRest?(rotation: Rotation<V>): Promise<void>;
  /**
   * Gives up a pending version that no longer fits. First makes sure that AWSCURRENT works without
   * that version; then calls `rotation.release`, while no other attempt can change the fact.
   *
   * Example: an attempt set the pending password in the database and died, and then a person edited
   * "dbname" in AWSCURRENT. `withdraw` logs in with the pending password, sets AWSCURRENT's
   * password again, proves it by a login, and releases the pending version before it lets go of the
   * lock.
   * @param pending undefined if the text of the version cannot be understood
   * @throws if AWSCURRENT cannot be made to work; the pending version keeps its label then
   */
  withdraw(rotation: Rotation<V>, pending: V | undefined): Promise<void>;
}

/** A kind of secret. One object serves one step. */
export interface Kind<V> {
  /**
   * Reads the text of a version.
   * @throws {InvalidSecretError} or an error of the kind's own, which says what to correct in the
   *   secret
   */
  parse(text: SecretText): V;
  /**
   * The strategy for this secret: the one that its tag names, or else the function's default.
   * @param tagged the value of the secret's tag `rotation-strategy`
   * @throws {UnknownStrategyError} if this secret has no strategy of that name
   */
  choose(current: V, tagged: string | undefined): Strategy<V>;
  /**
   * The strategy with which testSecret proves this pending version. The value alone decides:
   * testSecret asks neither a tag nor a setting, which may have changed since setSecret.
   */
  proving(pending: V): Strategy<V>;
  /** The strategy by which this pending version follows AWSCURRENT. The two values alone decide. */
  following(current: V, pending: V): Strategy<V>;
  /**
   * The strategy that gives up this pending version. It is not `chosen` if another strategy made
   * the pending version, and `chosen` was chosen after that.
   */
  withdrawing(chosen: Strategy<V>, current: V, pending: V): Strategy<V>;
  /** Called before anything is stored: refuses what can be known to fail later without a login. */
  precheck(current: V): Promise<void>;
}
