import pg from 'pg';
import type { Pair } from '../../shared/database/engine.ts';
import { adminFailure, cureFor } from './admin-rights.ts';
import type { PostgresDifference } from './differences.ts';
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
  // What nothing is known against stays, and is found again by whoever looks whether all is in line.
  if (sql === undefined) return;
  const work = {
    what: `settle ${what} of "${pair.twin.username}"`,
    cure: needs === undefined ? sql : cureFor(admin, pair, needs),
  };
  await admin.change(sql, adminFailure(work));
}

function entering({ account }: PostgresSession, { twin }: Pair, database: string) {
  return {
    what: `enter the database "${database}", in which "${twin.username}" has something of its own`,
    cure:
      `GRANT CONNECT ON DATABASE ${name(database)} TO ${name(account.username)}, and where the database takes no connections ` +
      `ALTER DATABASE ${name(database)} ALLOW_CONNECTIONS true`,
  };
}
