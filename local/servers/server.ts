/** Database servers on this machine, from the first source that has one. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RowName, rows, serversOf } from '../../test/engines/servers.ts';
import { givenServer } from './address.ts';
import { containerFile, containerLog, serverInDocker } from './docker.ts';
import type { Identity, Source } from './engine.ts';
import { prepareRun } from './leftovers.ts';
import { isNamed, isOfProduct, isOfRow } from './row.ts';
import type { Address, LogPlace, Settings, Started } from './source.ts';
import { whenItAnswers } from './waiting.ts';

/** In the order in which they are asked. */
const sourceNames = ['address', 'docker', 'path', 'embedded'] as const;
export type SourceName = (typeof sourceNames)[number];

export type ServerOptions = Settings & {
  /** Only these sources. A server that is to be restarted cannot come from an address. */
  from?: readonly SourceName[];
};

/** All that another process needs to use the server; survives JSON. */
export type ServerDescription = Address &
  Identity & {
    row: RowName;
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
  const { from = sourceNames, ...settings } = options;
  const engine = serversOf(row);
  const sources: Partial<Record<SourceName, Source>> = {
    address: givenServer,
    docker: serverInDocker,
    ...engine.programs,
  };
  const remedies: string[] = [];
  const { npmVariable = '' } = rows[row];
  for (const name of process.env[npmVariable] ? (['embedded'] as const) : from) {
    const found = (await sources[name]?.(engine, rows[row], settings)) ?? {};
    if ('address' in found) return ready(row, found, settings);
    if (found.remedy) remedies.push(found.remedy);
  }
  throw new NoServer(row, remedies);
}

async function ready(row: RowName, started: Started, settings: Settings): Promise<Server> {
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => started.stop());
  const { address, source, logPlace, isRunning } = started;
  const engine = serversOf(row);
  const identity = await whenItAnswers(engine, address, isRunning);
  const wanted = rows[row];
  if (!(isNamed(wanted) ? isOfProduct : isOfRow)(wanted, identity)) {
    const found = `${identity.product} ${identity.version}`;
    throw new Error(`The server for ${row} has to be ${wanted.product} ${wanted.version}, but ${source} is ${found}.`);
  }
  if (settings.tls) await engine.turnOnTls?.(address, settings.tls);
  const running = cleanUp.move();
  const description = { ...address, ...identity, row, source, logPlace };
  return {
    ...description,
    log: () => readLog(description),
    restart: async () => {
      await started.restart();
      await whenItAnswers(engine, address, isRunning);
    },
    stop: () => running.disposeAsync(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

export async function readLog({ logPlace, row, ...address }: ServerDescription): Promise<string> {
  if ('unreadable' in logPlace) throw new Error(logPlace.unreadable);
  if ('file' in logPlace) return readFile(logPlace.file, 'utf8');
  const { container } = logPlace;
  const { containerLog: log } = serversOf(row);
  if ('file' in log) return containerFile(container, log.file);
  const marker = randomUUID();
  await log.mark(address, marker);
  for (let triesLeft = 200; triesLeft > 0; triesLeft--, await sleep(50)) {
    const output = await containerLog(container);
    if (output.includes(marker)) return output;
  }
  throw new Error(`Docker has not delivered the log of container ${container} within 10 s`);
}

/** For people: `PostgreSQL 18.1, Docker image postgres:18.1`. */
export function introduction({ product, version, source }: ServerDescription): string {
  return `${product} ${version}, ${source}`;
}
