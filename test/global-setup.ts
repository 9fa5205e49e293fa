/** Starts one server of each row for the whole run; test files reach them through servers.ts. */
import { OWNER_VARIABLE, thisProcess } from '../local/owner.ts';
import { removeOwn } from '../local/servers/leftovers.ts';
import { introduction, NoServer, type Server, type ServerDescription, startServer } from '../local/servers/server.ts';
import { type RowName, rowNames } from './engines/servers.ts';

/** Holds a `Handover` as JSON. */
export const HANDOVER_VARIABLE = 'SECRET_ROTATION_FUNCTIONS_SERVERS';
export type Handover = Record<RowName, ServerDescription | Absent>;
export type Absent = { row: RowName; remedy: string };

export const started: Server[] = [];

export default async function startServers(): Promise<void> {
  process.env[OWNER_VARIABLE] = thisProcess; // what a test file starts and forgets is removed with the rest
  try {
    const found = await Promise.all(rowNames.map(startOrExplain));
    process.env[HANDOVER_VARIABLE] = JSON.stringify(Object.fromEntries(found.map((server) => [server.row, server])));
    process.stderr.write(`${found.map(line).join('\n')}\n`);
  } catch (error) {
    await removeOwn(); // Jest runs no teardown after a failed setup
    throw error;
  }
}

async function startOrExplain(row: RowName): Promise<Server | Absent> {
  try {
    const server = await startServer(row);
    started.push(server);
    return server;
  } catch (error) {
    if (error instanceof NoServer) return { row, remedy: error.remedy };
    throw error;
  }
}

function line(found: Server | Absent): string {
  return 'remedy' in found ? `skipped: ${found.row} (${found.remedy})` : `${found.row}: ${introduction(found)}`;
}
