/** Results for people: on the terminal, and in docs/interleavings.md. */
import { readFile, writeFile } from 'node:fs/promises';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import type { RowName } from '../engines/servers.ts';
import { type ActName, acts } from './acts.ts';
import type { PointResult } from './benches.ts';
import type { Point } from './points.ts';

/** The command that plays this point alone. */
export function replay(row: RowName, strategy: StrategyName, { id }: Point): string {
  return `npm run interleavings -- --server '${row}' --strategy ${strategy} --point '${id}'`;
}

export function isFailure({ violations }: Pick<PointResult, 'violations'>): boolean {
  return violations.length > 0;
}

/** The act was not done, though it can be. */
export function isNotReached({ delivered, impossible }: Pick<PointResult, 'delivered' | 'impossible'>): boolean {
  return !delivered && impossible === undefined;
}

export function verdict({ delivered, impossible, outcome, cause, violations }: PointResult): string {
  const ended = `${outcome}${cause === undefined ? '' : ` (${cause})`}`;
  if (violations.length > 0) return `FAILED, ${ended}: ${violations.join('; ')}`;
  if (impossible !== undefined) return `not possible there: ${impossible}`;
  return delivered ? ended : 'not reached';
}

const COLUMNS: readonly [string, (result: PointResult) => boolean][] = [
  ['points', () => true],
  ['converged', ({ delivered, outcome }) => delivered && outcome === 'converged'],
  ['refused', ({ delivered, outcome }) => delivered && outcome === 'refused'],
  ['not possible there', ({ impossible }) => impossible !== undefined],
  ['not reached', isNotReached],
  ['locked out by a person', ({ byPeople }) => byPeople > 0],
  ['mended in the same step', ({ repaired }) => repaired > 0],
  ['promise broken', isFailure],
];

/** One line an act, in Markdown. */
export function table(results: readonly PointResult[]): string {
  const line = (name: string, of: readonly PointResult[]) => [
    name,
    ...COLUMNS.map(([, counts]) => of.filter((result) => counts(result)).length),
  ];
  const lines = [
    ['', ...COLUMNS.map(([name]) => name)],
    ['---', ...COLUMNS.map(() => '--:')],
    ...(Object.keys(acts) as ActName[]).flatMap((act) => {
      const of = results.filter(({ point }) => point.act === act);
      return of.length > 0 ? [line(acts[act].says, of)] : [];
    }),
    line('**all**', results),
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The same for points at which the same act breaks the same promise. */
export function kindOf({ point, violations }: PointResult): string {
  return `${point.act} ${violations.join(' ').replaceAll(/[0-9a-f-]{8,}|_\d+/g, '')}`;
}

export type WholeRun = {
  row: RowName;
  strategy: StrategyName;
  /** "PostgreSQL 18.1" */
  server: string;
  /** Of the repository, abbreviated. */
  commit: string;
  workers: number;
  cores: number;
  minutes: number;
  date: string;
  /** What cannot be done on that server, and why. */
  absent: ReadonlySet<string>;
  results: readonly PointResult[];
};

/** Replaces this server's and strategy's part of the document and leaves the others' as they are. */
export async function writeDocument(file: URL, run: WholeRun): Promise<void> {
  const before = await readFile(file, 'utf8');
  const name = `${run.row}, ${run.strategy}`;
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const part = `${begin}\n${section(run)}\n${end}`;
  const start = before.indexOf(begin);
  const rest = before.indexOf(end) + end.length;
  const document = start < 0 ? `${before.trimEnd()}\n\n${part}\n` : before.slice(0, start) + part + before.slice(rest);
  await writeFile(file, document);
}

function section({ row, strategy, server, commit, workers, cores, minutes, date, absent, results }: WholeRun): string {
  const refused = results.filter(({ delivered, outcome }) => delivered && outcome === 'refused');
  const causes = [...Map.groupBy(refused, ({ cause }) => cause)].map(([cause, of]) => `${cause} ${of.length}`);
  const kinds = [...Map.groupBy(results.filter(isFailure), kindOf).values()];
  return [
    `## ${server}, ${strategy.replaceAll('-', ' ')}`,
    '',
    table(results),
    '',
    `- When: ${date}, commit ${commit}; ${minutes.toFixed(0)} minutes with ${workers} workers on ${cores} cores.`,
    `- How: \`npm run interleavings -- --server '${row}' --strategy ${strategy}\`.`,
    `- Causes of refusals: ${causes.length > 0 ? causes.join(', ') : 'none, as nothing was refused'}.`,
    ...(absent.size > 0 ? [`- Not on this server: ${[...absent].join('; ')}.`] : []),
    ...(kinds.length > 0 ? ['', 'Failed:', ''] : []),
    ...kinds.map((of) => {
      const [first] = of as [PointResult];
      const more = of.length > 1 ? `, and ${of.length - 1} more with that act` : '';
      return `- \`${first.point.id}\`${more}: ${verdict(first)}`;
    }),
  ].join('\n');
}
