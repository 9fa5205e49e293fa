import { TokenNotPendingError } from '../../core/errors.ts';
import type { Session } from '../engine.ts';
import { type SecretValue, sameTarget } from '../secret-value.ts';
import type { Work } from '../work.ts';

/**
 * Looks at the labels once more after a change. While the change waited for a lock of the server, a person may have seen AWSCURRENT log in,
 * cancelled the rotation and taken AWSPENDING off, or moved AWSCURRENT back. Then no label would name what works.
 * @param pending whose password was set
 * @param keepsOldValid AWSCURRENT itself has to log in at every moment; else AWSPENDING may do so in its place
 * @param setBack sets the password of this version again, under the lock, in place of the pending one
 * @throws {TokenNotPendingError} if the change is not wanted any more. What AWSCURRENT names logs in by then.
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
  // AWSPENDING logs in, and the next attempt finds out what AWSCURRENT says now.
  if (isPending && !(keepsOldValid && isSameUser)) return;
  const session = isSameUser ? await logins.unlessRefused(current) : undefined;
  await session?.close();
  const isToSet = isSameUser && session === undefined;
  if (isToSet) await setBack(current);
  throw new TokenNotPendingError(
    `${isPending ? 'AWSCURRENT was moved' : 'AWSPENDING was taken off this version'} while its password was being set. ` +
      `${isToSet ? 'The password of AWSCURRENT was set again' : 'Nothing that AWSCURRENT names was changed'}; AWSCURRENT works.`,
    { user: pending.username, host: pending.endpoint.host },
  );
}
