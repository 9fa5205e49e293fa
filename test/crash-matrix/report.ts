/** Results for people: on the terminal, and in docs/crash-matrix.md. */
import { readFile, writeFile } from 'node:fs/promises';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import { type RowName, rows } from '../engines/servers.ts';
import type { Abilities } from './engine.ts';
import { engineOf } from './engines.ts';
import { KINDS, type Kind, kindOf, type Point } from './points.ts';
import type { PointResult, Result } from './run-point.ts';
import { courses, TURNS } from './strategies.ts';
import { agreements, median, type WindowReport } from './window.ts';

/** The command that runs this point alone. */
export function replay(row: RowName, strategy: StrategyName, { id }: Point): string {
  return `npm run crash-matrix -- --engine ${rows[row].engineKey} --strategy ${strategy} --server '${row}' --point '${id}'`;
}

export function isFailure({ violations }: Result): boolean {
  return violations.length > 0;
}

export function verdict({ delivered, outcome, cause, violations }: Result): string {
  const ended = `${outcome}${cause === undefined ? '' : ` (${cause})`}`;
  if (violations.length > 0) return `FAILED, ${ended}: ${violations.join('; ')}`;
  return delivered ? ended : 'not reached';
}

type Counts = Record<
  'points' | 'converged' | 'refused' | 'not reached' | 'not converged' | 'lock-outs' | 'others',
  number
>;

function count(results: readonly PointResult[]): Counts {
  const those = (which: (result: PointResult) => boolean) => results.filter(which).length;
  return {
    points: results.length,
    converged: those(({ delivered, outcome }) => delivered && outcome === 'converged'),
    refused: those(({ delivered, outcome }) => delivered && outcome === 'refused'),
    'not reached': those(({ delivered }) => !delivered),
    'not converged': those(({ outcome }) => outcome === 'not converged'),
    'lock-outs': those(({ probes }) => probes.lockOuts.length > 0),
    others: those(
      (result) => isFailure(result) && result.outcome !== 'not converged' && result.probes.lockOuts.length === 0,
    ),
  };
}

const COLUMNS = ['points', 'converged', 'refused', 'not reached', 'not converged', 'lock-outs', 'others'] as const;
const HEADINGS = [
  'points',
  'converged',
  'refused',
  'not reached',
  'not converged',
  'lock-outs',
  'other promise broken',
];

/** One line a kind of fault, in Markdown. */
export function table(results: readonly PointResult[]): string {
  const line = (name: string, of: readonly PointResult[]) => {
    const counts = count(of);
    return [name, ...COLUMNS.map((column) => counts[column])];
  };
  const kinds = (Object.keys(KINDS) as Kind[]).map(
    (kind) => [kind, results.filter(({ point }) => kindOf(point) === kind)] as const,
  );
  const lines = [
    ['', ...HEADINGS],
    ['---', ...HEADINGS.map(() => '--:')],
    ...kinds.filter(([, of]) => of.length > 0).map(([kind, of]) => line(KINDS[kind], of)),
    line('**all**', results),
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** What the prober did, in one sentence. */
export function probing(results: readonly Result[]): string {
  const rates = results.map(({ probes: { logins, seconds } }) => logins / seconds);
  const logins = results.reduce((sum, { probes }) => sum + probes.logins, 0);
  return (
    `${logins.toLocaleString('en')} logins with what AWSCURRENT said, ${median(rates).toFixed(0)} a second (median over the points; ` +
    `${Math.min(...rates).toFixed(0)} at least)`
  );
}

export function windowSummary(window: WindowReport): string {
  const { sleep, runs } = window;
  const agreeing = agreements(window);
  const grewBy = median(runs.map((run) => run.grewBy));
  const interval = median(runs.map((run) => run.interval));
  return (
    `AWSCURRENT alone did not log in for ${window.window.toFixed(0)} ms (median of ${runs.length} rotations without a fault). With the database's ` +
    `answer that the password has changed held back for ${sleep} ms it was ${window.windowWithSleep.toFixed(0)} ms; the prober saw the window grow by ` +
    `${grewBy.toFixed(0)} ms (median), and by what the proxy had waited, give or take one probe interval (${interval.toFixed(1)} ms), in ` +
    `${agreeing} of ${runs.length} rotations (${window.blurred} more, in which probes at the edges lay further apart than that wait, say nothing).`
  );
}

export type FullRun = {
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
  abilities: Abilities;
  normal: { calls: number; logins: number };
  /** Where there is one. */
  window: WindowReport | undefined;
  results: readonly PointResult[];
};

/** Why some points are not there, or what the server could not show. */
export function missing(abilities: Abilities): string[] {
  return Object.values(abilities).flatMap((ability) => (ability === 'supported' ? [] : [ability.unsupported]));
}

/** Replaces this server's and strategy's part of the document and leaves the others' as they are. */
export async function writeDocument(file: URL, run: FullRun): Promise<void> {
  const before = await readFile(file, 'utf8');
  const name = `${run.row}, ${run.strategy}`;
  const begin = `<!-- ${name} -->`;
  const end = `<!-- end of ${name} -->`;
  const part = `${begin}\n${section(run)}\n${end}`;
  const start = before.indexOf(begin);
  const rest = before.indexOf(end) + end.length;
  const document = start < 0 ? `${before.trimEnd()}\n\n${part}\n` : before.slice(0, start) + part + before.slice(rest);
  await writeFile(file, document);
}

function section(run: FullRun): string {
  const { row, strategy, server, commit, workers, cores, minutes, date, normal, window, results } = run;
  const causes = Map.groupBy(
    results.filter(({ outcome }) => outcome === 'refused'),
    ({ cause }) => cause,
  );
  const refusals = [...causes].map(([cause, of]) => `${cause} ${of.length}`);
  const failed = results.filter(isFailure);
  const lacks = missing(run.abilities);
  const denied = engineOf(row).deniesNormally.size === 0 ? 'nothing' : 'no login';
  return [
    `## ${server}, ${strategy.replaceAll('-', ' ')}`,
    '',
    table(results),
    '',
    `- When: ${date}, commit ${commit}; ${minutes.toFixed(0)} minutes with ${workers} workers on ${cores} cores.`,
    `- How: \`npm run crash-matrix -- --server '${row}' --strategy ${strategy}\`.`,
    ...(courses[strategy].turns.length > 1 ? [`- Rotations ${turnsOf(results)}.`] : []),
    `- A rotation without a fault: ${normal.calls} calls of Secrets Manager, ${normal.logins} logins, ${denied} refused.`,
    ...(lacks.length > 0 ? [`- On this server ${lacks.join('; ')}.`] : []),
    `- Prober: ${probing(results)}.`,
    ...(window ? [`- ${windowSummary(window)}`] : []),
    `- Causes of refusals: ${refusals.length > 0 ? refusals.join(', ') : 'none, as nothing was refused'}.`,
    ...(failed.length > 0
      ? ['', 'Failed:', '', ...failed.map((result) => `- \`${result.point.id}\`: ${verdict(result)}`)]
      : []),
  ].join('\n');
}

/** How many points each has. */
function turnsOf(results: readonly PointResult[]): string {
  const byTurn = Map.groupBy(results, ({ point }) => point.turn);
  return [...byTurn].map(([turn, of]) => `${TURNS[turn].means}: ${of.length} points`).join('; ');
}
