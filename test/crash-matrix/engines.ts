import { type Facts, STRATEGIES, type StrategyName } from '../../shared/database/strategies/facts.ts';
import { engines } from '../engines/engines.ts';
import { type RowName, rows } from '../engines/servers.ts';
import type { Engine } from './engine.ts';

export function engineOf(row: RowName): Engine {
  const { engine, engineKey } = rows[row];
  return engines[engine].matrix(engineKey);
}

/** @returns why the function has no such strategy on that server; undefined if it has */
export function unsupported(row: RowName, strategy: StrategyName): string | undefined {
  const { engine, engineKey } = rows[row];
  const { capability }: Facts = STRATEGIES[strategy];
  const found = capability && engines[engine].rotates[capability](engineKey);
  return found && 'unsupported' in found ? found.unsupported : undefined;
}
