/** The engines on whose servers the tests, the demo and the crash matrix run: a line for each. */
import type { ServerEngine } from '../../local/servers/engine.ts';
import type { Row } from '../../local/servers/row.ts';
import type { Address } from '../../local/servers/source.ts';
import type { Users } from '../../local/servers/users.ts';
import { mongodbServers } from './mongodb/servers.ts';
import { mysqlServers } from './mysql/servers.ts';
import { postgresServers } from './postgres/servers.ts';

/** By the folder of functions/ whose function rotates on them. */
const servers = {
  postgres: postgresServers,
  mysql: mysqlServers,
  mongodb: mongodbServers,
} as const satisfies Record<string, ServerEngine>;

type Servers = typeof servers;
export type EngineName = keyof Servers;
export type RowNameOf<E extends EngineName> = { [Name in E]: keyof Servers[Name]['rows'] }[E];
export type RowName = RowNameOf<EngineName>;
type KeyIn<Rows> = Rows[keyof Rows] extends { engineKey: infer Key } ? Key : never;
/** An engine's name in a secret. */
export type EngineKey = { [Name in EngineName]: KeyIn<Servers[Name]['rows']> }[EngineName];

export const engineNames = Object.keys(servers) as EngineName[];

/** The newest first. */
export function rowsOf<E extends EngineName>(engine: E): [RowNameOf<E>, ...RowNameOf<E>[]] {
  return Object.keys(servers[engine].rows) as [RowNameOf<E>, ...RowNameOf<E>[]];
}

export const rowNames: readonly RowName[] = engineNames.flatMap((engine) => rowsOf(engine));

export const rows = Object.fromEntries(
  engineNames.flatMap((engine) =>
    Object.entries(servers[engine].rows).map(([name, row]) => [name, { ...row, engine }]),
  ),
) as Readonly<Record<RowName, Row & { engineKey: EngineKey; engine: EngineName }>>;

export const engineKeys: readonly EngineKey[] = [...new Set(rowNames.map((row) => rows[row].engineKey))];

export function serversOf(row: RowName): ServerEngine {
  return servers[rows[row].engine];
}

/** With another `host` and `port`, through a proxy: `usersOf({ ...server, host, port })`. */
export function usersOf(server: Address & { row: RowName }): Users {
  return serversOf(server.row).users(server);
}

/**
 * By the options `--server` and `--engine`.
 * @throws if there is none
 */
export function chooseRow(server: string | undefined, engine: string | undefined): RowName {
  if (engine !== undefined && !(engineKeys as readonly string[]).includes(engine))
    throw new Error(`--engine is none of ${engineKeys.join(', ')}`);
  const ofEngine = rowNames.filter((name) => engine === undefined || rows[name].engineKey === engine);
  const row = server === undefined ? ofEngine[0] : ofEngine.find((name) => name === server);
  if (row === undefined) throw new Error(`--server is none of ${ofEngine.join(', ')}`);
  return row;
}
