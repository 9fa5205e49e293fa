/**
 * How long AWSCURRENT alone does not log in when a single user's password rotates: from the database's commit to the end of finishSecret, as
 * the prober sees it. That it sees right is shown by a sleep put between the commit and its answer: the window grows by as much.
 */
import { runNormal } from './benches.ts';
import type { Window } from './prober.ts';
import type { Bench, Result } from './run-point.ts';

/** Milliseconds. */
const SLEEP = 20;

/** All in milliseconds. */
export type WindowReport = {
  sleep: number;
  /** The median window without the sleep. */
  window: number;
  /** The median window with it. */
  windowWithSleep: number;
  /** With the sleep. */
  runs: WindowRun[];
  /** So many runs with the sleep were not counted: the prober, held up by other work, could not have seen it. */
  blurred: number;
};

export type WindowRun = {
  /** By how much the window grew, as the prober saw it. */
  grewBy: number;
  /** How long the answer was held back, by the proxy's clock. */
  slept: number;
  /** Between two probes, at an edge of the window. */
  interval: number;
  /** The first is the second, give or take the third. */
  agrees: boolean;
};

/** @param runs of each kind, with and without the sleep, in turn */
export async function measureWindow(bench: Bench, runs: number): Promise<WindowReport> {
  const plain: Result[] = [];
  const slow: Result[] = [];
  let blurred = 0;
  while (slow.length < runs) {
    plain.push(await runNormal(bench));
    const result = await runNormal(bench, { commitAnswerDelay: SLEEP });
    if (widest(result).interval < SLEEP) slow.push(result);
    else if (++blurred > MOST_BLURRED * runs) throw new Error('This machine is too busy to measure a window of time');
  }
  const usual = median(plain.filter((result) => widest(result).interval < SLEEP).map(beforeAnswer));
  return {
    sleep: SLEEP,
    window: median(plain.map(windowOf)),
    windowWithSleep: median(slow.map(windowOf)),
    runs: slow.map((result) => compared(result, usual)),
    blurred,
  };
}

/** Times the runs that are wanted. */
const MOST_BLURRED = 5;

function compared(result: Result, usual: number): WindowRun {
  const grewBy = beforeAnswer(result) - usual;
  const slept = result.times.answered - result.times.committed;
  const { interval } = widest(result);
  return { grewBy, slept, interval, agrees: Math.abs(grewBy - slept) <= interval };
}

/**
 * The window less what the steps after the answer took, which varies more than the sleep is long. The proxies saw that part exactly: from
 * handing on the answer to the promotion.
 */
function beforeAnswer(result: Result): number {
  return windowOf(result) - (result.times.promoted - result.times.answered);
}

function windowOf(result: Result): number {
  const { from, to } = widest(result);
  return to - from;
}

function widest({ probes }: Result): Window {
  const [window] = probes.windows.toSorted((a, b) => b.to - b.from - (a.to - a.from));
  if (window === undefined) throw new Error('The prober has not seen the password change');
  return window;
}

export function agreements({ runs }: WindowReport): number {
  return runs.filter(({ agrees }) => agrees).length;
}

/** Nineteen of twenty. */
export function isExact(report: WindowReport): boolean {
  return agreements(report) >= 0.95 * report.runs.length;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
