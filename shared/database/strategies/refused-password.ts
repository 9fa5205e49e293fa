/** What happens when the server refuses the pending password itself, by its password policy. */

import type { Session } from '../engine.ts';
import { PasswordPolicyError } from '../errors.ts';
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
  const outcome = await release().then(
    () => 'AWSPENDING was taken off this version: start the rotation again.',
    () => 'AWSPENDING could not be taken off this version, so retries will be refused too.',
  );
  return new PasswordPolicyError(`${refusal.message} ${outcome}`, refusal);
}
