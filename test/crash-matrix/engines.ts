import { type RowName, rows } from '../../local/servers/rows.ts';
import type { Engine, EngineKey } from './engine.ts';
import { mariadb, mysql } from './mysql.ts';
import { postgres } from './postgres.ts';

const engines: Readonly<Record<Exclude<EngineKey, 'mongo'>, Engine>> = { postgres, mysql, mariadb };

export function engineOf(row: RowName): Engine {
  const { engineKey } = rows[row];
  if (engineKey === 'mongo') throw new Error('the crash matrix does not know MongoDB yet');
  return engines[engineKey];
}
