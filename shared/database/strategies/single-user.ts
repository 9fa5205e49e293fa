/** The strategy single-user: the user changes its own password. */

import { RotationError } from '../../core/errors.ts';
import type { Strategy } from '../../core/kind.ts';
import { type Session, supported } from '../engine.ts';
import { SeveralAccountsError } from '../errors.ts';
import type { Readable, SecretValue } from '../secret-value.ts';
import type { Database, Work } from '../work.ts';
import { type Changer, itself } from './changer.ts';
import { oneUser } from './one-user.ts';

/** Logs the user in with any password that the secret has for it. See `Means.find`. */
export async function findItself<S extends Session>(work: Work<S>): Promise<Changer<S> | 'done before'> {
  const { logins, current, versions } = work;
  let pending: Readable | undefined;
  const readPending = async () => {
    pending = await work.pending();
    return pending;
  };
  const found = await logins.logInWithAny(current, readPending, versions);
  if (found.with !== pending?.value) {
    if (found.with === current.value) await work.mustHold(() => requireOneAccount(work)).catch(closing(found.session));
    return itself(work, found.session, found.with);
  }
  await found.session.close();
  return 'done before';
}

/**
 * Asks the admin, if the secret names one, whether the user is the only account of its name. Of two
 * accounts with one password, the change would reach the one that this function logs in as, and
 * applications at other hosts would be refused.
 *
 * AWSCURRENT has logged in by then. What keeps the admin from telling stops no rotation, because this
 * strategy needs no admin.
 * @throws {SeveralAccountsError} nothing was changed
 */
async function requireOneAccount<S extends Session>({ engine, adminSecret, current }: Work<S>): Promise<void> {
  const { masterarn, username, engineKey, endpoint } = current.value;
  if (!engine.sharesNames || masterarn === undefined) return;
  try {
    const session = await (await adminSecret.guarded([username])).login();
    await supported(engine.byAdmin(engineKey))
      .facts(session, username, endpoint)
      .finally(() => session.close());
  } catch (error) {
    if (error instanceof SeveralAccountsError || !(error instanceof RotationError)) throw error;
  }
}

/** For `catch`. */
function closing(session: Session): (error: unknown) => Promise<never> {
  return async (error) => {
    await session.close();
    throw error;
  };
}

/** The old password ends with the change. */
export function singleUser<S extends Session>(database: Database<S>): Strategy<SecretValue> {
  return oneUser('single-user', database, {
    keepsReplaced: false,
    guard: async () => undefined,
    find: findItself,
    changerFrom: async (work, pending, session) => itself(work, session, pending),
  });
}
