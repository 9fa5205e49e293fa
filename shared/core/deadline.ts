/** The time of one invocation, and who may spend how much of it. */

import { DeadlineError } from './errors.ts';

/**
 * What time is spent on. Each kind has its own share, so that one slow party cannot use up the time
 * of the others.
 */
export type Spending = 'Secrets Manager' | 'RDS' | 'connecting' | 'statements';

/**
 * The share of each kind: at most `most` milliseconds, and at most `part` of the invocation's time.
 * With the default of 60 s the two limits are equal. With less time, or with more (a Lambda can
 * have 15 minutes), the smaller limit holds.
 */
const SHARES: Record<Spending | 'reserve', { most: number; part: number }> = {
  'Secrets Manager': { most: 10_000, part: 1 / 6 },
  RDS: { most: 5000, part: 1 / 12 },
  connecting: { most: 20_000, part: 1 / 3 },
  statements: { most: 10_000, part: 1 / 6 },
  reserve: { most: 10_000, part: 1 / 6 },
};

/**
 * A server has to give up before its client does. The rest of the time is for the answer's way
 * back.
 */
const SERVER_SHARE = 0.9;

/** How long a server gets to end a session, in milliseconds. */
export const GOODBYE = 500;

/**
 * Hands out the time of one invocation by kind. All figures are milliseconds on the monotonic
 * clock.
 */
export class Deadline {
  readonly #total: number;
  readonly #end: number;
  readonly #spent = {
    'Secrets Manager': new Clock(),
    RDS: new Clock(),
    connecting: new Clock(),
    statements: new Clock(),
  };

  /**
   * @param remaining getRemainingTimeInMillis() of Lambda's context, at the start of the invocation
   */
  constructor(remaining: number) {
    this.#total = remaining;
    this.#end = performance.now() + remaining;
  }

  /** What is left for this kind: never below 0, never past the end of the invocation. */
  left(kind: Spending): number {
    const rest = Math.min(this.#share(kind) - this.#spent[kind].read(), this.#end - performance.now());
    return Math.max(0, Math.floor(rest));
  }

  /** How long a server may work on statements from now on. Never 0: servers take that for no limit. */
  serverLimit(): number {
    return Math.max(1, Math.floor(this.left('statements') * SERVER_SHARE));
  }

  /**
   * Runs `work` within the time that is left for this kind. When that time is used up, the signal
   * fires, and `work` has to release what it holds. What `work` was doing may have happened. Time in
   * which several works of one kind are under way counts once.
   * @param what for the error message: `Secrets Manager’s GetSecretValue`
   * @throws {DeadlineError} if no time is left, or if it ran out during the work
   */
  async spend<T>(kind: Spending, what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const left = this.left(kind);
    if (left === 0) throw new DeadlineError(`No time is left for ${what} (${this.#describe(kind)}).`);
    const abort = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    this.#spent[kind].start();
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
      this.#spent[kind].stop();
    }
  }

  /**
   * Call this right before a change. A change without enough time to prove it must not begin.
   * @throws {DeadlineError} nothing has changed then
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

/** Adds up the time in which at least one work is under way. In milliseconds. */
class Clock {
  #underWay = 0;
  #since = 0;
  #before = 0;

  start(): void {
    if (this.#underWay++ === 0) this.#since = performance.now();
  }

  stop(): void {
    if (--this.#underWay === 0) this.#before += performance.now() - this.#since;
  }

  read(): number {
    return this.#before + (this.#underWay === 0 ? 0 : performance.now() - this.#since);
  }
}
