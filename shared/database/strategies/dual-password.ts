import type { Strategy } from '../../core/kind.ts';
import { type Session, supported } from '../engine.ts';
import type { SecretValue } from '../secret-value.ts';
import type { Database } from '../work.ts';
import { itself, oneUser } from './one-user.ts';
import { findItself } from './single-user.ts';

/**
 * One user with two valid passwords: the new one is set and AWSCURRENT's kept beside it, so that AWSCURRENT logs in at every moment, and
 * as AWSPREVIOUS until the next rotation.
 *
 * The change is compare-and-set: what it keeps is the password that it replaces, and were that not AWSCURRENT's, AWSCURRENT's would be lost. All
 * else is as for a single user. So is this: where AWSCURRENT is refused and AWSPENDING accepted, AWSCURRENT's password is not made
 * valid in passing. Nothing here leads to that but a person who took it away; promotion ends it.
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

    /** To give up the pending password, which is not kept then. */
    changerFrom: async (work, pending, session) => itself(work, session, pending),
  });
}
