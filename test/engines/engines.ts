/**
 * What the demo, the tests of rotations, the conformance suite, the crash matrix, the interleavings and
 * the benchmark know of each engine: a line for each.
 */
import type { DemoEngine } from '../../local/demo/engine.ts';
import type { Engine } from '../../shared/database/engine.ts';
import type { BenchmarkEngine } from '../benchmark/engine.ts';
import type { Subject } from '../conformance/subject.ts';
import type { Engine as MatrixEngine } from '../crash-matrix/engine.ts';
import type { Hands } from '../interleavings/hands.ts';
import type { RotatedEngine } from '../rotation/engine.ts';
import type { SharedServer } from '../servers.ts';
import { mongodb } from './mongodb/index.ts';
import { mysql } from './mysql/index.ts';
import { postgres } from './postgres/index.ts';
import { type EngineKey, type EngineName, engineNames } from './servers.ts';

type TestedEngine = {
  /** The function's, which says what it cannot do. */
  rotates: Engine;
  demo: DemoEngine;
  rotation: RotatedEngine;
  /** @param isShared other test files use the server, too */
  subject(server: SharedServer, isShared: boolean): Subject | Promise<Subject>;
  /** Servers of different products may differ, and an engine's name in a secret tells them apart. */
  matrix(engineKey: EngineKey): MatrixEngine;
  hands(engineKey: EngineKey): Hands;
  benchmark: BenchmarkEngine;
};

export const engines: Readonly<Record<EngineName, TestedEngine>> = {
  postgres,
  mysql,
  mongodb,
};

/** Those that can alternate users, with one of their products at least. */
export const enginesWithTwins = engineNames.filter((name) => {
  const { rotates } = engines[name];
  return rotates.engineKeys.some((key) => !('unsupported' in rotates.twins(key)));
});
