import { engines } from '../engines/engines.ts';
import { type RowName, rows } from '../engines/servers.ts';
import type { Engine } from './engine.ts';

export function engineOf(row: RowName): Engine {
  const { engine, engineKey } = rows[row];
  return engines[engine].matrix(engineKey);
}
