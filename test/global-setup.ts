/** Lends servers to all test files of a run: each is started when one first asks for it, through servers.ts, and runs to the end. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { HttpService } from '../local/http-service.ts';
import { OWNER_VARIABLE, thisProcess } from '../local/owner.ts';
import { introduction, NoServer, type Server, type ServerDescription, startServer } from '../local/servers/server.ts';
import type { Settings } from '../local/servers/source.ts';
import type { RowName } from './engines/servers.ts';

/** Holds the address that a `Loan` is posted to. The answer is a `Lent`. */
export const LENDER_VARIABLE = 'SECRET_ROTATION_FUNCTIONS_SERVERS';
export type Loan = { rows: readonly RowName[]; settings?: Settings };
export type Lent = Partial<Record<RowName, ServerDescription | Absent>>;
export type Absent = { row: RowName; remedy: string };

class Lender extends HttpService {
  readonly #running: Server[] = [];
  readonly #asked = new Map<string, Promise<ServerDescription | Absent>>();

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { rows, settings }: Loan = JSON.parse(await text(request));
      const found = await Promise.all(rows.map((row) => this.#lend(row, settings)));
      response.end(JSON.stringify(Object.fromEntries(found.map((server) => [server.row, server]))));
    } catch (error) {
      response.writeHead(500).end(error instanceof Error ? error.stack : String(error));
    }
  }

  #lend(row: RowName, settings: Settings | undefined): Promise<ServerDescription | Absent> {
    const key = JSON.stringify([row, settings]);
    const asked = this.#asked.get(key) ?? this.#start(row, settings);
    this.#asked.set(key, asked);
    return asked;
  }

  /** With settings it cannot be one that somebody else runs. */
  async #start(row: RowName, settings: Settings | undefined): Promise<ServerDescription | Absent> {
    try {
      const server = await startServer(row, settings && { ...settings, from: ['docker', 'path', 'embedded'] });
      this.#running.push(server);
      if (settings === undefined) process.stderr.write(`${row}: ${introduction(server)}\n`);
      return server;
    } catch (error) {
      if (!(error instanceof NoServer)) throw error;
      if (settings === undefined) process.stderr.write(`skipped: ${row} (${error.remedy})\n`);
      return { row, remedy: error.remedy };
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await Promise.allSettled(this.#asked.values()); // one that is being started
    await Promise.all(this.#running.map((server) => server.stop()));
  }
}

/** Of the run that this process belongs to. */
export async function borrow(loan: Loan): Promise<Lent> {
  const address = process.env[LENDER_VARIABLE];
  if (address === undefined) throw new Error('Nobody lends servers here: jest.config.js names who does');
  const response = await fetch(address, { method: 'POST', body: JSON.stringify(loan) });
  if (!response.ok) throw new Error(`No server is lent: ${await response.text()}`);
  return (await response.json()) as Lent;
}

export const lender = new Lender();

export default async function lendServers(): Promise<void> {
  process.env[OWNER_VARIABLE] = thisProcess; // what a test file starts and forgets is removed with the rest
  await lender.listen();
  process.env[LENDER_VARIABLE] = lender.endpoint;
}
