/**
 * The interleavings can fail: each rule that is broken on purpose is noticed at its point. With the rule,
 * the point is survived. INTERLEAVINGS=sample also plays a sample of all points.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import { absent } from '../absent.ts';
import { type EngineKey, engineKeys, rowNames, rows } from '../engines/servers.ts';
import { type SharedServer, servers } from '../servers.ts';
import { findPoints, openBenches, type PointResult, playPoints } from './benches.ts';
import { brokenRules } from './broken-rules.ts';
import { loadFunction } from './function.ts';
import { type Point, partOf } from './points.ts';
import { isFailure, isNotReached, replay, verdict } from './report.ts';
import type { StartProcess } from './step.ts';
import type { Bench } from './world.ts';

const WORKERS = 4;
const MINUTES = 60_000;

/** Some thirty points of each engine and strategy: the longer runs have all. */
const samples: Record<EngineKey, Partial<Record<StrategyName, { part: number; of: number }>>> = {
  postgres: { 'single-user': { part: 1, of: 40 }, 'alternating-users': { part: 1, of: 200 } },
  mysql: { 'alternating-users': { part: 1, of: 500 } },
  mariadb: { 'single-user': { part: 1, of: 60 } },
  mongo: { 'single-user': { part: 1, of: 60 } },
};

/** The first server that there is of each engine. */
for (const engine of engineKeys) {
  const server = rowNames
    .filter((name) => rows[name].engineKey === engine)
    .map((name) => servers[name])
    .find((found): found is SharedServer => !('remedy' in found));
  if (server === undefined) absent(`the interleavings, ${engine}`, 'there is no server for any row of it');
  else describe(`the interleavings, ${server.row}`, () => interleavings(engine, server));
}

function interleavings(engine: EngineKey, server: SharedServer): void {
  const cleanUp = new AsyncDisposableStack();
  const rules = brokenRules.filter((rule) => rule.engine === engine);
  const isAsked = process.env['INTERLEAVINGS'] === 'sample';
  const sampled = Object.entries(samples[engine]) as [StrategyName, { part: number; of: number }][];
  const points = new Map<StrategyName, Point[]>();
  let opened: Bench[];
  const benchesOf = (strategy: StrategyName, startProcess?: StartProcess) =>
    opened.map((bench): Bench => ({ ...bench, strategy, ...(startProcess && { startProcess }) }));
  const pointsOf = (strategy: StrategyName) => points.get(strategy) ?? [];

  beforeAll(async () => {
    const { row } = server;
    opened = cleanUp.use(await openBenches(server, 'single-user', await loadFunction(row), WORKERS)).benches;
    for (const strategy of new Set([
      ...(isAsked ? sampled : []).map(([name]) => name),
      ...rules.map((rule) => rule.strategy),
    ]))
      points.set(strategy, (await findPoints(benchesOf(strategy)[0] as Bench)).points);
  }, 2 * MINUTES);
  afterAll(() => cleanUp.disposeAsync());

  (isAsked ? test : test.skip).each(sampled)(
    'whatever comes in between is survived: %s (INTERLEAVINGS=sample)',
    async (strategy, { part, of }) => {
      const results = await playPoints(benchesOf(strategy), partOf(pointsOf(strategy), part, of));

      expect(results.length).toBeGreaterThan(10);
      const explained = (result: PointResult) =>
        `${verdict(result)}\n${replay(server.row, strategy, result.point)}\n${result.timeline}`;
      expect(results.filter(isFailure).map(explained)).toEqual([]);
      expect(results.filter(isNotReached).map(({ point }) => point.id)).toEqual([]);
    },
    2 * MINUTES,
  );

  if (rules.length === 0) return;
  test.each(rules)(
    '$strategy: notices without the rule that $rule',
    async (rule) => {
      const broken = await loadFunction(server.row, rule);
      const caughtBy = pointsOf(rule.strategy).filter(({ id }) => id === rule.caughtBy);

      const [[caught], [intact]] = await Promise.all([
        playPoints(benchesOf(rule.strategy, broken).slice(0, 1), caughtBy),
        playPoints(benchesOf(rule.strategy).slice(1, 2), caughtBy),
      ]);

      expect(caught?.violations.join('\n')).toContain(rule.saying);
      expect(intact).toMatchObject({ delivered: true, violations: [] });
    },
    2 * MINUTES,
  );
}
