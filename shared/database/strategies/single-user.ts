/** The strategy single-user: the user changes its own password. */

import type { Strategy } from '../../core/kind.ts';
import type { Session } from '../engine.ts';
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
  if (found.with !== pending?.value) return itself(work, found.session, found.with);
  await found.session.close();
  return 'done before';
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
