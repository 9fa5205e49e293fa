import { setTimeout as sleep } from 'node:timers/promises';
import type { FunctionLog, Line } from './function-log.ts';
import type { Journal } from './journal.ts';
import type { Labels, Secret, State } from './secret.ts';

/** How it ended, and the labels that were seen last. */
export type Ending = { labels: Labels } & ({ succeeded: true; ms: number } | { succeeded: false; why: string });

export type Following = {
  secret: Secret;
  log: FunctionLog;
  journal: Journal;
  version: string;
  /** Of before the start. */
  labels: Labels;
  timeLimitMs: number;
};

const PAUSE_MS = 1000;
/** Secrets Manager's reads are eventually consistent: right after RotateSecret one can still lack the label. */
const MISSES_THAT_COUNT = 5;
/** CloudWatch Logs shows a line some seconds after it was written. */
const LAST_LINES_MS = 10_000;

/** Says what happens until the rotation is over, or the time. @throws {Refusal} if it cannot be followed any more */
export async function follow({ secret, log, journal, version, timeLimitMs, ...start }: Following): Promise<Ending> {
  const lines = new Lines(log, journal, version);
  let { labels } = start;
  for (let misses = 0; ; await sleep(PAUSE_MS)) {
    const state = await secret.state((why) => journal.once(why));
    const ms = journal.elapsed;
    if (state !== undefined) {
      journal.moves(labels, state.labels);
      labels = state.labels;
      misses = isUnderWay(state, version) ? 0 : misses + 1;
    }
    if (isPromoted(labels, version)) {
      await lines.until(({ step, outcome }) => step === 'finishSecret' && outcome !== 'failed');
      return { succeeded: true, ms, labels };
    }
    await lines.sayNew();
    if (lines.isBeyondRetry) {
      labels = (await secret.state((why) => journal.once(why)))?.labels ?? labels;
      return { succeeded: false, why: 'no retry helps before the cause is settled', labels };
    }
    if (state && misses >= MISSES_THAT_COUNT) {
      await lines.until(({ outcome }) => outcome === 'failed');
      const why = state.isRotationOn ? 'AWSPENDING was taken off the version' : 'the rotation was cancelled';
      return { succeeded: false, why, labels };
    }
    if (ms > timeLimitMs) return { succeeded: false, why: `${timeLimitMs / 1000} seconds are over`, labels };
    journal.waiting(`AWSPENDING on ${version}`);
  }
}

function isUnderWay({ labels, isRotationOn }: State, version: string): boolean {
  return isRotationOn && labels.get('AWSPENDING') === version;
}

/** A version has AWSPREVIOUS and not AWSPENDING if it was AWSCURRENT, and somebody has stored another value since. */
function isPromoted(labels: Labels, version: string): boolean {
  if (labels.get('AWSCURRENT') === version) return true;
  return labels.get('AWSPREVIOUS') === version && labels.get('AWSPENDING') !== version;
}

/** The lines of one version, each said once. */
class Lines {
  readonly #log: FunctionLog;
  readonly #journal: Journal;
  readonly #version: string;
  readonly #said: Line[] = [];

  constructor(log: FunctionLog, journal: Journal, version: string) {
    this.#log = log;
    this.#journal = journal;
    this.#version = version;
  }

  async sayNew(): Promise<void> {
    for (const line of await this.#log.newLines(this.#version)) {
      this.#said.push(line);
      this.#journal.step(line);
    }
  }

  /** Whether a step has failed for a reason that only a person can settle. */
  get isBeyondRetry(): boolean {
    return this.#said.some(({ outcome, cause }) => outcome === 'failed' && cause?.retryHelps === false);
  }

  /** Waits a little for a line without which the story is not complete. */
  async until(isLast: (line: Line) => boolean): Promise<void> {
    for (const end = performance.now() + LAST_LINES_MS; this.#log.isReadable; await sleep(PAUSE_MS)) {
      await this.sayNew();
      if (this.#said.some(isLast)) return;
      if (performance.now() > end) {
        this.#journal.event(`The last lines may come later, in ${this.#log.group}.`);
        return;
      }
      this.#journal.waiting('the last lines of the log');
    }
  }
}
