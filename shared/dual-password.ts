import { supported } from './engine.ts';
import { findItself, itself, oneUser } from './single-user.ts';
import type { Strategy } from './strategy.ts';

/**
 * One user with two valid passwords: the new one is set and AWSCURRENT's kept beside it, so that AWSCURRENT logs in at every moment, and
 * as AWSPREVIOUS until the next rotation.
 *
 * The change is compare-and-set: what it keeps is the password that it replaces, and were that not AWSCURRENT's, AWSCURRENT's would be lost. All
 * else is as for a single user. So is this: where AWSCURRENT is refused and AWSPENDING accepted, AWSCURRENT's password is not made
 * valid in passing. Nothing here leads to that but a person who took it away; promotion ends it.
 */
export const dualPassword: Strategy = oneUser({
  keepsReplaced: true,
  guard: async () => undefined,

  async find(rotation) {
    const found = await findItself(rotation);
    if (found === 'done before') return found;
    const overlap = supported(rotation.engine.overlap(rotation.current.value.engineKey));
    return { ...found, change: (from, to) => overlap.changeKeeping(found.session, from, to) };
  },

  /** To give up the pending password, which is not kept then. */
  changerFrom: async (rotation, pending, session) => itself(rotation, session, pending),
});
