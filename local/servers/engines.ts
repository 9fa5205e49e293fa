import { mongodbServers } from '../../test/engines/mongodb/servers.ts';
import { mysqlServers } from '../../test/engines/mysql/servers.ts';
import { postgresServers } from '../../test/engines/postgres/servers.ts';
import type { ServerEngine } from './engine.ts';
import type { EngineName } from './rows.ts';

export const engines: Readonly<Record<EngineName, ServerEngine>> = {
  postgres: postgresServers,
  mysql: mysqlServers,
  mongodb: mongodbServers,
};
