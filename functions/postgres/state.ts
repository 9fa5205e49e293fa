import type { Pair, PairState, UserState } from '../../shared/database/engine.ts';
import { ownersOf } from '../../shared/database/mark.ts';
import { rolesNamed } from './accounts.ts';
import { claimsOn, markAt } from './mark.ts';
import type { PostgresSession } from './session.ts';

/**
 * A mark that gives the pair to this secret counts only at a member of the base. Anybody with
 * CREATEROLE can write any mark on a role of their own making, but cannot make that role a member
 * of somebody else's base. A mark that gives one of the two to another secret counts everywhere.
 */
export async function state(admin: PostgresSession, pair: Pair): Promise<PairState> {
  const [base, twin] = [pair.base.username, pair.twin.username];
  const roles = await rolesNamed(admin, [base, twin]);
  const others = roles.flatMap(markAt).filter((mark) => mark.secret !== pair.owner || mark.base !== base);
  const owners = ownersOf(pair, [...others, ...(await claimsOn(admin, base))]);
  const found = (username: string, owner: string | undefined): UserState | undefined => {
    const role = roles.find((each) => each.name === username);
    return role && { owner, inert: role.inert, barred: role.barred ?? undefined };
  };
  return { base: found(base, owners.base), twin: found(twin, owners.twin) };
}
