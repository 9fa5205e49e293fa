import { type RowName, rows } from '../../local/servers/rows.ts';
import { mongodb } from '../engines/mongodb/crash-matrix/engine.ts';
import { mariadb, mysql } from '../engines/mysql/crash-matrix/engine.ts';
import { postgres } from '../engines/postgres/crash-matrix/engine.ts';
import type { Engine, EngineKey } from './engine.ts';

const engines: Readonly<Record<EngineKey, Engine>> = { postgres, mysql, mariadb, mongo: mongodb };

export function engineOf(row: RowName): Engine {
  return engines[rows[row].engineKey];
}
