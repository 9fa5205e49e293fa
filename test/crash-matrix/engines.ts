import { type RowName, rows } from '../../local/servers/rows.ts';
import type { Engine, EngineKey } from './engine.ts';
import { mongodb } from './mongodb.ts';
import { mariadb, mysql } from './mysql.ts';
import { postgres } from './postgres.ts';

const engines: Readonly<Record<EngineKey, Engine>> = { postgres, mysql, mariadb, mongo: mongodb };

export function engineOf(row: RowName): Engine {
  return engines[rows[row].engineKey];
}
