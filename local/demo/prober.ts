import type { SecretStore } from '../secrets-manager/store.ts';
import type { Database } from './database.ts';
import { versionAt } from './secret.ts';

/** What logged in, asked in this order. Milliseconds on the monotonic clock. */
export type Probe = { startedAt: number; worked: 'AWSCURRENT' | 'AWSPENDING' | 'neither' };

/**
 * Logs in to the server without a pause. AWSPENDING is tried after AWSCURRENT has been refused, not at the same time: a
 * password that is set between two simultaneous logins would look like a moment at which neither works. A server that does
 * not say what it thinks of a password (no answer in time, no place for one more) proves nothing: no probe comes of it.
 */
export class Prober implements AsyncDisposable {
  readonly probes: Probe[] = [];
  readonly #database: Pick<Database, 'login'>;
  readonly #store: SecretStore;
  readonly #stopped: Promise<void>;
  #running = true;

  constructor(database: Pick<Database, 'login'>, store: SecretStore) {
    this.#database = database;
    this.#store = store;
    this.#stopped = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running = false;
    await this.#stopped;
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const startedAt = performance.now();
      const worked = await this.#whatWorks();
      if (worked !== undefined) this.probes.push({ startedAt, worked });
    }
  }

  /** @returns undefined if nothing is proven */
  async #whatWorks(): Promise<Probe['worked'] | undefined> {
    const asked = versionAt(this.#store, 'AWSCURRENT')?.id;
    for (const label of ['AWSCURRENT', 'AWSPENDING'] as const) {
      const version = versionAt(this.#store, label);
      const answer = version === undefined ? 'refused' : await this.#database.login('prober', version);
      if (answer === 'accepted') return label;
      if (answer === 'unreachable') return undefined;
    }
    // Promoted while we were asking: the first question was about a version that AWSCURRENT has left.
    return versionAt(this.#store, 'AWSCURRENT')?.id === asked ? 'neither' : undefined;
  }
}

/** The time in which AWSCURRENT alone did not log in. */
export type LockOut = {
  /** Milliseconds since the start of the rotation's first step. */
  startedAt: number;
  ms: number;
  /** Logins that AWSCURRENT was refused in that time, and how many of them AWSPENDING was granted at once. */
  refused: number;
  byPending: number;
};

/**
 * An upper bound: from the start of the last login before that was accepted to the start of the first one after, so it is
 * one or two logins longer than the truth. Undefined if no login was refused.
 * @param since when the rotation's first step was started; earlier probes are left out
 */
export function lockOutIn(all: readonly Probe[], since: number): LockOut | undefined {
  const probes = all.filter(({ startedAt }) => startedAt >= since);
  const isRefused = ({ worked }: Probe) => worked !== 'AWSCURRENT';
  const refused = probes.filter(isRefused);
  if (refused.length === 0) return undefined;
  const before = probes[probes.findIndex(isRefused) - 1] ?? probes[0];
  const after = probes[probes.findLastIndex(isRefused) + 1] ?? probes.at(-1);
  const startedAt = before?.startedAt ?? since;
  return {
    startedAt: Math.round(startedAt - since),
    ms: Math.round((after?.startedAt ?? since) - startedAt),
    refused: refused.length,
    byPending: refused.filter(({ worked }) => worked === 'AWSPENDING').length,
  };
}
