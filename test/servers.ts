/** The database servers of this test run, for test files. */
import { describe, test } from '@jest/globals';
import { type RowName, rowNames } from '../local/servers/rows.ts';
import { readLog, type ServerDescription } from '../local/servers/server.ts';
import { type Absent, HANDOVER_VARIABLE, type Handover } from './global-setup.ts';

/**
 * All test files share it: they make users, databases and secrets under names of their own, and leave settings alone.
 * For other settings, TLS or a restart there is `startServer`.
 */
export type SharedServer = ServerDescription & { log(): Promise<string> };

export const servers: Readonly<Record<RowName, SharedServer | Absent>> = shared();

function shared(): Record<RowName, SharedServer | Absent> {
  const handover: Handover = JSON.parse(process.env[HANDOVER_VARIABLE] ?? '{}');
  const entries = Object.entries(handover).map(([row, found]) => [
    row,
    'remedy' in found ? found : { ...found, log: () => readLog(found) },
  ]);
  return Object.fromEntries(entries);
}

/** One `describe` for each row; for a row without a server a test that is skipped, or fails if every row is required. */
export function describeServers(name: string, tests: (server: SharedServer) => void): void {
  for (const row of rowNames) {
    const server = servers[row];
    describe(`${name}, ${row}`, () => ('remedy' in server ? absent(server) : tests(server)));
  }
}

function absent({ row, remedy }: Absent): void {
  const title = `skipped: ${row} (${remedy})`;
  const isRequired = process.env['REQUIRE_SERVERS'] === 'all';
  (isRequired ? test : test.skip)(title, () => {
    throw new Error(`REQUIRE_SERVERS=all, but there is no server for ${row}: ${remedy}`);
  });
}
