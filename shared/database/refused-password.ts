import type { Session } from './engine.ts';
import { PasswordPolicyError } from './errors.ts';
import type { Work } from './work.ts';

/** Nothing has changed, and the same password would be refused on every retry: AWSPENDING is taken off it. Not before it was seen to be refused at a login. */
export async function takenBack<S extends Session>(
  { release }: Work<S>,
  refusal: PasswordPolicyError,
): Promise<PasswordPolicyError> {
  const outcome = await release().then(
    () => 'AWSPENDING was taken off this version: start the rotation again.',
    () => 'AWSPENDING could not be taken off this version, so retries will be refused too.',
  );
  return new PasswordPolicyError(`${refusal.message} ${outcome}`, refusal);
}
