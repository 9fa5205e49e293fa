/** The database servers of this test run, for test files. */
import { afterAll, describe, test } from '@jest/globals';
import {
  NoServer,
  readLog,
  type Server,
  type ServerDescription,
  type ServerOptions,
  startServer,
} from '../local/servers/server.ts';
import type { Settings } from '../local/servers/source.ts';
import { absent } from './absent.ts';
import { type EngineName, type RowName, rowNames, rowsOf } from './engines/servers.ts';
import { type Absent, borrow } from './global-setup.ts';

/**
 * All test files share it: they make users, databases and secrets under names of their own, and leave settings alone.
 * For a restart, or settings that change, there is `startServer`.
 */
export type SharedServer = ServerDescription & { log(): Promise<string> };

export const servers: Readonly<Record<RowName, SharedServer | Absent>> = await shared(rowNames);

async function shared<R extends RowName>(
  rows: readonly R[],
  settings?: Settings,
): Promise<Record<R, SharedServer | Absent>> {
  const lent = await borrow({ rows, ...(settings && { settings }) });
  const entries = Object.entries(lent).map(([row, found]) => [
    row,
    'remedy' in found ? found : { ...found, log: () => readLog(found) },
  ]);
  return Object.fromEntries(entries);
}

/** One `describe` for each row of the engine; for a row without a server a test that is skipped, or fails if every row is required. */
export function describeServers(engine: EngineName, name: string, tests: (server: SharedServer) => void): void {
  for (const row of rowsOf(engine)) {
    const server = servers[row];
    describe(`${name}, ${row}`, () => ('remedy' in server ? absent(row, server.remedy) : tests(server)));
  }
}

/** Like describeServers, on one server only: for a rule of the core, which is the same on all. */
export function describeOneServer(name: string, tests: (server: SharedServer) => void): void {
  const [row] = rowsOf('postgres');
  const server = servers[row];
  describe(`${name}, ${row}`, () => ('remedy' in server ? absent(row, server.remedy) : tests(server)));
}

/** Like describeServers, with servers that have these settings: all test files that ask for the same share them. */
export async function describeServersWith(
  engine: EngineName,
  name: string,
  settings: Settings,
  tests: (server: SharedServer) => void,
): Promise<void> {
  for (const server of Object.values(await shared(rowsOf(engine), settings)))
    describe(`${name}, ${server.row}`, () => ('remedy' in server ? absent(server.row, server.remedy) : tests(server)));
}

/**
 * Like describeServers, with servers that no other test file uses: they may be configured, restarted and spoilt.
 * @param prepare returns why the tests have to be skipped on this server, if they have to; on one row they must not
 */
export async function describeOwnServers(
  engine: EngineName,
  name: string,
  settings: Settings,
  tests: (server: Server) => void,
  prepare: (server: Server) => Promise<string | undefined> = async () => undefined,
): Promise<void> {
  const options: ServerOptions = { ...settings, from: ['docker', 'path', 'embedded'] };
  const rows = rowsOf(engine);
  const found = await Promise.all(rows.map((row) => startServer(row, options).catch(orAbsent)));
  const unfit = await Promise.all(found.map((server) => ('remedy' in server ? server.remedy : prepare(server))));
  for (const [index, server] of found.entries()) {
    const row = rows[index] as RowName;
    describe(`${name}, ${row}`, () => {
      if ('remedy' in server) return absent(row, server.remedy);
      afterAll(() => server.stop());
      const why = unfit[index];
      if (why === undefined) return tests(server);
      return unfit.every((reason) => reason !== undefined) ? absent(name, why) : test.skip(`skipped: ${why}`, () => {});
    });
  }
}

function orAbsent(error: unknown): NoServer {
  if (error instanceof NoServer) return error;
  throw error;
}

type Test = (title: string, body: () => Promise<void>, timeoutMs?: number) => void;

/** `test`, or if there is a reason against it one that is skipped and says so in its title. */
export function testUnless(why: string | undefined): Test {
  return why === undefined ? test : (title, body) => test.skip(`${title} (skipped: ${why})`, body);
}

/** For a test that finds users in the server's log. */
export function testWithNamesInLog({ logPlace, namesNobody }: ServerDescription): Test {
  return testUnless('unreadable' in logPlace ? logPlace.unreadable : namesNobody);
}

/** For a test that reads the server's log, which cannot be read if somebody else runs the server. */
export function testWithLog({ logPlace }: ServerDescription): Test {
  return testUnless('unreadable' in logPlace ? logPlace.unreadable : undefined);
}
