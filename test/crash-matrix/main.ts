/**
 * npm run crash-matrix: kills, drops, delays and falsifies at every message of a rotation, and checks the README's promises after each.
 * Exit code 0 if all were kept and, in a full run, every fault was delivered and the window measured; 1 if not, 2 for wrong options.
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { temporaryDirectory } from '../../local/owner.ts';
import { introduction, NoServer } from '../../local/servers/server.ts';
import { buildFunction } from '../../scripts/build.ts';
import { STRATEGY_NAMES, type StrategyName } from '../../shared/database/strategies/facts.ts';
import { chooseRow, engineKeys, type RowName, rowNames, rows } from '../engines/servers.ts';
import { findCuts, findPoints, openBenches, runPoints } from './benches.ts';
import type { Engine } from './engine.ts';
import { engineOf, unsupported } from './engines.ts';
import { cutCalled, type Point, tenthOf, twentiethOf } from './points.ts';
import { isFailure, missing, probing, replay, table, verdict, windowSummary, writeDocument } from './report.ts';
import type { Bench, PointResult, Result } from './run-point.ts';
import { isExact, measureWindow } from './window.ts';

const USAGE = `npm run crash-matrix -- [options]
  --server NAME     ${rowNames.join(', ')}; the first unless given
  --engine NAME     ${engineKeys.join(', ')}: the first server of that engine, or the one that is named
  --strategy NAME   ${STRATEGY_NAMES.join(', ')}; the first unless given
  --workers N       points at a time, each on a server of its own; twice the number of cores unless given
Without one of these the full matrix, which writes docs/crash-matrix.md:
  --writes          what changes something, and the answers to it
  --tenth           those, and a tenth of the rest, another tenth each day
  --twentieth       a twentieth of all, another each day
  --point ID        one point, with its timeline
  --window          how long AWSCURRENT alone does not log in, with single-user`;

const DOCUMENT = new URL('../../docs/crash-matrix.md', import.meta.url);
const WINDOW_RUNS = 20;

const PARTS = ['writes', 'tenth', 'twentieth'] as const;
type Part = (typeof PARTS)[number];
type Selection = 'full' | Part | 'window' | { point: string };
type Options = { row: RowName; strategy: StrategyName; workers: number; selection: Selection };

/** @throws with what is wrong */
function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      server: { type: 'string' },
      engine: { type: 'string' },
      strategy: { type: 'string', default: STRATEGY_NAMES[0] as string },
      workers: { type: 'string', default: String(2 * availableParallelism()) },
      writes: { type: 'boolean' },
      tenth: { type: 'boolean' },
      twentieth: { type: 'boolean' },
      window: { type: 'boolean' },
      point: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const { server, engine, point } = values;
  const row = chooseRow(server, engine);
  const strategy = STRATEGY_NAMES.find((name) => name === values.strategy);
  if (strategy === undefined) throw new Error(`--strategy is none of ${STRATEGY_NAMES.join(', ')}`);
  const why = unsupported(row, strategy);
  if (why) throw new Error(`${rows[row].product} has no --strategy ${strategy}: ${why}`);
  if (values.window && strategy !== 'single-user') throw new Error('--window is for --strategy single-user');
  const workers = Number(values.workers);
  if (!Number.isInteger(workers) || workers < 1) throw new Error('--workers is no number from 1 on');
  const chosen = ([...PARTS, 'window'] as const).filter((name) => values[name]);
  if (chosen.length + (point === undefined ? 0 : 1) > 1)
    throw new Error('--writes, --tenth, --twentieth, --point and --window exclude each other');
  const selection = point === undefined ? (chosen[0] ?? 'full') : { point };
  return { row, strategy, workers: selection === 'window' || point !== undefined ? 1 : workers, selection };
}

/** @returns whether every promise was kept */
async function run({ row, strategy, workers, selection }: Options): Promise<boolean> {
  await using folder = await temporaryDirectory();
  const built = join(folder.path, 'function');
  await buildFunction(rows[row].engine, { folder: built });
  const bundle = join(built, 'index.mjs');
  await using opened = await openBenches(row, strategy, bundle, workers);
  const [bench] = opened.benches as [Bench];
  console.log(`${workers} × ${introduction(bench.server)}`);
  for (const reason of missing(bench.abilities)) console.log(`On this server ${reason}.`);
  if (selection === 'window') return await showWindow(bench);
  if (typeof selection === 'object') return await runOne(bench, selection.point);
  return await (selection === 'full' ? runFull(row, opened.benches) : runSome(row, opened.benches, selection));
}

async function showWindow(bench: Bench): Promise<boolean> {
  const window = await measureWindow(bench, WINDOW_RUNS);
  for (const { grewBy, slept, interval, agrees } of window.runs)
    console.log(
      `slept ${slept.toFixed(1)} ms, window grew by ${grewBy.toFixed(1)} ms, interval ${interval.toFixed(1)} ms${agrees ? '' : '  ✗'}`,
    );
  console.log(windowSummary(window));
  return isExact(window);
}

async function runOne(bench: Bench, id: string): Promise<boolean> {
  const cut = cutCalled(id);
  const points = cut === undefined ? (await findPoints(bench)).points : [cut];
  const point = points.find((candidate) => candidate.id === id);
  if (point === undefined) {
    console.log(`There is no such point; there are:\n${points.map((each) => each.id).join('\n')}`);
    return false;
  }
  const [result] = (await runPoints([bench], [point])) as [PointResult];
  console.log(`${result.timeline}\n\n${verdict(result)}`);
  return !isFailure(result) && result.delivered;
}

async function runSome(row: RowName, benches: readonly Bench[], selection: Part): Promise<boolean> {
  const [bench] = benches as [Bench];
  const { points } = await findPoints(bench);
  const chosen = await choose[selection](points, async () => [...points, ...(await findCuts(bench))]);
  const results = await runShowing(row, benches, chosen);
  return !results.some(isFailure);
}

const choose: Record<Part, (points: Point[], withCuts: () => Promise<Point[]>) => Promise<Point[]>> = {
  writes: async (points) => points.filter(({ write }) => write),
  tenth: async (_, withCuts) => tenthOf(await withCuts(), today()),
  twentieth: async (_, withCuts) => twentiethOf(await withCuts(), today()),
};

async function runFull(row: RowName, benches: readonly Bench[]): Promise<boolean> {
  const started = performance.now();
  const commit = execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  const [bench] = benches as [Bench];
  const { strategy } = bench;
  const window = strategy === 'single-user' ? await measureWindow(bench, WINDOW_RUNS) : undefined;
  if (window) console.log(windowSummary(window));
  const { points, normal } = await findPoints(bench);
  const results = await runShowing(row, benches, [...points, ...(await findCuts(bench))]);
  await writeDocument(DOCUMENT, {
    row,
    strategy,
    server: `${bench.server.product} ${bench.server.version}`,
    commit,
    workers: benches.length,
    cores: availableParallelism(),
    minutes: (performance.now() - started) / 60_000,
    date: new Date().toISOString().slice(0, 10),
    abilities: bench.abilities,
    normal: countsOf(normal, engineOf(row)),
    window,
    results,
  });
  const complete = results.every(({ delivered }) => delivered) && (window === undefined || isExact(window));
  return complete && !results.some(isFailure);
}

function countsOf({ seen }: Result, { protocol }: Engine): { calls: number; logins: number } {
  return {
    calls: seen.filter(({ peer, direction }) => peer === 'sm' && direction === '→').length,
    logins: seen.filter(({ name }) => name === protocol.names.loggedIn).length,
  };
}

/** Says what fails at once, and how it goes now and then. */
async function runShowing(row: RowName, benches: readonly Bench[], points: readonly Point[]): Promise<PointResult[]> {
  const [bench] = benches as [Bench];
  let done = 0;
  const results = await runPoints(benches, points, (result) => {
    done++;
    if (isFailure(result))
      console.log(
        `\n${result.timeline}\n${verdict(result)}\n${result.point.id}\n${replay(row, bench.strategy, result.point)}\n`,
      );
    else if (!result.delivered) console.log(`not reached: ${result.point.id}`);
    if (done % 25 === 0 || done === points.length) console.log(`${done} of ${points.length}`);
  });
  console.log(`\n${table(results)}\n\nProber: ${probing(results)}.`);
  return results;
}

/** Days since 1970. */
function today(): number {
  return Math.floor(Date.now() / 86_400_000);
}

function optionsOrUsage(): Options {
  try {
    return readOptions();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exit(2);
  }
}

try {
  process.exitCode = (await run(optionsOrUsage())) ? 0 : 1;
} catch (error) {
  if (!(error instanceof NoServer)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
