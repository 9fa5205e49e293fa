import { onMongoDb } from '../../test/engines/mongodb/demo.ts';
import { onMySql } from '../../test/engines/mysql/demo.ts';
import { onPostgres } from '../../test/engines/postgres/demo.ts';
import type { EngineName } from '../servers/rows.ts';
import type { DemoEngine } from './engine.ts';

export const ENGINES = {
  postgres: onPostgres,
  mysql: onMySql,
  mongodb: onMongoDb,
} as const satisfies Record<EngineName, DemoEngine>;
