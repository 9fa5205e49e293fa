import type { ServerEngine } from './engine.ts';
import { mongodbServers } from './mongodb.ts';
import { mysqlServers } from './mysql.ts';
import { postgresServers } from './postgres.ts';
import type { EngineName } from './rows.ts';

export const engines: Readonly<Record<EngineName, ServerEngine>> = {
  postgres: postgresServers,
  mysql: mysqlServers,
  mongodb: mongodbServers,
};
