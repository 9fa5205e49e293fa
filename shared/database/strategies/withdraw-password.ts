/** How one user's pending version is given up: AWSCURRENT's password is proven, or set again, first. */

import type { Session } from '../engine.ts';
import { LoginRefusedError, ReadOnlyServerError } from '../errors.ts';
import { type SecretValue, sameTarget } from '../secret-value.ts';
import type { Work } from '../work.ts';
import { type Changer, itself, type Means, putBack } from './changer.ts';
import { onceReplicated } from './replication.ts';

/**
 * Gives up the pending version. If the server refuses AWSCURRENT's password but accepts the pending
 * one, AWSCURRENT's is set again.
 * @throws if AWSCURRENT cannot be made to work; AWSPENDING stays then
 */
export async function withdrawPassword<S extends Session>(
  work: Work<S>,
  means: Means<S>,
  pending: SecretValue | undefined,
): Promise<void> {
  const { logins, current } = work;
  const own = await logins.logInUnlessRefused(current.value);
  let by = own ? itself(work, own, current.value) : await restoreCurrent(work, means, pending);
  try {
    await releaseUnderLock(work, by).catch(async (error) => {
      if (own === undefined || !(error instanceof ReadOnlyServerError)) throw error;
      // A replica: it may still accept AWSCURRENT's password although another was set at the writer. So
      // AWSCURRENT's is set again there.
      by = await setCurrent(work, means, current.value, own);
      await releaseUnderLock(work, by);
    });
  } finally {
    await by.session.close();
  }
}

/**
 * Proves AWSCURRENT's password and takes AWSPENDING off, both under the lock: no other attempt changes
 * the password meanwhile, and no later one finds the label.
 */
export function releaseUnderLock<S extends Session>(
  { engine, logins, current, release }: Work<S>,
  by: Changer<S>,
): Promise<void> {
  return engine.exclusively(by.session, by.account, async (stillAlone) => {
    await onceReplicated(by, () => logins.requireRightPassword(current.value));
    await stillAlone();
    await release();
  });
}

/**
 * Sets AWSCURRENT's password again if the server accepts the pending one.
 * @returns the changer that did it; its session is open
 */
async function restoreCurrent<S extends Session>(
  work: Work<S>,
  means: Means<S>,
  pending: SecretValue | undefined,
): Promise<Changer<S>> {
  const { logins, current } = work;
  const session =
    pending !== undefined && sameTarget(pending, current.value) ? await logins.logInUnlessRefused(pending) : undefined;
  if (pending === undefined || session === undefined) throw nothingBetterKnown(current.value);
  return setCurrent(work, means, pending, session);
}

/**
 * Sets AWSCURRENT's password again.
 * @param accepted the version whose password `session` logged in with
 * @returns the changer that did it; its session is open
 */
async function setCurrent<S extends Session>(
  work: Work<S>,
  means: Means<S>,
  accepted: SecretValue,
  session: S,
): Promise<Changer<S>> {
  const { engine, current } = work;
  const by = await means.changerFrom(work, accepted, session);
  try {
    await engine.exclusively(by.session, by.account, async () => {
      await work.readyToChange(by.account, await work.lookAhead(by.session, by.account));
      return putBack(by, accepted, current.value);
    });
    return by;
  } catch (error) {
    await by.session.close();
    throw error;
  }
}

function nothingBetterKnown({ username, endpoint: { host } }: SecretValue): LoginRefusedError {
  return new LoginRefusedError(
    'The server refuses the password in AWSCURRENT and nothing better is known, so AWSPENDING is left as it is: set the ' +
      'password of AWSCURRENT in the database, or the right one in the secret.',
    { user: username, host },
  );
}
