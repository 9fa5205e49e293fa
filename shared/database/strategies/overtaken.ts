/** A change that was overtaken: while it waited for the server, a person moved the labels. */

import { TokenNotPendingError } from '../../core/errors.ts';
import type { Overtaken } from '../../core/kind.ts';
import type { Session } from '../engine.ts';
import { type SecretValue, sameTarget } from '../secret-value.ts';
import type { Work } from '../work.ts';

/**
 * Looks at the labels once more after a change, and sets AWSCURRENT's password again if the change has
 * locked AWSCURRENT out.
 *
 * Example: the change waits for a lock on the server. Meanwhile a person sees that AWSCURRENT logs in,
 * cancels the rotation and takes AWSPENDING off. Then the change takes effect, and no label names the
 * password that works.
 * Somebody else may have set a third password since: the rotation that the person started instead. That
 * password is left alone, as another label names it.
 * @param pending the version whose password was set
 * @param now what `overtaken` has found since
 * @throws {TokenNotPendingError} if the change is no longer wanted
 */
export async function requireStillWanted<S extends Session>(
  { overtaken, logins }: Work<S>,
  pending: SecretValue,
  now: Overtaken<SecretValue> | undefined,
  { keepsOldValid, isProofAtOnce, underLock, setBack }: Undo,
): Promise<void> {
  if (now === undefined) return;
  const { current, isPending } = now;
  const isSameUser = sameTarget(current, pending);
  // AWSPENDING logs in. The next attempt finds out what to do about the new AWSCURRENT.
  if (isPending && !(keepsOldValid && isSameUser)) return;
  const session = isSameUser ? await logins.logInUnlessRefused(current) : undefined;
  await session?.close();
  const isStillOurs = async () => {
    if (!isProofAtOnce) return true; // a refusal would only say that the change has not arrived there
    return (await logins.probe(pending)).is !== 'refused';
  };
  const undo = async () => {
    if ((await overtaken()) === undefined || !(await isStillOurs())) return 'left';
    return (await setBack(current)) === 'conflict' ? 'left' : 'set again';
  };
  const outcome = isSameUser && session === undefined ? await underLock(undo) : 'unchanged';
  throw new TokenNotPendingError(
    `${isPending ? 'AWSCURRENT was moved' : 'AWSPENDING was taken off this version'} while its password was being set. ${SENTENCES[outcome]}`,
    { user: pending.username, host: pending.endpoint.host },
  );
}

/** How to undo the change. */
type Undo = {
  /** AWSCURRENT has to log in at every moment. If not, AWSPENDING may do so in its place. */
  keepsOldValid: boolean;
  /** A change is seen at once where passwords are proven. A replica may see it later. */
  isProofAtOnce: boolean;
  /** Runs `work` under the lock of the change. */
  underLock<T>(work: () => Promise<T>): Promise<T>;
  /** Sets the password of this version in place of the pending one. */
  setBack(value: SecretValue): Promise<unknown>;
};

const SENTENCES = {
  unchanged: 'Nothing that AWSCURRENT names was changed; AWSCURRENT works.',
  'set again': 'The password of AWSCURRENT was set again; AWSCURRENT works.',
  left: 'Another rotation, or a person, has set another password since, which was left alone.',
} as const;
