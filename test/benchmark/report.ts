/** Results for people, in docs/benchmark.md, and for programs, in docs/benchmark.json. */
import { readFile, writeFile } from 'node:fs/promises';
import { STEPS } from '../../local/secrets-manager/rotation.ts';
import { chart } from './chart.ts';
import { LOOKS, type Measured } from './measure.ts';
import { type CaseReport, type Report, titleOf } from './run.ts';
import { summary } from './statistics.ts';

/** @param folder where `benchmark.md` is: what stands there between the marks is replaced */
export async function writeReport(folder: URL, report: Report): Promise<void> {
  const file = new URL('benchmark.md', folder);
  const text = await readFile(file, 'utf8');
  const [begin, end] = ['<!-- figures: written by `npm run bench -- --write` -->', '<!-- end of figures -->'];
  const [before = '', rest = ''] = text.split(begin);
  const [, after = ''] = rest.split(end);
  await writeFile(file, `${before}${begin}\n${markdown(report)}\n${end}${after}`);
  await writeFile(new URL('benchmark.svg', folder), chart(report.cases));
  await writeFile(new URL('benchmark.json', folder), `${JSON.stringify(report, asJson, 2)}\n`);
}

/** Maps as objects, and no more than three digits after the point. */
function asJson(_key: string, value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value);
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;
}

export function markdown({ date, commit, node, machine, load, runs, rotations, cases }: Report): string {
  const { processor, cores, gigabytes, system } = machine;
  return [
    `${date}, commit ${commit}, Node ${node.slice(1)}, on ${processor}, ${cores} cores, ${gigabytes} GB, ${system}. ${runs} runs; memory over ` +
      `${rotations} rotations. Load average before ${load.before.toFixed(1)}, after ${load.after.toFixed(1)}` +
      `${load.before > QUIET ? ': **others were at work on the machine, so times are too long; compare columns only**' : ''}.`,
    '',
    '![bars: the first and a later rotation in each case](benchmark.svg)',
    ...cases.flatMap((each) => ['', `## ${each.server}, ${titleOf(each)}`, '', table(each), ...notes(each)]),
  ].join('\n');
}

/** A load average below which the machine had nothing else to do. */
const QUIET = 0.5;

function notes({ failed }: CaseReport): string[] {
  return failed.flatMap(({ name, why }) => ['', `${name} was left out: ${why}`]);
}

/** A line for each figure, a column for each function. */
export function table({ bareNode, candidates }: CaseReport): string {
  const [ours] = candidates as [Measured];
  const times = (of: (each: Measured) => readonly number[]) =>
    candidates.map((each) => time(of(each), each === ours ? undefined : of(ours)));
  const lines: [string, string[]][] = [
    ['**new process**: until the code is loaded, ms', times(({ figures }) => figures.start)],
    ['of that, Node with no code', [time(bareNode), ...candidates.slice(1).map(() => '')]],
    ['then the first createSecret, ms', times(({ figures }) => figures.firstStep)],
    ['the first rotation, ms', times(({ figures }) => figures.firstRotation)],
    ['**later rotation**, ms', times(({ figures }) => figures.rotation)],
    ...STEPS.map((step): [string, string[]] => [`${step}, ms`, times(({ figures }) => figures.steps[step])]),
    ['**processor**: until the code is loaded, ms', times(({ figures }) => figures.processorOfStart)],
    ['the first rotation, ms', times(({ figures }) => figures.processorOfFirst)],
    ['a later rotation, ms', times(({ figures }) => figures.processor)],
    ...LOOKS.filter((look) => candidates.some(({ memory }) => memory.has(look))).map((look): [string, string[]] => [
      `**memory** after ${look === 1 ? 'one rotation' : `${look} rotations`}, MB`,
      candidates.map(({ memory }) => resident(memory.get(look))),
    ]),
    ...STEPS.map((step, index): [string, string[]] => [
      `${index === 0 ? '**round trips**, ' : ''}${step}`,
      candidates.map(({ counts }) => roundTrips([counts.roundTrips[step]])),
    ]),
    ['the four steps', candidates.map(({ counts }) => roundTrips(STEPS.map((step) => counts.roundTrips[step])))],
    ['**calls**', candidates.map(calls)],
    ['**logins**', candidates.map(logins)],
  ];
  return [
    ['', ...candidates.map(({ name }) => name)],
    ['---', ...candidates.map(() => '--:')],
    ...lines.map(([name, cells]) => [name, ...cells]),
  ]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

function time(figures: readonly number[], ours?: readonly number[]): string {
  const [own, other] = [summary(figures), summary(ours ?? [])];
  if (own === undefined) return '–';
  const { median, from, to, minimum } = own;
  const ratio = other === undefined ? '' : `, × ${(median / other.median).toFixed(2)}`;
  return `${short(median)} (${short(from)}–${short(to)}; ${short(minimum)})${ratio}`;
}

function short(ms: number): string {
  return ms < 10 ? ms.toFixed(1) : ms.toFixed(0);
}

function resident(memory: { resident: number; highest: number } | undefined): string {
  return memory === undefined ? '–' : `${memory.resident.toFixed(0)} (${memory.highest.toFixed(0)})`;
}

function roundTrips(
  waits: readonly Measured['counts']['roundTrips'][keyof Measured['counts']['roundTrips']][],
): string {
  const sum = (key: 'Secrets Manager' | 'database' | 'together') => waits.reduce((total, each) => total + each[key], 0);
  return `${sum('together')} (${sum('Secrets Manager')} + ${sum('database')})`;
}

/** `11 (4 + 4 + 1 + 2)` */
export function calls({ counts }: Measured): string {
  const each = STEPS.map((step) => counts.calls[step]);
  return `${each.reduce((sum, n) => sum + n, 0)} (${each.join(' + ')})`;
}

export function logins({ counts }: Measured): string {
  const { accepted, refused } = counts.logins;
  return refused === 0 ? String(accepted) : `${accepted}, and ${refused} refused`;
}
