/** The strategy dual-password: one user with two valid passwords. */

import type { Strategy } from '../../core/kind.ts';
import { type Session, supported } from '../engine.ts';
import type { SecretValue } from '../secret-value.ts';
import type { Database } from '../work.ts';
import { itself } from './changer.ts';
import { oneUser } from './one-user.ts';
import { findItself } from './single-user.ts';

/**
 * Sets the new password and keeps AWSCURRENT's beside it. So AWSCURRENT logs in at every moment, and
 * as AWSPREVIOUS it does until the next rotation.
 *
 * The change compares first, because the server keeps the password that the change replaces. If that
 * were not AWSCURRENT's, AWSCURRENT's would be lost.
 *
 * If the server refuses AWSCURRENT and accepts AWSPENDING, this strategy does not make AWSCURRENT's
 * password valid again. Only a person who took that password away can bring this about, and promotion
 * ends it.
 */
export function dualPassword<S extends Session>(database: Database<S>): Strategy<SecretValue> {
  return oneUser('dual-password', database, {
    keepsReplaced: true,
    guard: async () => undefined,

    async find(work) {
      const found = await findItself(work);
      if (found === 'done before') return found;
      const overlap = supported(work.engine.overlap(work.current.value.engineKey));
      return { ...found, change: (from, to) => overlap.changeKeeping(found.session, from, to) };
    },

    // A change back does not keep the pending password.
    changerFrom: async (work, pending, session) => itself(work, session, pending),
  });
}
