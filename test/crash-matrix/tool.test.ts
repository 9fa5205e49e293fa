/** The matrix's own parts, where a mistake would make it blind. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { brokenRules } from './broken-rules.ts';
import { type Abilities, ALL_ABILITIES } from './engine.ts';
import { cutCalled, cutsOf, type Point, pointsOf, tenthOf, twentiethOf } from './points.ts';
import type { Seen } from './recorder.ts';
import { type FullRun, writeDocument } from './report.ts';
import type { Turn } from './strategies.ts';
import { Timeline } from './timeline.ts';

describe('points', () => {
  const point = (id: number): Point => ({
    id: String(id),
    write: id < 3,
    turn: 0,
    on: 'step',
    place: 'setSecret',
    fault: 'twice',
  });
  const points = Array.from({ length: 50 }, (_, id) => point(id));

  test('every point has its turn within ten days, and a write each day', () => {
    const days = Array.from({ length: 10 }, (_, day) => tenthOf(points, 20_000 + day));

    expect(new Set(days.flat())).toEqual(new Set(points));
    for (const day of days) expect(day).toEqual(expect.arrayContaining(points.slice(0, 3)));
    expect(Math.max(...days.map(({ length }) => length))).toBeLessThanOrEqual(8);
    const twenty = Array.from({ length: 20 }, (_, day) => twentiethOf(points, 20_000 + day));
    expect(new Set(twenty.flat())).toEqual(new Set(points));
  });

  test('of a long strategy’s messages in a row the last is a point, and only of writes once it has all been seen', () => {
    const arrows = [
      '→Query:SELECT',
      '←RowDescription',
      '←DataRow',
      '←ReadyForQuery',
      '→Query:GRANT',
      '←CommandComplete',
    ];
    const seen = arrows.map((arrow): Seen => {
      const [direction, name] = [arrow.slice(0, 1) as Seen['direction'], arrow.slice(1)];
      const isWrite = name === 'Query:GRANT';
      return {
        step: 'setSecret',
        attempt: 1,
        peer: 'db2',
        direction,
        name,
        isWrite,
        place: `setSecret/db2/${arrow}#1`,
      };
    });
    const kills = (...of: Parameters<typeof pointsOf>) =>
      pointsOf(...of).flatMap(({ id, fault }) =>
        fault === 'kill-after' ? [id.split('/')[id.split('/').length - 2]] : [],
      );

    expect(kills('single-user', 0, seen, ALL_ABILITIES)).toEqual(arrows.map((arrow) => `${arrow}#1`));
    expect(kills('alternating-users', 0, seen, ALL_ABILITIES)).toEqual([
      '→Query:SELECT#1',
      '←ReadyForQuery#1',
      '→Query:GRANT#1',
      '←CommandComplete#1',
    ]);
    expect(kills('alternating-users', 2, seen, ALL_ABILITIES)).toEqual(['→Query:GRANT#1', '←CommandComplete#1']);
  });

  test('cuts are the same in every run, 64 different ones a connection', () => {
    const connections = new Map([
      ['setSecret/db1', 5000],
      ['setSecret/db2', 4000],
    ]);

    expect(cutsOf('single-user', connections)).toEqual(cutsOf('single-user', connections));
    expect(new Set(cutsOf('single-user', connections).map(({ id }) => id)).size).toBe(128);
    for (const cut of cutsOf('single-user', connections)) expect(cutCalled(cut.id)).toEqual(cut);
  });
});

test('what a server cannot do cannot happen on it', () => {
  const ids = (abilities: Abilities, turn: Turn) =>
    pointsOf('alternating-users', turn, [], abilities).map(({ id }) => id);
  const without = (ability: keyof Abilities, turn: Turn = 0) => {
    const left = ids({ ...ALL_ABILITIES, [ability]: { unsupported: 'here' } }, turn);
    return ids(ALL_ABILITIES, turn).filter((id) => !left.includes(id));
  };

  expect(without('marksTwins')).toEqual(['after-createSecret/claimed']);
  expect(without('showsRights')).toEqual(['after-setSecret/edit-base']);
  expect(without('changesRights')).toEqual(['after-createSecret/edit-base', 'after-setSecret/edit-base']);
  expect(without('changesRights', 1)).toContain('to-base/after-createSecret/edit-twin');
  expect(without('locksUsers')).toEqual(['setSecret/locked']);
});

test.each([
  [
    ['--engine', 'mariadb', '--strategy', 'dual-password'],
    'MariaDB has no --strategy dual-password: MariaDB keeps one password for a user',
  ],
  [['--server', 'postgres 15', '--strategy', 'dual-password'], 'PostgreSQL has no --strategy dual-password: '],
  [['--engine', 'mysql', '--server', 'mariadb 11.8'], '--server is none of mysql 9.7'],
  [['--engine', 'oracle'], '--engine is none of postgres, mysql, mariadb, mongo'],
])('%j is refused, with the reason', async (options, reason) => {
  const tool = fileURLToPath(new URL('main.ts', import.meta.url));

  await expect(promisify(execFile)(process.execPath, [tool, ...options])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(reason),
  });
});

test('what a broken rule replaces stands exactly once in the code', async () => {
  for (const { file, find } of brokenRules.flatMap(({ edits }) => edits)) {
    const source = await readFile(new URL(`../../${file}`, import.meta.url), 'utf8');
    expect({ file, find, times: source.split(find).length - 1 }).toEqual({ file, find, times: 1 });
  }
});

test('the document names every broken rule and the point that reports it', async () => {
  const document = await readFile(new URL('../../docs/crash-matrix.md', import.meta.url), 'utf8');

  for (const { rule, engine, strategy, caughtBy } of brokenRules)
    expect(document).toContain(`| ${rule} | ${engine} | ${strategy} | \`${caughtBy}\` |`);
});

test('a timeline is in the order of time, with versions called by name', () => {
  const timeline = new Timeline();
  timeline.add('second: 0123-4567');
  timeline.add('first', performance.now() - 50);
  timeline.call('0123-4567', 'version 1');

  expect(timeline.toString().replaceAll(/^ *-?\d+ ms {2}/gm, '')).toBe('first\nsecond: version 1');
});

test('a run writes its own part of the document and leaves the rest', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'crash-matrix-'));
  const file = pathToFileURL(join(folder, 'document.md'));
  await writeFile(file, '# Title\n');
  const runOf = (row: FullRun['row'], server: string, strategy: FullRun['strategy'] = 'single-user'): FullRun => ({
    row,
    strategy,
    server,
    commit: '0123456',
    workers: 1,
    cores: 1,
    minutes: 1,
    date: '2000-01-01',
    abilities: ALL_ABILITIES,
    normal: { calls: 11, logins: 3 },
    window: { sleep: 20, window: 1, windowWithSleep: 21, runs: [], blurred: 0 },
    results: [],
  });

  await writeDocument(file, runOf('postgres 18', 'PostgreSQL 18.0'));
  await writeDocument(file, runOf('postgres 15', 'PostgreSQL 15.0'));
  await writeDocument(file, runOf('postgres 15', 'PostgreSQL 15.0', 'alternating-users'));
  await writeDocument(file, runOf('postgres 18', 'PostgreSQL 18.1'));

  const document = await readFile(file, 'utf8');
  expect(document.match(/^#.*$/gm)).toEqual([
    '# Title',
    '## PostgreSQL 18.1, single user',
    '## PostgreSQL 15.0, single user',
    '## PostgreSQL 15.0, alternating users',
  ]);
  await rm(folder, { recursive: true });
});
