import type { EngineName } from '../servers/rows.ts';
import type { DemoEngine } from './engine.ts';
import { onMongoDb } from './on-mongodb.ts';
import { onMySql } from './on-mysql.ts';
import { onPostgres } from './on-postgres.ts';

export const ENGINES = {
  postgres: onPostgres,
  mysql: onMySql,
  mongodb: onMongoDb,
} as const satisfies Record<EngineName, DemoEngine>;
