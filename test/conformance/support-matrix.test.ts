import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { isOfRow, type Row } from '../../local/servers/row.ts';
import { STRATEGY_NAMES } from '../../shared/database/strategies/facts.ts';
import { rowNames, rows } from '../engines/servers.ts';
import { DUTIES } from './duty-names.ts';
import { columns, linesOf, type Result, readFrom, rendered, replacedIn, wireNames } from './support-matrix.ts';
import { WIRES } from './wires.ts';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

test.each(rowNames)('%s has its run of the suite', (row) => {
  const run = new URL(`../engines/${rows[row].engine}/conformance/${row.replace(' ', '-')}.test.ts`, import.meta.url);

  expect(readFileSync(run, 'utf8')).toContain(`conform('${row}')`);
});

describe('the support matrix in the README', () => {
  const { lines, reasons, columns: found } = readFrom(README);

  test('has each server over each wire, each strategy, and nothing else', () => {
    expect(found).toEqual(columns);
    expect(lines.map(({ wire }) => wire)).toEqual(rowNames.flatMap(() => wireNames));
    for (const [index, { server, cells }] of lines.entries()) {
      const row: Row = rows[rowNames[Math.floor(index / wireNames.length)] as keyof typeof rows];
      const [, product = '', version = ''] = server.match(/^(\S+) (\S+)$/) ?? [];
      expect(isOfRow(row, { product, version })).toBe(true);
      expect(cells).toHaveLength(columns.length);
    }
  });

  test('says yes, or no for a reason that is given', () => {
    for (const { cells } of lines)
      for (const cell of cells) {
        const number = cell.match(/^no \((\d+)\)$/)?.[1];
        if (number === undefined) expect(cell).toBe('yes');
        else expect(reasons[Number(number) - 1]).toMatch(new RegExp(`^${number}\\. .`));
      }
  });
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
    const matrix = rendered(linesOf(all, names), '2026-01-02');
    const readme = replacedIn(README, matrix);

    const { lines, reasons } = readFrom(readme);
    expect(lines).toHaveLength(rowNames.length * WIRES.length);
    expect(lines[0]?.cells).toEqual(['yes', 'yes', 'yes', 'no (1)']);
    expect(reasons).toEqual(['1. it is so']);
    expect(replacedIn(readme, matrix)).toBe(readme);
    expect(readme.slice(0, 100)).toBe(README.slice(0, 100));
    expect(readme.slice(-100)).toBe(README.slice(-100));
  });

  test('is not made of a run in which something failed, was skipped, or is missing', () => {
    for (const status of ['failed', 'pending'])
      expect(() => linesOf([...all, { titles: ['mysql 9.7', 'twins', 'TLS', 'is odd'], status }], names)).toThrow(
        `${status}: mysql 9.7 › twins › TLS › is odd`,
      );
    expect(() => linesOf(all.slice(0, -1), names)).toThrow('was not run');
  });
});
