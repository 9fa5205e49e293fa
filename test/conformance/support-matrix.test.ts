import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { isOfProduct, isOfRow } from '../../local/servers/row.ts';
import { STRATEGY_NAMES } from '../../shared/database/strategies/facts.ts';
import { rowNames, rows } from '../engines/servers.ts';
import { DUTIES } from './duty-names.ts';
import { linesOf, merged, type Result, readFrom, rendered, replacedIn } from './support-matrix.ts';
import { WIRES } from './wires.ts';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

test.each(rowNames)('%s has its run of the suite', (row) => {
  const run = new URL(`../engines/${rows[row].engine}/conformance/${row.replace(' ', '-')}.test.ts`, import.meta.url);

  expect(readFileSync(run, 'utf8')).toContain(`conform('${row}')`);
});

test('the support matrix in the README has each row over each wire, and no other product', () => {
  const lines = readFrom(README);
  const described = lines.map(({ server, wire }) => {
    const [, product = '', version = ''] = server.match(/^(\S+) (\S+)$/) ?? [];
    return { product, version, wire };
  });
  for (const row of rowNames) {
    const found = described.filter((server) => isOfRow(rows[row], server));
    expect(found.map(({ wire }) => wire)).toEqual(WIRES);
  }
  for (const server of described) expect(rowNames.some((row) => isOfProduct(rows[row], server))).toBe(true);
  for (const { date } of lines) expect(date).toMatch(/^\d{4}-\d\d-\d\d$/);
});

describe('a support matrix', () => {
  const all: Result[] = rowNames.flatMap((row) =>
    WIRES.flatMap((wire) => [
      ...DUTIES.map((duty) => ({ titles: [row, duty, wire, 'is done'], status: 'passed' })),
      ...STRATEGY_NAMES.map((strategy) => ({
        titles: [
          row,
          'strategies',
          wire,
          `${strategy}: ${strategy === 'dual-password' ? 'none, as it is so' : 'rotates'}`,
        ],
        status: 'passed',
      })),
    ]),
  );
  const names = Object.fromEntries(rowNames.map((row) => [row, `${rows[row].product} ${rows[row].version}.1`]));

  test('is read as it was written, in its place', () => {
    const lines = linesOf(all, names, '2026-01-02');
    const readme = replacedIn(README, rendered(lines));

    expect(readFrom(readme)).toEqual(lines);
    expect(lines[0]?.cells).toMatchObject({ 'single-user': 'yes', 'dual-password': { none: 'it is so' } });
    expect(replacedIn(readme, rendered(lines))).toBe(readme);
    expect(readme.slice(0, 100)).toBe(README.slice(0, 100));
    expect(readme.slice(-100)).toBe(README.slice(-100));
  });

  test('keeps the lines of other versions, and replaces those of the same', () => {
    const of = (server: string, date: string) => linesOf(all, { 'postgres 15': server }, date, ['postgres 15']);
    const known = linesOf(all, names, '2026-01-02');

    const lines = merged(merged(known, of('PostgreSQL 14.1', '2026-01-03')), of('PostgreSQL 14.2', '2026-01-04'));

    const seen = lines.filter(({ wire }) => wire === 'TLS').map(({ server, date }) => `${server}, ${date}`);
    expect(seen.slice(0, 4)).toEqual([
      ...['PostgreSQL 18.1, 2026-01-02', 'PostgreSQL 15.1, 2026-01-02', 'PostgreSQL 14.2, 2026-01-04'],
      'MySQL 9.7.1, 2026-01-02',
    ]);
    expect(lines).toHaveLength(known.length + WIRES.length);
  });

  test('is not made of a run in which something failed, was skipped, or is missing', () => {
    for (const status of ['failed', 'pending'])
      expect(() =>
        linesOf([...all, { titles: ['mysql 9.7', 'twins', 'TLS', 'is odd'], status }], names, 'today'),
      ).toThrow(`${status}: mysql 9.7 › twins › TLS › is odd`);
    expect(() => linesOf(all.slice(0, -1), names, 'today')).toThrow('was not run');
  });
});
