import type { Pair, PairState, UserState } from '../../shared/database/engine.ts';
import { ownersOf } from '../../shared/database/mark.ts';
import { type Role, rolesQuery } from './accounts.ts';
import { type Picture, pictureQuery } from './description.ts';
import { differencesIn } from './differences.ts';
import { type Commented, claimsIn, markAt, membersQuery } from './mark.ts';
import type { PostgresSession } from './session.ts';

/**
 * A mark that gives the pair to this secret counts only at a member of the base. Anybody with
 * CREATEROLE can write any mark on a role of their own making, but cannot make that role a member
 * of somebody else's base. A mark that gives one of the two to another secret counts everywhere.
 */
export async function state(admin: PostgresSession, pair: Pair): Promise<PairState> {
  const [base, twin] = [pair.base.username, pair.twin.username];
  const [roles, members, [seen]] = (await admin.rowsOfEach(
    rolesQuery([base, twin]),
    membersQuery(base),
    pictureQuery(admin, pair),
  )) as [Role[], Commented[], [{ picture: Picture }]];
  const others = roles.flatMap(markAt).filter((mark) => mark.secret !== pair.owner || mark.base !== base);
  const owners = ownersOf(pair, [...others, ...claimsIn(members, base)]);
  const found = (username: string, owner: string | undefined): UserState | undefined => {
    const role = roles.find((each) => each.name === username);
    return role && { owner, inert: role.inert, barred: role.barred ?? undefined };
  };
  const state = { base: found(base, owners.base), twin: found(twin, owners.twin) };
  if (state.base === undefined || state.twin === undefined) return state;
  return { ...state, differences: differencesIn(seen.picture, pair, admin.account.username) };
}
