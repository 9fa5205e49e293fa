/** A change that was overtaken: while it waited for the server, a person moved the labels. */

import { TokenNotPendingError } from '../../core/errors.ts';
import type { Session } from '../engine.ts';
import { type SecretValue, sameTarget } from '../secret-value.ts';
import type { Work } from '../work.ts';

/**
 * Reads the labels once more after a change, and sets AWSCURRENT's password again if the change has
 * locked AWSCURRENT out.
 *
 * Example: the change waits for a lock on the server. Meanwhile a person sees that AWSCURRENT logs in,
 * cancels the rotation and takes AWSPENDING off. Then the change takes effect, and no label names the
 * password that works.
 * @param pending the version whose password was set
 * @param keepsOldValid whether AWSCURRENT has to log in at every moment. If not, AWSPENDING may do so
 *   in its place.
 * @param setBack sets the password of this version again in place of the pending one, under the lock
 * @throws {TokenNotPendingError} if the change is no longer wanted; AWSCURRENT logs in then
 */
export async function requireStillWanted<S extends Session>(
  { overtaken, logins }: Work<S>,
  pending: SecretValue,
  { keepsOldValid, setBack }: { keepsOldValid: boolean; setBack: (value: SecretValue) => Promise<unknown> },
): Promise<void> {
  const now = await overtaken();
  if (now === undefined) return;
  const { current, isPending } = now;
  const isSameUser = sameTarget(current, pending);
  // AWSPENDING logs in. The next attempt finds out what to do about the new AWSCURRENT.
  if (isPending && !(keepsOldValid && isSameUser)) return;
  const session = isSameUser ? await logins.logInUnlessRefused(current) : undefined;
  await session?.close();
  const isToSet = isSameUser && session === undefined;
  if (isToSet) await setBack(current);
  throw new TokenNotPendingError(
    `${isPending ? 'AWSCURRENT was moved' : 'AWSPENDING was taken off this version'} while its password was being set. ` +
      `${isToSet ? 'The password of AWSCURRENT was set again' : 'Nothing that AWSCURRENT names was changed'}; AWSCURRENT works.`,
    { user: pending.username, host: pending.endpoint.host },
  );
}
