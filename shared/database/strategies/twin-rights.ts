/** Which rights differ between base and twin: they are compared, brought in line, and proven. */

import type { Seen } from '../../core/kind.ts';
import { type Difference, type Pair, type Session, supported } from '../engine.ts';
import { DormantUserError, PrivilegeError, TwinRightsError } from '../errors.ts';
import { type Names, pairOf } from '../pair.ts';
import type { SecretValue } from '../secret-value.ts';
import type { PairWork, Prover } from '../work.ts';

/**
 * Requires that the active twin holds nothing that the base lacks: the application would lose it when
 * the base becomes active.
 * @param known the differences, if they have been read and nothing has changed since
 * @returns rights on what the twin itself has made, which the base is to be given
 * @throws {TwinRightsError} which lists the rest
 */
export async function requireNothingMore<S extends Session>(
  given: PairWork<S>,
  known: readonly Difference[] | undefined,
): Promise<readonly Difference[]> {
  const all = (known ?? (await visibleDifferences(given))).filter(({ kind }) => kind === 'more');
  const isForBase = ({ isOnOwnWork }: Difference) => isOnOwnWork === true && given.twins.giveToBase !== undefined;
  const more = all.filter((difference) => !isForBase(difference));
  if (more.length === 0) return all;
  throw new TwinRightsError(
    `The active twin "${given.pair.twin.username}" holds what the base "${given.pair.base.username}" does not: ${listed(more)}. ` +
      'Grant it to the base or take it from the twin; nothing was changed.',
    { user: given.pair.twin.username },
  );
}

/** The twin first gets what it lacks, and then loses what the base lacks. */
const ORDER: readonly Difference['kind'][] = ['less', 'setting', 'more'];

/**
 * Gives the dormant twin the rights of the base, and takes from it what the base lacks.
 * @param adopt whether to mark the twin as this secret's
 * @param known the differences, if they have been read and nothing has changed since
 * @throws {TwinRightsError} if differences are left
 */
export async function bringInLine<S extends Session>(
  given: PairWork<S>,
  { adopt, known }: { adopt: boolean; known: readonly Difference[] | undefined },
): Promise<void> {
  const { twins, session, pair, work } = given;
  const { mustHold } = work;
  const found = known ?? (await visibleDifferences(given));
  const apply = async (which: (difference: Difference) => boolean) => {
    for (const difference of found.filter(which)) await mustHold(() => twins.apply(session, pair, difference));
  };
  await mustHold(() =>
    requireNoneLeft(
      pair,
      found.filter(({ isForPerson }) => isForPerson),
    ),
  );
  await apply(({ outsideTransaction }) => outsideTransaction === true);
  if (adopt) await mustHold(() => twins.adopt(session, pair));
  for (const kind of ORDER) await apply((difference) => difference.kind === kind && !difference.outsideTransaction);
  // Some servers answer that all is well, and have done nothing. After a rehearsal, differences are left.
  if (found.length > 0 && !work.isRehearsal) requireNoneLeft(pair, await visibleDifferences(given));
}

/** @throws {TwinRightsError} if `apply` has not settled these differences, or cannot */
function requireNoneLeft({ base, twin }: Pair, left: readonly Difference[]): void {
  if (left.length === 0) return;
  throw new TwinRightsError(
    `The twin "${twin.username}" cannot be brought in line with the base "${base.username}" by this admin: ` +
      `${listed(left)}. AWSCURRENT works, and has not changed.`,
    { user: twin.username },
  );
}

/** @throws {PrivilegeError} if the admin may not see enough to compare */
async function visibleDifferences<S extends Session>({
  twins,
  session,
  pair,
}: Omit<PairWork<S>, 'work'>): Promise<readonly Difference[]> {
  const differences = await twins.differences(session, pair);
  if (differences !== 'not visible') return differences;
  throw new PrivilegeError(
    `The admin "${session.account.username}" may not see the rights of "${pair.base.username}" and "${pair.twin.username}".`,
    { user: session.account.username },
  );
}

const MOST_LISTED = 5;

function listed(differences: readonly Difference[]): string {
  const shown = differences
    .slice(0, MOST_LISTED)
    .map(({ what, remedies }) => (remedies.length === 0 ? what : `${what} (run ${remedies.join(' or ')})`));
  const rest = differences.length - shown.length;
  return `${shown.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}`;
}

/**
 * Proves that the pending version logs in, and that it has the rights that it must have: a twin exactly
 * those of the base. If it names the base, the twin may not have more than the base. The twin may have
 * less: it catches up when it is dormant.
 * @returns `in part` if the server does not let the user see its rights. The admin can see them.
 */
export async function proveWithRights<S extends Session>(
  prover: Prover<S>,
  pending: SecretValue,
  names: Names,
): Promise<Seen> {
  const { engine, logins, secretArn } = prover;
  const session = await logins.logIn(pending);
  const pair = pairOf(names, session.account.realm, secretArn);
  try {
    const differences = await supported(engine.twins(pending.engineKey)).differences(session, pair);
    if (differences === 'not visible') return 'in part';
    refuseDifferences(differences, pending, pair);
    return 'all';
  } catch (error) {
    // The base has logged in, so it is the twin that is gone. The base needs nothing from it.
    if (error instanceof DormantUserError && pending.username === names.base) return 'all';
    throw error;
  } finally {
    await session.close();
  }
}

/**
 * Requires the same of the rights, as the admin sees them.
 * @throws {TwinRightsError | PrivilegeError}
 */
export async function requireEqualRights<S extends Session>(
  given: Omit<PairWork<S>, 'work'>,
  pending: SecretValue,
): Promise<void> {
  refuseDifferences(await visibleDifferences(given), pending, given.pair);
}

function refuseDifferences(found: readonly Difference[], pending: SecretValue, { base, twin }: Pair): void {
  const wrong = pending.username === twin.username ? found : found.filter(({ kind }) => kind === 'more');
  if (wrong.length > 0)
    throw new TwinRightsError(
      `The user "${pending.username}" logs in, but base "${base.username}" and twin "${twin.username}" differ: ${listed(wrong)}. ` +
        'Nothing was promoted; AWSCURRENT works.',
      { user: pending.username, host: pending.endpoint.host },
    );
}
