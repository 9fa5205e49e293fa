/** What happens when the server refuses the pending password itself, by its password policy. */

import type { RotationError } from '../../core/errors.ts';
import type { Session } from '../engine.ts';
import { LoginRefusedError, PasswordPolicyError } from '../errors.ts';
import type { Work } from '../work.ts';

/** For `catch`: returns a refusal by the password policy, throws any other error. */
export function onlyPolicyRefusal(error: unknown): PasswordPolicyError {
  if (error instanceof PasswordPolicyError) return error;
  throw error;
}

/**
 * Takes AWSPENDING off this version: every retry would be refused, too. Call it only after a login
 * with the pending password was refused. Otherwise an earlier attempt may have set that password, and
 * the server refuses it because of its password history.
 * @returns the error to throw, which says whether AWSPENDING was taken off
 */
export async function releaseRefused<S extends Session>(
  { release }: Work<S>,
  refusal: PasswordPolicyError,
): Promise<PasswordPolicyError> {
  return new PasswordPolicyError(`${refusal.message} ${await outcomeOf(release)}`, refusal);
}

/**
 * Gives up a pending password that the server took and then refused at a login. Every retry would set it
 * again. AWSPENDING stays if AWSCURRENT does not log in: then something else than the password is
 * wrong.
 * @param why what the login was refused with
 * @param release proves AWSCURRENT, and takes AWSPENDING off
 * @returns the error to throw
 */
export async function giveUpTaken(
  why: RotationError,
  oldPassword: 'was put back' | 'is valid',
  release: () => Promise<void>,
): Promise<LoginRefusedError> {
  const old = oldPassword === 'was put back' ? 'so the old one was put back' : 'and AWSCURRENT still works';
  return new LoginRefusedError(
    `The server took the new password and then refused it, ${old}: look in the server’s log for the reason. ${await outcomeOf(release)}`,
    why,
  );
}

function outcomeOf(release: () => Promise<void>): Promise<string> {
  return release().then(
    () => 'AWSPENDING was taken off this version: start the rotation again.',
    () => 'AWSPENDING could not be taken off this version, so retries will be refused too.',
  );
}
