import type { Pair, PairState, UserState } from '../../shared/database/engine.ts';
import { PrivilegeError } from '../../shared/database/errors.ts';
import { ownersOf } from '../../shared/database/mark.ts';
import { mayNotSee } from './admin-rights.ts';
import { type User, userOf } from './description.ts';
import { hasCustomData, marksAbout, mayMarkItself } from './mark.ts';
import type { MongoSession } from './session.ts';

/**
 * A twin that may write its own customData could write any secret into its mark. So the mark of such
 * a twin counts only where it names another secret.
 */
export async function state(admin: MongoSession, pair: Pair): Promise<PairState> {
  const { realm } = pair.base;
  const hasPlace = await hasCustomData(admin, realm).catch((error) => {
    throw error instanceof PrivilegeError ? mayNotSee(admin, realm) : error;
  });
  const marksItself = hasPlace && (await mayMarkItself(admin, pair.twin));
  admin.keepsMarks = hasPlace && !marksItself;
  admin.whyNoMarks = marksItself
    ? `"${pair.twin.username}" may change its own customData, so that a mark in it proves nothing`
    : 'this server has no customData for a mark';
  const names = [pair.base.username, pair.twin.username];
  const owners = ownersOf(pair, hasPlace ? await marksAbout(admin, realm, names) : []);
  const ofTwin = marksItself && owners.twin === pair.owner ? undefined : owners.twin;
  return {
    base: stateOf(await userOf(admin, pair.base), owners.base),
    twin: stateOf(await userOf(admin, pair.twin), ofTwin),
  };
}

/** No user can be locked here. So nothing bars an existing user, and none is inert. */
function stateOf(user: User | undefined, owner: string | undefined): UserState | undefined {
  return user && { owner, inert: false };
}
