import type { EngineKey } from '../crash-matrix/engine.ts';
import { mongodb } from '../engines/mongodb/interleavings.ts';
import { mariadb, mysql } from '../engines/mysql/interleavings.ts';
import { postgres } from '../engines/postgres/interleavings.ts';
import type { Hands } from './hands.ts';

const hands: Readonly<Record<EngineKey, Hands>> = { postgres, mysql, mariadb, mongo: mongodb };

export function handsFor(engine: EngineKey): Hands {
  return hands[engine];
}
