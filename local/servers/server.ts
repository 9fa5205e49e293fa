/** Database servers on this machine, from the first source that has one. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { givenServer } from './address.ts';
import { embeddedServer, serverOnPath } from './binaries.ts';
import { containerLog, serverInDocker } from './docker.ts';
import { prepareRun } from './leftovers.ts';
import { connect, turnOnTls, whenItAnswers } from './postgres.ts';
import { type RowName, rows } from './rows.ts';
import type { Address, LogPlace, Settings, Source, Started } from './source.ts';

/** In the order in which they are asked. */
export const sources = {
  address: givenServer,
  docker: serverInDocker,
  path: serverOnPath,
  embedded: embeddedServer,
} as const satisfies Record<string, Source>;
export type SourceName = keyof typeof sources;

export type ServerOptions = Settings & {
  /** Only these sources. A server that is to be restarted cannot come from an address. */
  from?: readonly SourceName[];
};

/** All that another process needs to use the server; survives JSON. */
export type ServerDescription = Address & {
  row: RowName;
  /** As the server says, `18.1`. */
  version: string;
  source: string;
  logPlace: LogPlace;
};

/** Disposing of it stops it. */
export type Server = ServerDescription &
  AsyncDisposable & {
    /** All that the server had logged when this was called. Rejects for a server given by its address. */
    log(): Promise<string>;
    /** Resolves when it answers again, at the same address. Rejects for a server given by its address. */
    restart(): Promise<void>;
    stop(): Promise<void>;
  };

/** No source has a server of this row; `remedy` says what would help. */
export class NoServer extends Error {
  readonly remedy: string;

  constructor(row: RowName, remedies: string[]) {
    const remedy = new Intl.ListFormat('en', { type: 'disjunction' }).format(remedies);
    super(`There is no server for ${row}: ${remedy}`);
    this.name = 'NoServer';
    this.remedy = remedy;
  }
}

/** @throws {NoServer} and what a server that should start says when it does not */
export async function startServer(row: RowName, options: ServerOptions = {}): Promise<Server> {
  await prepareRun();
  const { from = Object.keys(sources) as SourceName[], ...settings } = options;
  const remedies: string[] = [];
  for (const name of from) {
    const found = await sources[name](rows[row], settings);
    if ('address' in found) return ready(row, found, settings);
    if (found.remedy) remedies.push(found.remedy);
  }
  throw new NoServer(row, remedies);
}

async function ready(row: RowName, started: Started, settings: Settings): Promise<Server> {
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => started.stop());
  const { address, source, logPlace, isRunning } = started;
  const version = await whenItAnswers(address, isRunning);
  const { product, major } = rows[row];
  if (Number.parseInt(version, 10) !== major)
    throw new Error(`The server for ${row} has to be ${product} ${major}, but ${source} is ${product} ${version}.`);
  if (settings.tls) await turnOnTls(address, settings.tls);
  const running = cleanUp.move();
  const description = { ...address, row, version, source, logPlace };
  return {
    ...description,
    log: () => readLog(description),
    restart: async () => {
      await started.restart();
      await whenItAnswers(address, isRunning);
    },
    stop: () => running.disposeAsync(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

export async function readLog({ logPlace, ...address }: ServerDescription): Promise<string> {
  if ('file' in logPlace) return readFile(logPlace.file, 'utf8');
  if ('unreadable' in logPlace) throw new Error(logPlace.unreadable);
  const marker = randomUUID();
  await mark(address, marker);
  for (let triesLeft = 200; triesLeft > 0; triesLeft--, await sleep(50)) {
    const log = await containerLog(logPlace.container);
    if (log.includes(marker)) return log;
  }
  throw new Error(`Docker has not delivered the log of container ${logPlace.container} within 10 s`);
}

/** Docker hands on what a server logs a little later, in order: what stood before the marker is there when the marker is. */
async function mark(address: Address, marker: string): Promise<void> {
  await using client = await connect(address);
  await client.query(`DO $$ BEGIN RAISE LOG '${marker}'; END $$`);
}

/** For people: `PostgreSQL 18.1, Docker image postgres:18.1`. */
export function introduction({ row, version, source }: ServerDescription): string {
  return `${rows[row].product} ${version}, ${source}`;
}
