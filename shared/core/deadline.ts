import { DeadlineError } from './errors.ts';

/** What time is spent on. Each kind has a share of its own, so that no slow party can eat up the time of the others. */
export type Spending = 'Secrets Manager' | 'RDS' | 'connecting' | 'statements';

/**
 * Milliseconds at most, and at most that part of the invocation's time. With the default 60 s both say the same; with less
 * time, or with the 15 minutes a Lambda can have, the smaller of the two holds.
 */
const SHARES: Record<Spending | 'reserve', { most: number; part: number }> = {
  'Secrets Manager': { most: 10_000, part: 1 / 6 },
  RDS: { most: 5000, part: 1 / 12 },
  connecting: { most: 20_000, part: 1 / 3 },
  statements: { most: 10_000, part: 1 / 6 },
  reserve: { most: 10_000, part: 1 / 6 },
};

/** A server must give up before its client does: the rest is for the answer's way back. */
const SERVER_SHARE = 0.9;

/** How long a server gets to see a session out, in milliseconds. */
export const GOODBYE = 500;

/** The time of one invocation, handed out by kind. All figures are milliseconds on the monotonic clock. */
export class Deadline {
  readonly #total: number;
  readonly #end: number;
  readonly #spent: Record<Spending, number> = { 'Secrets Manager': 0, RDS: 0, connecting: 0, statements: 0 };

  /** `remaining`: what the Lambda context's getRemainingTimeInMillis() says at the start of the invocation. */
  constructor(remaining: number) {
    this.#total = remaining;
    this.#end = performance.now() + remaining;
  }

  /** What is left for this kind, never below 0 and never past the end of the invocation. */
  left(kind: Spending): number {
    const rest = Math.min(this.#share(kind) - this.#spent[kind], this.#end - performance.now());
    return Math.max(0, Math.floor(rest));
  }

  /** The longest that a server may work on statements from now on; never 0, which servers take for no limit at all. */
  serverLimit(): number {
    return Math.max(1, Math.floor(this.left('statements') * SERVER_SHARE));
  }

  /**
   * Runs `work` within what is left for this kind. The signal fires when that is used up; `work` must then let go of
   * what it holds, and what it was doing may have happened.
   * @throws {DeadlineError} when nothing is left, or when it ran out under way
   */
  async spend<T>(kind: Spending, what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const left = this.left(kind);
    if (left === 0) throw new DeadlineError(`No time is left for ${what} (${this.#describe(kind)}).`);
    const abort = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const started = performance.now();
    const expired = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new DeadlineError(`No answer within ${left} ms from ${what} (${this.#describe(kind)}).`));
        abort.abort();
      }, left);
    });
    try {
      return await Promise.race([work(abort.signal), expired]);
    } finally {
      clearTimeout(timer);
      this.#spent[kind] += performance.now() - started;
    }
  }

  /**
   * To be called right before a change begins: a change that has no time to be proven is better not begun.
   * @throws {DeadlineError}
   */
  requireReserve(): void {
    const proofs: Spending[] = ['connecting', 'statements'];
    const tooLittle = proofs.some((kind) => this.left(kind) < this.#share(kind) / 4);
    if (tooLittle || this.#end - performance.now() < this.#share('reserve'))
      throw new DeadlineError(
        'Too little time is left to begin a change: nothing was changed. Raise the function’s time-out.',
      );
  }

  #share(kind: Spending | 'reserve'): number {
    return Math.min(SHARES[kind].most, SHARES[kind].part * this.#total);
  }

  #describe(kind: Spending): string {
    return `${Math.round(this.#share(kind))} ms in all for ${kind}, of ${Math.round(this.#total)} ms for this step`;
  }
}
