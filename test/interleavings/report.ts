/** Results for people: on the terminal, and in docs/interleavings.md. */
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
  ['not reached', ({ delivered, impossible }) => !delivered && impossible === undefined],
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
