import { RotationError } from '../../shared/core/errors.ts';
import type { Pair } from '../../shared/database/engine.ts';
import { PrivilegeError, TwinRightsError } from '../../shared/database/errors.ts';
import { adminFailure } from './admin-rights.ts';
import type { MySqlDifference } from './differences.ts';
import { requireGrantable } from './grantable.ts';
import { quoted } from './names.ts';
import type { MySqlSession } from './session.ts';

/**
 * Where the server denies one of several privileges, each is tried by itself, so that the error
 * names the one that the admin may not give.
 */
export async function apply(
  admin: MySqlSession,
  pair: Pair,
  { what, statements, cure, shutsOut, parts, ifGone }: MySqlDifference,
): Promise<void> {
  if (shutsOut) await requireGrantable(admin, pair);
  const failure = adminFailure(admin, `settle ${what} of ${quoted(pair.twin)}`, cure(quoted(admin.account)));
  const run = async (all: readonly string[]) => {
    for (const statement of all) await admin.change(statement, failure);
  };
  try {
    await run(statements);
  } catch (error) {
    if (error instanceof PrivilegeError) for (const part of parts ?? []) await apply(admin, pair, part);
    if (ifGone === undefined || !(error instanceof RotationError && GONE.includes(error.code ?? ''))) throw error;
    if (ifGone.statements.length > 0) return run(ifGone.statements);
    throw new TwinRightsError(
      `The base "${pair.base.username}" holds ${what}, which is gone, so its twin cannot have it: run ${ifGone.remedy}. ` +
        'AWSCURRENT works, and has not changed.',
      { user: pair.twin.username },
    );
  }
}

/** ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR */
const GONE = ['1146', '1054'];
