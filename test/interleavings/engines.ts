import { engines } from '../engines/engines.ts';
import { type RowName, rows } from '../engines/servers.ts';
import type { Hands } from './hands.ts';

export function handsFor(row: RowName): Hands {
  const { engine, engineKey } = rows[row];
  return engines[engine].hands(engineKey);
}
