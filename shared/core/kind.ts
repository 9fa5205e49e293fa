import type { Json, SecretText } from './secret-text.ts';
import type { OtherVersions, Version } from './versions.ts';

/**
 * What a kind of secret has to say, so that the four steps can rotate it.
 *
 * The core keeps the labels and knows nothing of what a secret opens. A kind knows what a version's text means (`V`) and how a new
 * value becomes true; it never moves a label. Both speak through `Rotation`: the core makes it, a strategy uses it.
 */

/** A version whose text has been understood. */
export type Readable<V> = { version: Version; value: V };

/** Why a pending version is not the successor of AWSCURRENT, as the end of a sentence: `differs from AWSCURRENT in "host"`. */
export type Unfit = string;

/** What one step works on. */
export type Rotation<V> = {
  /** The secret's, whatever the event called it by. */
  readonly secretArn: string;
  /** The ClientRequestToken, which is the id of the pending version. */
  readonly token: string;
  /** AWSCURRENT, as it was at the start of the step. */
  readonly current: Readable<V>;
  /**
   * The pending version, read anew by id and label.
   * @throws {PendingMismatchError} if it bears AWSPENDING no more, or is not the successor of `current`
   */
  pending(): Promise<Readable<V>>;
  /** AWSPREVIOUS. Undefined if there is none, or none that can be understood. */
  previous(): Promise<V | undefined>;
  /** For a search among the versions that nobody uses any more. */
  readonly versions: OtherVersions;
  /**
   * This version still bears AWSPENDING, and `current` AWSCURRENT. Labels that were read within the last second are believed,
   * unless they are asked for `anew`.
   * @throws {TokenNotPendingError | PendingMismatchError | RotationDisabledError} if not
   */
  requireLabels(how?: 'anew'): Promise<void>;
  /**
   * Call it right before a change outside Secrets Manager. It checks the labels as `requireLabels` does, and that there is time left to
   * prove the change.
   * @throws if not. Nothing has changed then.
   */
  readyToChange(): Promise<void>;
  /** Whether AWSPENDING is the only label of this version now: it is not promoted, so its value may still be taken back. */
  isPendingAlone(): Promise<boolean>;
  /**
   * Call it right after a change outside Secrets Manager: a person may have taken the label off while the change waited for a lock.
   * @returns undefined if the change is still wanted, which it also is if another attempt has promoted it. Else AWSCURRENT as it is now,
   * and whether AWSPENDING still stands: the change has to be undone where it takes something from what is labelled.
   */
  overtaken(): Promise<{ current: V; isPending: boolean } | undefined>;
  /**
   * Takes AWSPENDING off this version, which ends the rotation: the next RotateSecret makes a new version. Call it only after AWSCURRENT has
   * been seen to work without this version.
   */
  release(): Promise<void>;
};

/** What the pending version will say where it differs from AWSCURRENT. All other keys are copied. */
export type Successor = {
  keys: Json;
  /** Undoes what was made outside Secrets Manager for this value. The core calls it if the value is not stored. */
  unused?: () => Promise<void>;
};

/** How much of a proof was seen. `in part`: the pending version may not look at its own rights, for instance. */
export type Seen = 'all' | 'in part';

/** How a pending version is made, becomes true, and is given up. */
export interface Strategy<V> {
  /** As users write it in the tag, the setting and the log: `single-user`. */
  readonly name: string;
  /**
   * Called once, before anything is stored. It refuses what would fail later, as far as that can be known without a change.
   * What it makes outside Secrets Manager must be found again by the next attempt: this one may die before its answer is stored.
   */
  successor(rotation: Rotation<V>): Promise<Successor>;
  /** testSecret called alone: AWSCURRENT works, and so does all that `set` needs. Changes nothing. */
  rehearse(rotation: Rotation<V>): Promise<void>;
  /** Undefined for every pending version that was made by `successor` from this very AWSCURRENT. */
  fits(current: V, pending: V): Unfit | undefined;
  /** Returns only when the pending version works as AWSCURRENT does. It may be the second attempt, and another may run beside it. */
  set(rotation: Rotation<V>): Promise<void>;
  /**
   * Repeats the proof that ended `set`, as far as the pending version can see it alone. Changes nothing.
   * @param at the version that says where: AWSCURRENT, if it was edited since the pending version was made
   * @param current reads AWSCURRENT, for a strategy that has to ask it
   * @returns whether that was all of the proof
   */
  test(pending: V, at: V, current: () => Promise<V>): Promise<Seen>;
  /** Proves what `test` did not see. Changes nothing. For a finishSecret that cannot know that `set` was done. */
  testRest?(rotation: Rotation<V>): Promise<void>;
  /**
   * Gives up a pending version that no longer fits: makes sure that AWSCURRENT works without it, then calls `rotation.release` while nothing
   * can change that. `pending` is undefined if it cannot be understood.
   * @throws if AWSCURRENT cannot be made to work; the label stays then
   */
  withdraw(rotation: Rotation<V>, pending: V | undefined): Promise<void>;
}

/** A kind of secret. One object serves one step. */
export interface Kind<V> {
  /** @throws {InvalidSecretError} or an error of the kind's own, with what a person has to mend in the secret */
  parse(text: SecretText): V;
  /**
   * The strategy for this secret: that of its tag, else that of the function's setting.
   * @param tagged the value of the secret's tag `rotation-strategy`
   * @throws {UnknownStrategyError} if there is none of that name for this secret
   */
  choose(current: V, tagged: string | undefined): Strategy<V>;
  /** The strategy by which testSecret proves this pending version, from its value alone. */
  proving(pending: V): Strategy<V>;
  /** The strategy by which this pending version follows AWSCURRENT, from their values alone. */
  following(current: V, pending: V): Strategy<V>;
  /** The strategy that gives up this pending version. It may be another than `chosen`, if that was chosen since. */
  withdrawing(chosen: Strategy<V>, current: V, pending: V): Strategy<V>;
  /** What can be known to fail later without a login, before anything is stored. */
  precheck(current: V): Promise<void>;
}
