/** What the matrix finds wherever the tests run: every write of a rotation survives, and a broken rule does not. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { temporaryDirectory } from '../../local/owner.ts';
import { rowNames } from '../../local/servers/rows.ts';
import { buildFunction } from '../../scripts/build.ts';
import { absent, servers } from '../servers.ts';
import { findPoints, openBenches, runPoints } from './benches.ts';
import { breaking, brokenRules } from './broken-rules.ts';
import type { Point } from './points.ts';
import { isFailure, type PointResult, replay, verdict } from './report.ts';
import type { Bench } from './run-point.ts';

/** The first that there is; the full runs are for all of them. */
const row = rowNames.find((name) => !('remedy' in servers[name]));
const WORKERS = 3;
const MINUTES = 60_000;

if (row === undefined) absent('the crash matrix', 'there is no server for any row');
else
  describe(`the crash matrix, ${row}`, () => {
    const cleanUp = new AsyncDisposableStack();
    let folder: string;
    let benches: Bench[];
    let points: Point[];

    beforeAll(async () => {
      folder = cleanUp.use(await temporaryDirectory()).path;
      const bundle = join(folder, 'intact', 'index.mjs');
      await buildFunction('postgres', { outfile: bundle });
      benches = cleanUp.use(await openBenches(row, bundle, WORKERS)).benches;
      ({ points } = await findPoints(benches[0] as Bench));
    }, 2 * MINUTES);
    afterAll(() => cleanUp.disposeAsync());

    /** Tried again if `wanted` is not among them: on a busy machine the function may run out of time before it does wrong. */
    const violationsOf = async (bench: Bench, caughtBy: Point[], wanted: string): Promise<string> => {
      let reported = '';
      for (let triesLeft = 3; triesLeft > 0 && !reported.includes(wanted); triesLeft--)
        reported = (await runPoints([bench], caughtBy)).flatMap(({ violations }) => violations).join('\n');
      return reported;
    };

    const explained = (result: PointResult) => `${verdict(result)}\n${replay(row, result.point)}\n${result.timeline}`;

    test(
      'every write of a rotation is survived, whatever happens to it',
      async () => {
        const results = await runPoints(
          benches,
          points.filter(({ write }) => write),
        );

        expect(results.length).toBeGreaterThan(40);
        expect(results.filter(isFailure).map(explained)).toEqual([]);
        expect(results.filter(({ delivered }) => !delivered).map(({ point }) => point.id)).toEqual([]);
      },
      5 * MINUTES,
    );

    test.each(brokenRules)(
      'notices without the rule that $rule',
      async (rule) => {
        const [bench, other] = benches as [Bench, Bench];
        const bundle = join(folder, `broken ${brokenRules.indexOf(rule)}`, 'index.mjs');
        await buildFunction('postgres', { outfile: bundle, plugins: [breaking(rule)] });
        const caughtBy = points.filter(({ id }) => id === rule.caughtBy);

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
