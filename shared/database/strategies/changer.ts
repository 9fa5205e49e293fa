/**
 * Who changes the password of a lone user, and how. This is what the strategies for one user differ
 * in.
 */

import type { Secret } from '../../core/secret.ts';
import type { Admin } from '../admin.ts';
import type { Account, Session } from '../engine.ts';
import { PasswordPolicyError } from '../errors.ts';
import type { SecretValue } from '../secret-value.ts';
import type { Check, Work } from '../work.ts';
import { onlyPolicyRefusal } from './refused-password.ts';

/** What a strategy for one user has of its own. */
export type Means<S extends Session> = {
  /** Whether the old password stays valid beside the new one. Then nothing has to be put back. */
  keepsReplaced: boolean;
  /**
   * Refuses what can be known to fail without a login.
   * @returns the admin, if the strategy has one
   */
  guard(check: Check<S>): Promise<Admin<S> | undefined>;
  /**
   * Finds a session that can change the password.
   * @returns `done before` if the pending password has logged in: an earlier attempt has set it, and
   *   this login is the proof
   */
  find(work: Work<S>): Promise<Changer<S> | 'done before'>;
  /**
   * To change the password from that of `pending` back to AWSCURRENT's.
   * @param session logged in with the password of `pending`. It is the changer's session from now on,
   *   or is closed here.
   */
  changerFrom(work: Work<S>, pending: SecretValue, session: S): Promise<Changer<S>>;
};

/** A session that can change the password of one user. */
export type Changer<S extends Session> = {
  session: S;
  /** The user whose password it changes. */
  account: Account;
  /** The version whose password the user has now. Undefined if no known password was accepted. */
  replacing: SecretValue | undefined;
  /** Whether the change is made at another host than the proof. See `Admin.isAtAnotherHost`. */
  isAtAnotherHost: boolean;
  /**
   * Changes the password. `conflict`, and nothing has changed, if the server can tell that `from` is
   * not the password now.
   */
  change(from: Secret, to: Secret): Promise<'set' | 'conflict'>;
};

/**
 * The user itself changes its password, in a session that it opened with the password of
 * `replacing`.
 */
export function itself<S extends Session>({ engine }: Work<S>, session: S, replacing: SecretValue): Changer<S> {
  const change = (from: Secret, to: Secret) => engine.changeOwnPassword(session, from, to);
  return { session, account: session.account, replacing, isAtAnotherHost: false, change };
}

/**
 * Changes the password from AWSPENDING's back to AWSCURRENT's.
 * @throws {PasswordPolicyError} if the server refuses AWSCURRENT's; the message says that AWSPENDING
 *   keeps its label, because the database still has its password
 */
export async function putBack<S extends Session>(
  by: Changer<S>,
  pending: SecretValue,
  current: SecretValue,
): Promise<'set' | 'conflict'> {
  const outcome = await by.change(pending.password, current.password).catch(onlyPolicyRefusal);
  if (!(outcome instanceof PasswordPolicyError)) return outcome;
  throw new PasswordPolicyError(
    `${outcome.message} It is AWSCURRENT's, which was to be set again in place of AWSPENDING's: AWSPENDING is left as it is.`,
    outcome,
  );
}
