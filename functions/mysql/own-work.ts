import { escape as literal } from 'mysql2';
import type { Difference, Pair } from '../../shared/database/engine.ts';
import { adminFailure } from './admin-rights.ts';
import type { MySqlDifference } from './differences.ts';
import { quoted } from './names.ts';
import { requireHeld } from './rehearsal.ts';
import type { MySqlSession } from './session.ts';

/**
 * Says which differences are rights on routines that the twin has created. The server gives these
 * rights to the creator alone (automatic_sp_privileges), so every migration by an active twin leaves
 * some.
 *
 * Who created a routine is not kept: its definer counts. A routine runs with its definer's rights, so
 * the base gains nothing by it that the twin does not have already.
 */
export async function withOwnWork(
  session: MySqlSession,
  { twin }: Pair,
  found: readonly MySqlDifference[],
): Promise<readonly MySqlDifference[]> {
  if (!found.some(({ toBase }) => toBase)) return found;
  const name = (column: string) => `'\`', REPLACE(${column}, '\`', '\`\`'), '\`'`;
  const rows = await session.rows<{ routine: string }>(
    `SELECT CONCAT(ROUTINE_TYPE, ' ', ${name('ROUTINE_SCHEMA')}, '.', ${name('ROUTINE_NAME')}) AS routine
      FROM information_schema.ROUTINES WHERE DEFINER = ${literal(`${twin.username}@${twin.realm}`)}`,
  );
  // SHOW GRANTS has the names of routines in small letters.
  const own = new Set(rows.map(({ routine }) => routine.toLowerCase()));
  return found.map((each) =>
    each.toBase && own.has(each.toBase.routine.toLowerCase()) ? { ...each, isOnOwnWork: true } : each,
  );
}

export async function giveToBase(admin: MySqlSession, { base }: Pair, difference: Difference): Promise<void> {
  const { what, toBase, cure } = difference as MySqlDifference;
  if (toBase === undefined) return;
  const task = [`give ${what} to ${quoted(base)}`, cure(quoted(admin.account))] as const;
  await requireHeld(admin, ...task);
  await admin.change(toBase.statement, adminFailure(admin, ...task));
}
