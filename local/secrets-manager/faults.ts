/** The ways in which a network and a busy service go wrong, on request and repeatable. */
export const FAULT_KINDS = [
  /** GetSecretValue or DescribeSecret shortly after a write answers the state before it. */
  'staleRead',
  /** ThrottlingException (HTTP 400); nothing happened. */
  'throttling',
  /** InternalServiceError (HTTP 500); nothing happened. */
  'errorBefore',
  /** InternalServiceError (HTTP 500); the operation took effect. */
  'errorAfter',
  /** The operation took effect and the connection closes without a response. */
  'lostAnswer',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export type FaultSettings = {
  /** Of each kind, for each call: from 0 to 1, and together no more than 1. */
  probability: Partial<Record<FaultKind, number>>;
  /** Repeats a run whose calls come in the same order. */
  seed: number;
  /** How long after a write a read may still be stale, in milliseconds. */
  staleForMs?: number;
};

const none = (): Record<FaultKind, number> => ({
  staleRead: 0,
  throttling: 0,
  errorBefore: 0,
  errorAfter: 0,
  lostAnswer: 0,
});

/** Decides for each call of the function whether a fault strikes, and counts those that reached it. */
export class Faults {
  staleForMs = 0;
  #probability: Partial<Record<FaultKind, number>> = {};
  #random: () => number = seeded(0);
  readonly #delivered = none();

  /** Takes effect with the next call; the counters go on. */
  set({ probability, seed, staleForMs = 500 }: FaultSettings): void {
    const together = Object.values(probability).reduce((sum, p) => sum + p, 0);
    if (together > 1) throw new RangeError(`The probabilities of the faults add up to ${together}, more than 1`);
    this.#probability = probability;
    this.#random = seeded(seed);
    this.staleForMs = staleForMs;
  }

  off(): void {
    this.#probability = {};
  }

  /** How often each kind was really delivered: a stale read that would have said the same is none. */
  get delivered(): Readonly<Record<FaultKind, number>> {
    return { ...this.#delivered };
  }

  /** One number is drawn for each call, so the sequence depends on the seed and the count of calls alone. */
  draw(): FaultKind | undefined {
    let left = this.#random();
    for (const kind of FAULT_KINDS) {
      left -= this.#probability[kind] ?? 0;
      if (left < 0) return kind;
    }
    return undefined;
  }

  count(kind: FaultKind): void {
    this.#delivered[kind] += 1;
  }
}

/** Mulberry32: small, and good enough to spread faults. Gives numbers from 0 up to, not including, 1. */
function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
