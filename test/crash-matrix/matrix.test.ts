/** What the matrix finds wherever the tests run: the writes of a rotation survive, and a broken rule does not. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WarmSandboxes } from '../../local/lambda.ts';
import { temporaryDirectory } from '../../local/owner.ts';
import { buildFunction } from '../../scripts/build.ts';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import { absent } from '../absent.ts';
import { type EngineKey, engineKeys, type RowName, rowNames, rows } from '../engines/servers.ts';
import { servers } from '../servers.ts';
import { findPoints, openBenches, runPoints, sharing } from './benches.ts';
import { type BrokenRule, breaking, brokenRules } from './broken-rules.ts';
import { engineOf } from './engines.ts';
import type { Point } from './points.ts';
import { isFailure, replay, verdict } from './report.ts';
import { type Bench, type PointResult, type Result, runPoint } from './run-point.ts';

const WORKERS = 3;
const MINUTES = 60_000;

/** The first server that there is of each engine; the full runs are for all of them. */
for (const engine of engineKeys) {
  const row = rowNames.find((name) => rows[name].engineKey === engine && !('remedy' in servers[name]));
  if (row === undefined) absent(`the crash matrix, ${engine}`, 'there is no server for any row of it');
  else describe(`the crash matrix, ${row}`, () => matrix(engine, row));
}

function matrix(engine: EngineKey, row: RowName): void {
  const cleanUp = new AsyncDisposableStack();
  let folder: string;
  let opened: Bench[];
  const points = new Map<StrategyName, Point[]>();
  const { selections } = engineOf(row);
  const rules = brokenRules.filter((rule) => rule.engine === engine);
  const build = async (name: string, plugins: Parameters<typeof buildFunction>[1] = {}) => {
    const bundle = join(folder, name, 'index.mjs');
    await buildFunction(rows[row].engine, { ...plugins, folder: join(folder, name) });
    return bundle;
  };
  const benchesOf = (strategy: StrategyName) => opened.map((bench): Bench => ({ ...bench, strategy }));
  const pointsOf = (strategy: StrategyName) => points.get(strategy) ?? [];

  beforeAll(async () => {
    folder = cleanUp.use(await temporaryDirectory()).path;
    opened = cleanUp.use(await openBenches(row, 'single-user', await build('intact'), WORKERS)).benches;
    for (const { strategy } of [...selections, ...rules])
      if (!points.has(strategy)) points.set(strategy, (await findPoints(benchesOf(strategy)[0] as Bench)).points);
  }, 3 * MINUTES);
  afterAll(async () => {
    await Promise.allSettled(reports?.values() ?? []); // a single test was chosen: the others run on
    await cleanUp.disposeAsync();
  }, 3 * MINUTES);

  test.each(selections)(
    '$title',
    async ({ strategy, chosen, atLeast }) => {
      const results = await runPoints(benchesOf(strategy), pointsOf(strategy).filter(chosen));

      expect(results.length).toBeGreaterThanOrEqual(atLeast);
      const explained = (result: PointResult) =>
        `${verdict(result)}\n${replay(row, strategy, result.point)}\n${result.timeline}`;
      expect(results.filter(isFailure).map(explained)).toEqual([]);
      // Beside all the other tests a machine can be too busy to reach one or two of many, however often; a full run has to reach all.
      const notReached = results.filter(({ delivered }) => !delivered).map(({ point }) => point.id);
      expect(notReached.slice(Math.floor(results.length / 40))).toEqual([]);
    },
    5 * MINUTES,
  );

  /** Of the point that reports the rule: what it says without the rule, and how it goes with it. */
  type Report = Promise<[violations: string, intact: Result]>;
  let reports: ReadonlyMap<BrokenRule, Report> | undefined;

  /** All rules side by side. */
  const runRules = (): ReadonlyMap<BrokenRule, Report> => {
    const onFreeBench = sharing(opened);
    const intact = new Map<Point, Promise<Result>>();
    const runIntact = (strategy: StrategyName, point: Point) => {
      const result = intact.get(point) ?? onFreeBench((bench) => deliver({ ...bench, strategy }, point, () => true));
      intact.set(point, result);
      return result;
    };
    const runBroken = (rule: BrokenRule, point: Point) =>
      onFreeBench(async (bench) => {
        const bundle = await build(`broken ${rules.indexOf(rule)}`, { plugins: [breaking(rule)] });
        await using warm = new WarmSandboxes();
        const { violations } = await deliver({ ...bench, strategy: rule.strategy, bundle, warm }, point, says(rule));
        return violations.join('\n');
      });
    return new Map(
      rules.map((rule) => {
        const point = pointsOf(rule.strategy).find(({ id }) => id === rule.caughtBy);
        if (point === undefined) throw new Error(`There is no point ${rule.caughtBy}`);
        const report = Promise.all([runBroken(rule, point), runIntact(rule.strategy, point)]);
        report.catch(() => {}); // its test hears of it
        return [rule, report];
      }),
    );
  };

  test.each(rules)(
    '$strategy: notices without the rule that $rule',
    async (rule) => {
      reports ??= runRules();

      const [violations, intact] = (await reports.get(rule)) ?? [];

      expect(violations).toContain(rule.saying);
      expect(intact).toMatchObject({ delivered: true, violations: [] });
    },
    3 * MINUTES,
  );
}

const says =
  ({ saying }: BrokenRule) =>
  ({ violations }: Result) =>
    violations.some((violation) => violation.includes(saying));

/** On a busy machine the function may run out of time before it comes to what is wanted, or before it does wrong: then the point is tried again. */
async function deliver(bench: Bench, point: Point, isWanted: (result: Result) => boolean): Promise<Result> {
  let result = await runPoint(bench, { point });
  for (let triesLeft = 4; triesLeft > 0 && !(result.delivered && isWanted(result)); triesLeft--)
    result = await runPoint(bench, { point });
  return result;
}
