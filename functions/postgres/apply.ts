import pg from 'pg';
import type { Pair } from '../../shared/database/engine.ts';
import { adminFailure, cureFor } from './admin-rights.ts';
import type { PostgresDifference } from './differences.ts';
import type { AdminTask } from './errors.ts';
import { handOver } from './hand-over.ts';
import type { PostgresSession } from './session.ts';

const { escapeIdentifier: name } = pg;

export async function apply(
  admin: PostgresSession,
  pair: Pair,
  { what, sql, needs, holdingsIn }: PostgresDifference,
): Promise<void> {
  if (holdingsIn !== undefined)
    return admin.inDatabase(holdingsIn, entering(admin, pair, holdingsIn), (there) =>
      handOver(there, pair, holdingsIn),
    );
  // Only a person can settle this difference. The comparison after all changes finds and reports
  // it.
  if (sql === undefined) return;
  const task = {
    what: `settle ${what} of "${pair.twin.username}"`,
    cure: needs === undefined ? sql : cureFor(admin, pair, needs),
  };
  await admin.change(sql, adminFailure(task));
}

function entering({ account }: PostgresSession, { twin }: Pair, database: string): AdminTask {
  return {
    what: `enter the database "${database}", in which "${twin.username}" has something of its own`,
    cure:
      `GRANT CONNECT ON DATABASE ${name(database)} TO ${name(account.username)}, and where the database takes no connections ` +
      `ALTER DATABASE ${name(database)} ALLOW_CONNECTIONS true`,
  };
}
