import pg from 'pg';
import type { Pair } from '../../shared/database/engine.ts';
import { TwinRightsError } from '../../shared/database/errors.ts';
import { adminFailure, cureFor } from './admin-rights.ts';
import type { PostgresDifference } from './differences.ts';
import type { AdminTask, Failure } from './errors.ts';
import { handOver } from './hand-over.ts';
import type { PostgresSession } from './session.ts';

const { escapeIdentifier: name } = pg;

export async function apply(
  admin: PostgresSession,
  pair: Pair,
  { what, sql, needs, holdingsIn, copies }: PostgresDifference,
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
  const failure = adminFailure(task);
  await admin.change(sql, copies === undefined ? failure : settingFailure(pair, copies, failure));
}

/**
 * For a setting of the base that the server takes no more: a time zone that is gone, or a parameter that
 * an extension no longer has. Sessions of the base begin without it, and with a warning.
 */
function settingFailure(
  { base }: Pair,
  { database, key }: { database: string; key: string },
  failure: Failure,
): Failure {
  return (error, connection) => {
    const other = failure(error, connection);
    const isName = other.code === '42602' || other.code === '42704';
    if (!isName && !other.code?.startsWith('22')) return other;
    const where = `ALTER ROLE ${name(base.username)}${database === '' ? '' : ` IN DATABASE ${name(database)}`}`;
    const cure = isName
      ? `${where} RESET ALL, as no statement resets this setting alone, and set its other settings again`
      : `${where} RESET ${name(key)}`;
    return new TwinRightsError(
      `PostgreSQL at ${connection.to.host} no longer takes the setting ${key} of the base "${base.username}" (${other.code}), not even for the base ` +
        `itself, so it cannot be copied; nothing was changed. Run: ${cure}.`,
      other,
    );
  };
}

function entering({ account }: PostgresSession, { twin }: Pair, database: string): AdminTask {
  return {
    what: `enter the database "${database}", in which "${twin.username}" has something of its own`,
    cure:
      `GRANT CONNECT ON DATABASE ${name(database)} TO ${name(account.username)}, and where the database takes no connections ` +
      `ALTER DATABASE ${name(database)} ALLOW_CONNECTIONS true`,
  };
}
