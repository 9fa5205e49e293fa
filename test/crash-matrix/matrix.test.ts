/** What the matrix finds wherever the tests run: the writes of a rotation survive, and a broken rule does not. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { temporaryDirectory } from '../../local/owner.ts';
import { rowsOf } from '../../local/servers/rows.ts';
import { buildFunction } from '../../scripts/build.ts';
import { absent, servers } from '../servers.ts';
import { findPoints, openBenches, runPoints } from './benches.ts';
import { breaking, brokenRules } from './broken-rules.ts';
import type { Point } from './points.ts';
import { isFailure, type PointResult, replay, verdict } from './report.ts';
import type { Bench } from './run-point.ts';
import { type StrategyName, strategyNames } from './strategies.ts';

/** The first that there is; the full runs are for all of them. */
const row = rowsOf('postgres').find((name) => !('remedy' in servers[name]));
const WORKERS = 3;
const MINUTES = 60_000;

/** In each of the three rotations, at the database. The other writes are for the longer runs. */
const TELLING = /setSecret\/db2\/→Query:(CREATE|GRANT|ALTER|REASSIGN|COMMIT)#1\/kill-(before|after)$/;

if (row === undefined) absent('the crash matrix', 'there is no server for any row');
else
  describe(`the crash matrix, ${row}`, () => {
    const cleanUp = new AsyncDisposableStack();
    let folder: string;
    let opened: Bench[];
    const points = new Map<StrategyName, Point[]>();

    const benchesOf = (strategy: StrategyName) => opened.map((bench): Bench => ({ ...bench, strategy }));
    const pointsOf = (strategy: StrategyName) => points.get(strategy) ?? [];

    beforeAll(async () => {
      folder = cleanUp.use(await temporaryDirectory()).path;
      const bundle = join(folder, 'intact', 'index.mjs');
      await buildFunction('postgres', { outfile: bundle });
      opened = cleanUp.use(await openBenches(row, 'single-user', bundle, WORKERS)).benches;
      for (const strategy of strategyNames)
        points.set(strategy, (await findPoints(benchesOf(strategy)[0] as Bench)).points);
    }, 3 * MINUTES);
    afterAll(() => cleanUp.disposeAsync());

    /** Tried again if `wanted` is not among them: on a busy machine the function may run out of time before it does wrong. */
    const violationsOf = async (bench: Bench, caughtBy: Point[], wanted: string): Promise<string> => {
      let reported = '';
      for (let triesLeft = 3; triesLeft > 0 && !reported.includes(wanted); triesLeft--)
        reported = (await runPoints([bench], caughtBy)).flatMap(({ violations }) => violations).join('\n');
      return reported;
    };

    const expectAllKept = (strategy: StrategyName, results: PointResult[]) => {
      const explained = (result: PointResult) =>
        `${verdict(result)}\n${replay(row, strategy, result.point)}\n${result.timeline}`;
      expect(results.filter(isFailure).map(explained)).toEqual([]);
      expect(results.filter(({ delivered }) => !delivered).map(({ point }) => point.id)).toEqual([]);
    };

    test(
      'every write of a rotation is survived, whatever happens to it',
      async () => {
        const writes = pointsOf('single-user').filter(({ write }) => write);

        const results = await runPoints(benchesOf('single-user'), writes);

        expect(results.length).toBeGreaterThan(40);
        expectAllKept('single-user', results);
      },
      5 * MINUTES,
    );

    test(
      'alternating users survive a kill around the statements that make, grant, hand over and commit',
      async () => {
        const telling = pointsOf('alternating-users').filter(({ id }) => TELLING.test(id));

        const results = await runPoints(benchesOf('alternating-users'), telling);

        expect(results.length).toBeGreaterThanOrEqual(20);
        expectAllKept('alternating-users', results);
      },
      5 * MINUTES,
    );

    test.each(brokenRules)(
      '$strategy: notices without the rule that $rule',
      async (rule) => {
        const [bench, other] = benchesOf(rule.strategy) as [Bench, Bench];
        const bundle = join(folder, `broken ${brokenRules.indexOf(rule)}`, 'index.mjs');
        await buildFunction('postgres', { outfile: bundle, plugins: [breaking(rule)] });
        const caughtBy = pointsOf(rule.strategy).filter(({ id }) => id === rule.caughtBy);

        const [reported, [intact]] = await Promise.all([
          violationsOf({ ...bench, bundle }, caughtBy, rule.saying),
          runPoints([other], caughtBy),
        ]);

        expect(reported).toContain(rule.saying);
        expect(intact).toMatchObject({ delivered: true, violations: [] });
      },
      2 * MINUTES,
    );
  });
