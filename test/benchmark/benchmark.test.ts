/** That the benchmark measures what it says. How fast anything is, no test asks. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { temporaryDirectory } from '../../local/owner.ts';
import { STEPS } from '../../local/secrets-manager/rotation.ts';
import { STRATEGIES } from '../../shared/database/strategies/facts.ts';
import type { Measured } from './measure.ts';
import { parseOptions } from './options.ts';
import { calls, writeReport } from './report.ts';
import { PEERS } from './round-trips.ts';
import { benchmark, type Report } from './run.ts';
import { summary } from './statistics.ts';

const root = new URL('../../', import.meta.url);
const isLinux = process.platform === 'linux';

describe('a short run', () => {
  let folder: { path: string } & AsyncDisposable;
  let report: Report;
  const said: string[] = [];

  beforeAll(async () => {
    folder = await temporaryDirectory();
    const failing = join(folder.path, 'failing');
    await mkdir(failing);
    await writeFile(join(failing, 'index.mjs'), "export const handler = () => { throw new Error('I never work') };");
    const options = parseOptions(['--smoke', '--peer', `single-user=${failing}`]);
    if (options === undefined) throw new Error('no options');
    report = await benchmark(options, (line) => said.push(line));
  }, 120_000);
  afterAll(async () => folder[Symbol.asyncDispose]());

  const measured = (strategy: string, name: string) =>
    report.cases
      .find((each) => each.strategy === strategy)
      ?.candidates.find((candidate) => candidate.name === name) as Measured;

  test.each(['single-user', 'alternating-users'] as const)('counts calls and logins, %s', (strategy) => {
    const { counts } = measured(strategy, 'ours');
    const { calls: all, logins } = STRATEGIES[strategy];

    expect(STEPS.reduce((sum, step) => sum + counts.calls[step], 0)).toBe(all);
    expect(counts.logins).toEqual({ accepted: logins, refused: 0 });
    for (const step of STEPS) {
      const { 'Secrets Manager': manager, database, together } = counts.roundTrips[step];
      expect(manager).toBeGreaterThan(0);
      expect(together).toBeGreaterThanOrEqual(Math.max(manager, database));
      expect(together).toBeLessThanOrEqual(manager + database);
      expect(database > 0).toBe(/set|test/.test(step));
    }
  });

  test.each([
    ['single-user', { createSecret: [3, 0], setSecret: [3, 11], testSecret: [1, 4], finishSecret: [2, 0] }],
    ['alternating-users', { createSecret: [4, 0], setSecret: [4, 15], testSecret: [1, 5], finishSecret: [2, 0] }],
    // One of createSecret's opens the connections.
  ] as const)('counts round trips that follow one another, %s', (strategy, expected) => {
    const { roundTrips } = measured(strategy, 'ours').counts;
    const found = STEPS.map((step) => [step, [roundTrips[step]['Secrets Manager'], roundTrips[step].database]]);
    expect(Object.fromEntries(found)).toEqual(expected);
  });

  test.each(['single-user', 'alternating-users'] as const)('has a floor that asks for the same, %s', (strategy) => {
    const [floor, ours] = [measured(strategy, 'floor').counts, measured(strategy, 'ours').counts];
    expect({ ...floor, roundTrips: undefined }).toEqual({ ...ours, roundTrips: undefined });
    for (const step of STEPS)
      for (const peer of [...PEERS, 'together'] as const) {
        // The floor logs in at once where ours holds an admin's password back.
        expect(floor.roundTrips[step][peer]).toBeLessThanOrEqual(ours.roundTrips[step][peer]);
        expect(floor.roundTrips[step][peer]).toBeGreaterThanOrEqual(ours.roundTrips[step][peer] - 2);
      }
  });

  test('has a figure of each kind, of each function', () => {
    expect(report.cases.map(({ strategy, tls, latency }) => [strategy, tls, latency])).toEqual([
      ['single-user', false, 0],
      ['alternating-users', false, 0],
    ]);
    for (const { bareNode, candidates } of report.cases) {
      expect(bareNode).toHaveLength(1);
      expect(candidates.map(({ name }) => name)).toEqual(['ours', 'floor']);
      for (const { figures, memory } of candidates) {
        const { steps, processorOfStart, processorOfFirst, processor, ...times } = figures;
        for (const [, each] of [...Object.entries(times), ...Object.entries(steps)])
          for (const ms of each) expect(ms).toBeGreaterThan(0);
        expect([times.start, times.firstStep, times.firstRotation].map(({ length }) => length)).toEqual([1, 1, 1]);
        expect([times.rotation, ...Object.values(steps)].map(({ length }) => length)).toEqual([2, 2, 2, 2, 2]);
        const looks = isLinux ? 1 : 0;
        expect([...memory.keys()]).toEqual([1].slice(0, looks));
        expect([processorOfStart, processorOfFirst, processor].map(({ length }) => length)).toEqual([
          looks,
          looks,
          2 * looks,
        ]);
      }
    }
  });

  test('leaves out a peer that fails, and says why', () => {
    const why = 'A rotation by failing fails: createSecret: error, Error: I never work';

    expect(report.cases.map(({ failed }) => failed)).toEqual([[{ name: 'failing', why }], []]);
    expect(said).toContain(`  failing was left out: ${why}`);
  });

  test('writes a document, a chart and JSON', async () => {
    await copyFile(new URL('docs/benchmark.md', root), join(folder.path, 'benchmark.md'));

    await writeReport(pathToFileURL(`${folder.path}/`), report);

    const written = (name: string) => readFile(join(folder.path, name), 'utf8');
    const [document, chart, json] = await Promise.all(['benchmark.md', 'benchmark.svg', 'benchmark.json'].map(written));
    expect(document?.match(/^## .*Secrets Manager at .*$/gm)).toHaveLength(2);
    expect(document).toContain(`| **calls** | ${calls(measured('single-user', 'ours'))} |`);
    expect(document).toContain('failing was left out');
    expect(chart?.match(/<rect /g)).toHaveLength(2 * 2 * 3);
    expect(chart).not.toMatch(/NaN|undefined/);
    expect(JSON.parse(json ?? '').cases).toHaveLength(2);
    // Written again it is as long as before.
    await writeReport(pathToFileURL(`${folder.path}/`), report);
    expect(await written('benchmark.md')).toBe(document);
  });
});

test.each([
  [['--engine', 'oracle'], '--engine is none of postgres, mysql, mariadb, mongo.'],
  [['--engine', 'mariadb', '--strategy', 'dual-password'], 'MariaDB has no --strategy dual-password: MariaDB keeps '],
  [['--strategy', 'triple'], '--strategy is none of single-user, '],
  [['--tls', 'maybe'], '--tls is on, off or both, not "maybe".'],
  [['--latency', 'long'], '--latency takes a whole number from 1 on, not "long".'],
  [['--runs', '0'], '--runs takes a whole number from 1 on, not "0".'],
  [['--peer', 'docs'], '--peer docs has neither an index.mjs nor a lambda_function.py.'],
  [['--loud'], "Unknown option '--loud'; npm run bench -- --help shows the options."],
])('%j is refused, in one sentence', async (args, sentence) => {
  const tool = fileURLToPath(new URL('main.ts', import.meta.url));

  await expect(promisify(execFile)(process.execPath, [tool, ...args])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(sentence),
  });
});

test('two functions of one name are refused', async () => {
  await using folder = await temporaryDirectory();
  const floor = join(folder.path, 'floor');
  await mkdir(floor);
  await writeFile(join(floor, 'index.mjs'), '');

  expect(() => parseOptions(['--peer', floor])).toThrow(
    'Two of the functions would be called "floor", by their folders.',
  );
});

test('a summary has the median, the middle half and the least', () => {
  expect(summary([5, 1, 2, 4, 3])).toEqual({ median: 3, from: 2, to: 4, minimum: 1 });
  expect(summary([1, 2])).toEqual({ median: 1.5, from: 1.25, to: 1.75, minimum: 1 });
  expect(summary([])).toBeUndefined();
});
