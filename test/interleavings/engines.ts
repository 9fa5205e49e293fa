import type { EngineKey } from '../crash-matrix/engine.ts';
import { postgres } from '../engines/postgres/interleavings.ts';
import type { Hands } from './hands.ts';

const hands: Readonly<Partial<Record<EngineKey, Hands>>> = { postgres };

export function handsFor(engine: EngineKey): Hands {
  const found = hands[engine];
  if (found === undefined) throw new Error(`nobody has hands for ${engine}`);
  return found;
}
