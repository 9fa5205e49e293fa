/**
 * npm run interleavings: plays one act of a person, or of another attempt, rotation or function, before every call and message of a rotation, and
 * checks the promises of the README after each. Exit code 0 if all were kept and, in a full run, every act was done; 1 if not, 2 for wrong options.
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { introduction, NoServer } from '../../local/servers/server.ts';
import { STRATEGY_NAMES, type StrategyName } from '../../shared/database/strategies/facts.ts';
import { unsupported } from '../crash-matrix/engines.ts';
import { type RowName, rowNames, rows } from '../engines/servers.ts';
import { type ActName, acts } from './acts.ts';
import { findPoints, openBenches, type PointResult, playPoints, startOwnServer } from './benches.ts';
import { loadFunction } from './function.ts';
import { type Point, partOf } from './points.ts';
import { isFailure, isNotReached, kindOf, replay, table, verdict, writeDocument } from './report.ts';
import type { Bench } from './world.ts';

const DOCUMENT = new URL('../../docs/interleavings.md', import.meta.url);
const ACTS = Object.keys(acts) as ActName[];

const USAGE = `npm run interleavings -- [options]
  --server NAME     ${rowNames.join(', ')}; the first unless given
  --strategy NAME   ${STRATEGY_NAMES.join(', ')}; the first unless given
  --workers N       points at a time, all on one server; four times the number of cores unless given
Without one of these all, which writes docs/interleavings.md:
  --act NAME        one act at all places: ${ACTS.join(', ')}
  --part I/N        every Nth point
  --point ID        one point, with its timeline`;

type Options = {
  row: RowName;
  strategy: StrategyName;
  workers: number;
  act: ActName | undefined;
  part: { part: number; of: number } | undefined;
  point: string | undefined;
};

/** @throws with what is wrong */
function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      server: { type: 'string', default: rowNames[0] as string },
      strategy: { type: 'string', default: STRATEGY_NAMES[0] as string },
      workers: { type: 'string', default: String(4 * availableParallelism()) },
      act: { type: 'string' },
      part: { type: 'string' },
      point: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const row = rowNames.find((name) => name === values.server);
  if (row === undefined) throw new Error(`--server is none of ${rowNames.join(', ')}`);
  const strategy = STRATEGY_NAMES.find((name) => name === values.strategy);
  if (strategy === undefined) throw new Error(`--strategy is none of ${STRATEGY_NAMES.join(', ')}`);
  const why = unsupported(row, strategy);
  if (why) throw new Error(`${rows[row].product} has no --strategy ${strategy}: ${why}`);
  const workers = Number(values.workers);
  if (!Number.isInteger(workers) || workers < 1) throw new Error('--workers is no number from 1 on');
  const act = ACTS.find((name) => name === values.act);
  if (values.act !== undefined && act === undefined) throw new Error(`--act is none of ${ACTS.join(', ')}`);
  return { row, strategy, workers, act, part: readPart(values.part), point: values.point };
}

function readPart(text: string | undefined): Options['part'] {
  if (text === undefined) return undefined;
  const [, part, of] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (part === undefined || of === undefined || part < 1 || part > of) throw new Error('--part is not like 1/20');
  return { part, of };
}

/** @returns whether every promise was kept, and in a whole run whether every act was done */
async function run({ row, strategy, workers, act, part, point }: Options): Promise<boolean> {
  const started = performance.now();
  await using server = await startOwnServer(row);
  await using opened = await openBenches(server, strategy, await loadFunction(row), point === undefined ? workers : 1);
  const { benches } = opened;
  console.log(introduction(server));
  const { points, absent } = await findPoints(benches[0]);
  for (const what of absent) console.log(`Not on this server: ${what}.`);
  if (point !== undefined) return await runOne(benches, points, point);
  const ofAct = act === undefined ? points : points.filter((each) => each.act === act);
  const chosen = part === undefined ? ofAct : partOf(ofAct, part.part, part.of);
  const results = await runShowing(row, strategy, benches, chosen);
  const isWhole = act === undefined && part === undefined;
  if (isWhole)
    await writeDocument(DOCUMENT, {
      row,
      strategy,
      server: `${server.product} ${server.version}`,
      commit: execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim(),
      workers,
      cores: availableParallelism(),
      minutes: (performance.now() - started) / 60_000,
      date: new Date().toISOString().slice(0, 10),
      absent,
      results,
    });
  return !results.some(isFailure) && !(isWhole && results.some(isNotReached));
}

async function runOne(benches: readonly Bench[], points: readonly Point[], id: string): Promise<boolean> {
  const point = points.find((candidate) => candidate.id === id);
  if (point === undefined) {
    console.log(`There is no such point; there are:\n${points.map((each) => each.id).join('\n')}`);
    return false;
  }
  const [result] = (await playPoints(benches, [point])) as [PointResult];
  console.log(`${result.timeline}\n\n${verdict(result)}`);
  return !isFailure(result) && result.delivered;
}

/** Says what fails at once, but of what fails alike the first only, and how it goes now and then. */
async function runShowing(
  row: RowName,
  strategy: StrategyName,
  benches: readonly Bench[],
  points: readonly Point[],
): Promise<PointResult[]> {
  const started = performance.now();
  const seen = new Map<string, number>();
  let done = 0;
  const results = await playPoints(benches, points, (result) => {
    done++;
    const kind = kindOf(result);
    if (isFailure(result) && !seen.has(kind))
      console.log(`${result.point.id}\n  ${verdict(result)}\n  ${replay(row, strategy, result.point)}`);
    if (isFailure(result)) seen.set(kind, (seen.get(kind) ?? 0) + 1);
    if (isNotReached(result)) console.log(`not reached: ${result.point.id}`);
    if (done % 100 === 0 || done === points.length) {
      const each = (performance.now() - started) / done;
      console.log(`${done} of ${points.length}, ${each.toFixed(0)} ms each`);
    }
  });
  console.log(`\n${table(results)}\n`);
  return results;
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
