/** One user: the steps that single-user, single-user-by-admin and dual-password have in common. */

import type { Strategy } from '../../core/kind.ts';
import type { Session } from '../engine.ts';
import { unfitPassword } from '../password.ts';
import { differingKeys, type SecretValue } from '../secret-value.ts';
import type { Database } from '../work.ts';
import type { Means } from './changer.ts';
import type { StrategyName } from './facts.ts';
import { rehearseOneUser } from './rehearsal.ts';
import { setPassword } from './set-password.ts';
import { withdrawPassword } from './withdraw-password.ts';

/**
 * Makes a strategy for one user.
 *
 * If the old password ends with the change, only AWSPENDING logs in from the database's commit to the
 * end of finishSecret. Two rules follow:
 * - A pending version keeps its label as long as its password may be the only one that works.
 * - Every attempt logs in to find out how far an earlier one got.
 *
 * Example: an attempt sets the password and dies before the answer. The next one is refused with
 * AWSCURRENT's password, is accepted with the pending one, and so knows that nothing is left to do.
 */
export function oneUser<S extends Session>(
  name: StrategyName,
  database: Database<S>,
  means: Means<S>,
): Strategy<SecretValue> {
  return {
    name,

    async successor(rotation) {
      await means.guard(database.work(rotation));
      return { keys: { password: database.newPassword().reveal() } };
    },

    rehearse: (rotation, findings) => rehearseOneUser(database, rotation, findings, means),

    fits(current, pending) {
      const keys = differingKeys(current, pending);
      if (keys.length > 0) return `differs from AWSCURRENT in ${keys.map((key) => `"${key}"`).join(', ')}`;
      if (pending.password.equals(current.password)) return 'has the same password as AWSCURRENT';
      return unfitPassword(pending.password, database.engine.password);
    },

    async set(rotation) {
      const work = database.work(rotation);
      const by = await means.find(work);
      if (by === 'done before') return;
      try {
        await setPassword(work, means, by);
      } finally {
        await by.session.close();
      }
    },

    async test(pending, at) {
      await database.proverAt(at).logins.prove(pending);
      return 'all';
    },

    withdraw: (rotation, pending) => withdrawPassword(database.work(rotation), means, pending),
  };
}
