import { RotationError } from '../../shared/core/errors.ts';
import type { Pair } from '../../shared/database/engine.ts';
import { PrivilegeError, TwinRightsError } from '../../shared/database/errors.ts';
import { adminFailure } from './admin-rights.ts';
import { grantsOf } from './description.ts';
import type { MySqlDifference } from './differences.ts';
import { requireGrantable } from './grantable.ts';
import { revoke } from './grants.ts';
import { holderOf, quoted } from './names.ts';
import { requireHeld } from './rehearsal.ts';
import type { MySqlSession } from './session.ts';

/** @throws {TwinRightsError} if the base holds something on what is gone; all else is settled then */
export async function apply(admin: MySqlSession, pair: Pair, difference: MySqlDifference): Promise<void> {
  const gone = await settle(admin, pair, difference);
  if (gone.length === 0) return;
  const [whats, remedies] = [gone.map(({ what }) => what), gone.map(({ remedy }) => remedy)];
  throw new TwinRightsError(
    `The base "${pair.base.username}" holds ${whats.join('; ')}, which is gone, so its twin cannot have it: run ${remedies.join('; ')}. ` +
      'AWSCURRENT works, and has not changed.',
    { user: pair.twin.username },
  );
}

/**
 * Where the server denies one of several privileges, or does not know the column of one, each is
 * tried by itself. So the error names the one that it is about.
 * @returns what no statement can give, because it is gone, and what a person may run
 */
async function settle(admin: MySqlSession, pair: Pair, difference: MySqlDifference) {
  const { what, statements, withheld = [], cure, shutsOut, parts = [], ifGone } = difference;
  if (shutsOut) await requireGrantable(admin, pair);
  const task = `settle ${what} of ${quoted(pair.twin)}`;
  // The server denies a right on a table before it looks whether there is such a table.
  const [mended, orElse] = [cure(quoted(admin.account)), ifGone ? `, or if that is gone ${ifGone.remedy}` : ''];
  const failure = adminFailure(admin, task, `${mended}${orElse}`);
  const run = async (all: readonly string[]) => {
    for (const statement of all) await admin.change(statement, failure);
  };
  const gone: { what: string; remedy: string }[] = [];
  try {
    await requireHeld(admin, task, mended, orElse);
    await run(statements);
    await run(await stillToRevoke(admin, pair, withheld));
  } catch (error) {
    const isGone = ifGone !== undefined && error instanceof RotationError && GONE.includes(error.code ?? '');
    if (!isGone && !(error instanceof PrivilegeError)) throw error;
    for (const part of parts) gone.push(...(await settle(admin, pair, part)));
    // MariaDB 10.11 may deny several privileges of which it takes each.
    if (parts.length > 0) return gone;
    if (!isGone) throw error;
    if (ifGone.statements.length === 0) return [{ what, remedy: ifGone.remedy }];
    await run(ifGone.statements);
  }
  return gone;
}

/**
 * The partial revokes that the twin has not got yet. An admin hands its own on with each GRANT, and may
 * not revoke a second time what it does not hold itself.
 */
async function stillToRevoke(
  admin: MySqlSession,
  { twin }: Pair,
  withheld: MySqlDifference['withheld'] = [],
): Promise<string[]> {
  if (withheld.length === 0) return [];
  const { restrictions } = await grantsOf(admin, holderOf(twin));
  return withheld.flatMap(({ object, privileges }) => {
    const left = privileges.filter((name) => !restrictions.get(object)?.has(name));
    return left.length === 0 ? [] : [revoke(left, object, quoted(twin))];
  });
}

/** ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR, ER_BAD_DB_ERROR, ER_SP_DOES_NOT_EXIST */
const GONE = ['1146', '1054', '1049', '1305'];
