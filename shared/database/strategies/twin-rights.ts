/** The twin has the base's rights, and nothing more. */

import type { Seen } from '../../core/kind.ts';
import { type Difference, type Pair, type Session, supported, type Twins } from '../engine.ts';
import { PrivilegeError, TwinRightsError } from '../errors.ts';
import type { Names } from '../pair.ts';
import type { SecretValue } from '../secret-value.ts';
import type { Proof, Work } from '../work.ts';

export type Change<S extends Session> = { work: Work<S>; twins: Twins<S>; session: S; pair: Pair };

export function pairOf({ base, twin }: Names, realm: string, owner: string): Pair {
  return { base: { username: base, realm }, twin: { username: twin, realm }, owner };
}

/** What the live twin holds alone would be lost to the application once the base is active. */
export async function requireNothingMore<S extends Session>(given: Change<S>): Promise<void> {
  const more = (await visibleDifferences(given)).filter(({ kind }) => kind === 'more');
  if (more.length === 0) return;
  throw new TwinRightsError(
    `The active twin "${given.pair.twin.username}" holds what the base "${given.pair.base.username}" does not: ${listed(more)}. ` +
      'Grant it to the base or take it from the twin; nothing was changed.',
    { user: given.pair.twin.username },
  );
}

/** Additions first: what the twin is to have does not wait for what it is to lose. */
const ORDER: readonly Difference['kind'][] = ['less', 'setting', 'more'];

export async function bringInLine<S extends Session>(given: Change<S>, { adopt }: { adopt: boolean }): Promise<void> {
  const { twins, session, pair } = given;
  const found = await visibleDifferences(given);
  const apply = async (which: (difference: Difference) => boolean) => {
    for (const difference of found.filter(which)) await twins.apply(session, pair, difference);
  };
  await apply(({ elsewhere }) => elsewhere === true);
  if (adopt) await twins.adopt(session, pair);
  for (const kind of ORDER) await apply((difference) => difference.kind === kind && !difference.elsewhere);
  // Some servers answer that all is well and do nothing.
  const left = found.length === 0 ? [] : await visibleDifferences(given);
  if (left.length > 0)
    throw new TwinRightsError(
      `The twin "${pair.twin.username}" cannot be brought in line with the base "${pair.base.username}" by this admin: ` +
        `${listed(left)}. AWSCURRENT works, and has not changed.`,
      { user: pair.twin.username },
    );
}

async function visibleDifferences<S extends Session>({
  twins,
  session,
  pair,
}: Pick<Change<S>, 'twins' | 'session' | 'pair'>): Promise<readonly Difference[]> {
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
 * The pending version logs in and has the base's rights. Of a base that becomes active only that the twin has no more: the
 * twin catches up when it is dormant.
 * @returns whether the pending version could see the rights; an admin can, in its place
 */
export async function prove<S extends Session>(proof: Proof<S>, pending: SecretValue, names: Names): Promise<Seen> {
  const { engine, logins, secretArn } = proof;
  const session = await logins.accepted(pending);
  const pair = pairOf(names, session.account.realm, secretArn);
  try {
    const differences = await supported(engine.twins(pending.engineKey)).differences(session, pair);
    if (differences === 'not visible') return 'in part';
    refuseDifferences(differences, pending, pair);
    return 'all';
  } finally {
    await session.close();
  }
}

/** The same of the rights alone, as an admin sees them. */
export async function requireEqual<S extends Session>(
  given: Pick<Change<S>, 'twins' | 'session' | 'pair'>,
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
