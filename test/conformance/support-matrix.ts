/** The README's table of what was seen to work where: made of the results of a whole run of the conformance suite, never by hand. */
import { STRATEGY_NAMES, type StrategyName } from '../../shared/database/strategies/facts.ts';
import { type RowName, rowNames } from '../engines/servers.ts';
import { DUTIES } from './duty-names.ts';
import { WIRES, type Wire } from './wires.ts';

const BEGIN = '<!-- support matrix: written by `WRITE_SUPPORT_MATRIX=1 npm test -- conformance`, not by hand -->';
const END = '<!-- end of support matrix -->';

/** As people read them: `single user by admin`. */
export const columns = STRATEGY_NAMES.map((name) => name.replaceAll('-', ' '));
const WIRE_NAMES: Record<Wire, string> = { TLS: 'verified', 'clear text': 'off' };

/** Seen, or why it cannot be. */
export type Cell = 'yes' | { none: string };
export type Line = { server: string; wire: Wire; cells: Record<StrategyName, Cell> };

/** One test of a run, by the titles of its groups and its own. */
export type Result = { titles: readonly string[]; status: string };

/**
 * @param servers by row, as they call themselves: product and version
 * @throws when not every row, wire and strategy was run, or something failed or was skipped
 */
export function linesOf(all: readonly Result[], servers: Partial<Record<RowName, string>>): Line[] {
  const results = all.filter(({ titles: [first] }) => rowNames.some((row) => row === first));
  const bad = results.find(({ status }) => status !== 'passed');
  if (bad) throw new Error(`No support matrix is written: ${bad.status}: ${bad.titles.join(' › ')}`);
  return rowNames.flatMap((row) =>
    WIRES.map((wire) => {
      for (const duty of DUTIES) requireRun(results, [row, duty, wire]);
      const cells = STRATEGY_NAMES.map((strategy) => [strategy, cellOf(results, row, wire, strategy)]);
      return { server: servers[row] ?? '', wire, cells: Object.fromEntries(cells) };
    }),
  );
}

function cellOf(results: readonly Result[], row: RowName, wire: Wire, strategy: StrategyName): Cell {
  const group = [row, 'strategies', wire];
  const title = requireRun(results, group).find((each) => each.startsWith(`${strategy}: `));
  if (title === undefined)
    throw new Error(`No support matrix is written: ${group.join(', ')}, ${strategy} was not run`);
  const none = title.match(/^[^:]*: none, as (.*)$/s)?.[1];
  return none === undefined ? 'yes' : { none };
}

/** @returns the titles of the group's tests */
function requireRun(results: readonly Result[], group: readonly string[]): string[] {
  const found = results.filter(({ titles }) => group.every((part, index) => titles[index] === part));
  if (found.length === 0) throw new Error(`No support matrix is written: ${group.join(', ')} was not run`);
  return found.map(({ titles }) => titles.at(-1) ?? '');
}

/** In Markdown. Reasons are numbered below the table. */
export function rendered(lines: readonly Line[], date: string): string {
  const reasons: string[] = [];
  const text = (cell: Cell) => {
    if (cell === 'yes') return 'yes';
    if (!reasons.includes(cell.none)) reasons.push(cell.none);
    return `no (${reasons.indexOf(cell.none) + 1})`;
  };
  const table = [
    ['server', 'TLS', ...columns],
    ['---', '---', ...STRATEGY_NAMES.map(() => '---')],
    ...lines.map(({ server, wire, cells }) => [
      server,
      WIRE_NAMES[wire],
      ...STRATEGY_NAMES.map((strategy) => text(cells[strategy])),
    ]),
  ];
  return [
    BEGIN,
    ...table.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    ...reasons.map((reason, index) => `${index + 1}. ${reason}`),
    '',
    `Seen on ${date}, on servers in containers, by the conformance suite.`,
    END,
  ].join('\n');
}

/** @throws when the README has no place for it */
export function replacedIn(readme: string, matrix: string): string {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error('README.md has no markers for the support matrix');
  return readme.slice(0, begin) + matrix + readme.slice(end + END.length);
}

export type Read = { columns: string[]; lines: { server: string; wire: string; cells: string[] }[]; reasons: string[] };

/** What stands in the README. */
export function readFrom(readme: string): Read {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  const own = begin < 0 || end < begin ? [] : readme.slice(begin, end).split('\n');
  const [head = [], , ...lines] = own
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2, -2).split(' | '));
  return {
    columns: head.slice(2),
    lines: lines.map(([server = '', wire = '', ...cells]) => ({ server, wire, cells })),
    reasons: own.filter((line) => /^\d+\. /.test(line)),
  };
}

export const wireNames: readonly string[] = WIRES.map((wire) => WIRE_NAMES[wire]);
