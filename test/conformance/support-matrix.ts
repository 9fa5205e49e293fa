/** The README's table of what was seen to work where: made of the results of a whole run of the conformance suite, never by hand. */
import { isOfRow } from '../../local/servers/row.ts';
import { STRATEGY_NAMES, type StrategyName } from '../../shared/database/strategies/facts.ts';
import { type RowName, rowNames, rows } from '../engines/servers.ts';
import { DUTIES } from './duty-names.ts';
import { WIRES, type Wire } from './wires.ts';

const BEGIN = '<!-- support matrix: written by `WRITE_SUPPORT_MATRIX=1 npm test -- conformance`, not by hand -->';
const END = '<!-- end of support matrix -->';

/** As people read them: `single user by admin`. */
export const columns = STRATEGY_NAMES.map((name) => name.replaceAll('-', ' '));
const WIRE_NAMES: Record<Wire, string> = { TLS: 'verified', 'clear text': 'off' };

/** Seen, or why it cannot be. */
export type Cell = 'yes' | { none: string };
/** `server` is the product and its version; `date` when it was seen. */
export type Line = { server: string; wire: Wire; cells: Record<StrategyName, Cell>; date: string };

/** One test of a run, by the titles of its groups and its own. */
export type Result = { titles: readonly string[]; status: string };

/**
 * @param servers by row, as they call themselves: product and version
 * @param wanted the rows that have to be there
 * @throws when not every wire and strategy of these rows was run, or something failed or was skipped
 */
export function linesOf(
  all: readonly Result[],
  servers: Partial<Record<RowName, string>>,
  date: string,
  wanted: readonly RowName[] = rowNames,
): Line[] {
  const results = all.filter(({ titles: [first] }) => rowNames.some((row) => row === first));
  const bad = results.find(({ status }) => status !== 'passed');
  if (bad) throw new Error(`No support matrix is written: ${bad.status}: ${bad.titles.join(' › ')}`);
  return wanted.flatMap((row) =>
    WIRES.map((wire) => {
      for (const duty of DUTIES) requireRun(results, [row, duty, wire]);
      const cells = STRATEGY_NAMES.map((strategy) => [strategy, cellOf(results, row, wire, strategy)]);
      return { server: servers[row] ?? '', wire, cells: Object.fromEntries(cells), date };
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

/**
 * What the README says already. Lines of the same product and major version are replaced. Products keep their
 * order, and the newest version of each comes first.
 */
export function merged(known: readonly Line[], seen: readonly Line[]): Line[] {
  const majors = new Set(seen.map(({ server }) => majorOf(server)));
  const lines = [...known.filter(({ server }) => !majors.has(majorOf(server))), ...seen];
  const products = [...new Set(lines.map(({ server }) => server.split(' ')[0]))];
  return products.flatMap((product) =>
    lines
      .filter(({ server }) => server.split(' ')[0] === product)
      .sort((one, other) => versionOf(other.server) - versionOf(one.server)),
  );
}

/** `MariaDB 10.11.18` is of `MariaDB 10.11`, `PostgreSQL 15.18` of `PostgreSQL 15`. */
function majorOf(server: string): string {
  const row = rowNames.find((name) => isOfRow(rows[name], described(server)));
  const { product, version } = described(server);
  return row ?? `${product} ${version.split('.')[0]}`;
}

function versionOf(server: string): number {
  const [major = 0, minor = 0] = described(server).version.split('.').map(Number);
  return major * 1000 + minor;
}

function described(server: string) {
  const [product = '', version = ''] = server.split(' ');
  return { product, version };
}

/** In Markdown. Reasons are numbered below the table. */
export function rendered(lines: readonly Line[]): string {
  const reasons: string[] = [];
  const text = (cell: Cell) => {
    if (cell === 'yes') return 'yes';
    if (!reasons.includes(cell.none)) reasons.push(cell.none);
    return `no (${reasons.indexOf(cell.none) + 1})`;
  };
  const table = [
    ['server', 'TLS', ...columns, 'seen'],
    ['---', '---', ...STRATEGY_NAMES.map(() => '---'), '---'],
    ...lines.map(({ server, wire, cells, date }) => [
      server,
      WIRE_NAMES[wire],
      ...STRATEGY_NAMES.map((strategy) => text(cells[strategy])),
      date,
    ]),
  ];
  return [
    BEGIN,
    ...table.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    ...reasons.map((reason, index) => `${index + 1}. ${reason}`),
    '',
    'On servers in containers, and on PostgreSQL from npm, by the conformance suite.',
    END,
  ].join('\n');
}

/** @throws when the README has no place for it */
export function replacedIn(readme: string, matrix: string): string {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error('README.md has no markers for the support matrix');
  return readme.slice(0, begin) + matrix + readme.slice(end + END.length);
}

/** What stands in the README. */
export function readFrom(readme: string): Line[] {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  const own = begin < 0 || end < begin ? [] : readme.slice(begin, end).split('\n');
  const reasons = own.flatMap((line) => line.match(/^\d+\. (.*)$/)?.slice(1) ?? []);
  const [head = [], , ...lines] = own
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2, -2).split(' | '));
  if (head.join() !== ['server', 'TLS', ...columns, 'seen'].join())
    throw new Error('The support matrix in README.md has other columns');
  return lines.map(([server = '', wireName = '', ...rest]) => {
    const wire = WIRES.find((each) => WIRE_NAMES[each] === wireName);
    if (wire === undefined) throw new Error(`The support matrix in README.md has no wire ${wireName}`);
    const cells = STRATEGY_NAMES.map((strategy, index) => [strategy, cellIn(rest[index] ?? '', reasons)]);
    return { server, wire, cells: Object.fromEntries(cells), date: rest.at(-1) ?? '' };
  });
}

function cellIn(text: string, reasons: readonly string[]): Cell {
  if (text === 'yes') return 'yes';
  const none = reasons[Number(text.match(/^no \((\d+)\)$/)?.[1]) - 1];
  if (none === undefined) throw new Error(`The support matrix in README.md says "${text}" without a reason`);
  return { none };
}
