import type { Pair, PairState, UserState } from '../../shared/database/engine.ts';
import { ownersOf } from '../../shared/database/mark.ts';
import { rolesNamed } from './accounts.ts';
import { claimsOn, markAt } from './mark.ts';
import type { PostgresSession } from './session.ts';

/**
 * A mark that says that the pair is this secret's counts only at a member of the base: whoever may make roles may write anything on those, but not
 * make them members of other people's.
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
