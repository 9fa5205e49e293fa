/** Whom the benchmark measures: our function, its floor, and whatever else people name. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';
import { NODE, type Runtime } from '../../local/lambda.ts';
import { buildFunction } from '../../scripts/build.ts';
import { UsageError } from '../../scripts/usage.ts';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import type { Stand } from '../crash-matrix/administrator.ts';
import { engines } from '../engines/engines.ts';
import type { EngineName } from '../engines/servers.ts';
import { record } from './recording.ts';

export type Candidate = {
  /** As tables call it. */
  name: string;
  bundle: string;
  runtime: Runtime;
  /** @param rotations of its secret that earlier processes have made */
  environment(rotations: number): Readonly<Record<string, string>>;
};

export type Peer = Pick<Candidate, 'name' | 'bundle' | 'runtime'> & {
  /** The one strategy that it has; all, if absent. */
  strategy?: StrategyName;
};

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Files. */
type Built = { ours: string; floor: string };

export async function build(engine: EngineName, folder: string): Promise<Built> {
  const [ours, floor] = ['ours', 'floor'].map((name) => join(folder, name, 'index.mjs')) as [string, string];
  await buildFunction(engine, { folder: dirname(ours) });
  await buildFunction(engine, { folder: dirname(floor), plugins: [asFloor(engine)] });
  return { ours, floor };
}

/** Ours comes first. */
export async function candidatesOf(
  stand: Stand,
  strategy: StrategyName,
  { ours, floor }: Built,
  folder: string,
  peers: readonly Peer[],
): Promise<Candidate[]> {
  const recording = join(folder, `${strategy}.json`);
  await writeFile(recording, JSON.stringify(await record(stand, strategy, ours)));
  return [
    { name: 'ours', bundle: ours, runtime: NODE, environment: () => ({}) },
    {
      name: 'floor',
      bundle: floor,
      runtime: NODE,
      environment: (rotations) => ({ FLOOR_RECORDING: recording, FLOOR_ROTATIONS: String(rotations) }),
    },
    ...peers
      .filter((peer) => (peer.strategy ?? strategy) === strategy)
      .map((peer) => ({ ...peer, environment: () => ({}) })),
  ];
}

/** A process with nothing in it. */
export async function bareNode(folder: string): Promise<Omit<Candidate, 'name'>> {
  const bundle = join(folder, 'bare.mjs');
  await writeFile(bundle, 'export const handler = async () => {};\n');
  return { bundle, runtime: NODE, environment: () => ({}) };
}

/** Builds the floor in place of the function. */
function asFloor(engine: EngineName): Plugin {
  const from = (file: string) => JSON.stringify(join(ROOT, file));
  return {
    name: 'floor',
    setup({ onLoad }) {
      onLoad({ filter: /functions\/\w+\/handler\.ts$/ }, () => ({
        contents: `import { floorHandler } from ${from('test/benchmark/floor.ts')};
          import { floorDriver } from ${from(engines[engine].benchmark.driver)};
          export const handler = floorHandler(floorDriver);`,
        loader: 'ts',
      }));
    },
  };
}

const PYTHON_RUNTIME = fileURLToPath(new URL('../../local/lambda-runtime.py', import.meta.url));

/**
 * @param text `DIR`, or `STRATEGY=DIR`
 * @throws {UsageError}
 */
export function peerOf(text: string, strategies: readonly StrategyName[]): Peer {
  const strategy = strategies.find((name) => text.startsWith(`${name}=`));
  const folder = resolve(strategy === undefined ? text : text.slice(strategy.length + 1));
  const name = folder.split('/').at(-1) ?? folder;
  const common = { name, ...(strategy && { strategy }) };
  const [module, python] = ['index.mjs', 'lambda_function.py'].map((file) => join(folder, file)) as [string, string];
  if (existsSync(module)) return { ...common, bundle: module, runtime: NODE };
  if (existsSync(python))
    return {
      ...common,
      bundle: python,
      runtime: { command: python3(), program: PYTHON_RUNTIME, handler: 'lambda_handler' },
    };
  throw new UsageError(`--peer ${text} has neither an index.mjs nor a lambda_function.py.`);
}

/** By its path: functions have Lambda's PATH, not this one. */
function python3(): string {
  const found = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'python3'))
    .find((file) => existsSync(file));
  if (found === undefined) throw new UsageError('A peer in Python needs a python3 on PATH.');
  return found;
}
