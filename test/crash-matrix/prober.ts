/** An application that logs in throughout, with what the secret's labels say. */
import { setTimeout as sleep } from 'node:timers/promises';
import { STRATEGIES } from '../../shared/database/strategies/facts.ts';
import type { Login, Verdict } from './login.ts';
import type { Labelled, Labels, Subject } from './subject.ts';
import type { Timeline } from './timeline.ts';

/** Milliseconds between two probes: a hundred a second, if the machine can. */
const PROBE_INTERVAL = 10;
/** While nothing passes between the function and its servers, nothing changes either: fewer are enough. */
const QUIET_INTERVAL = 50;
/** Milliseconds after what passed last, until it is quiet. */
const SETTLING = 100;
/** Probes under way. */
const MOST_AT_ONCE = 8;
/** Logins under way: a server that is slow is not asked more. */
const MOST_LOGINS = 2;

/** A login with AWSCURRENT. When the labels were read, and when the server answered: performance.now(). */
type Probe = { asked: number; answered: number; verdict: Verdict };

/** Where AWSCURRENT alone does not log in. */
export type Window = {
  from: number;
  to: number;
  /** Between two probes, at that end where it was longer: so exact is the window. */
  interval: number;
};

export type ProbeReport = {
  /** When no labelled password logged in. */
  lockOuts: number[];
  windows: Window[];
  /** With AWSCURRENT, that were accepted or refused. */
  logins: number;
  seconds: number;
};

export class Prober {
  readonly #subject: Subject;
  readonly #timeline: Timeline;
  readonly #probes: Probe[] = [];
  readonly #lockOuts: number[] = [];
  /** Since when AWSCURRENT has been refused beside that pending version: performance.now(). */
  readonly #refusedSince = new Map<string, number>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #isSteady: boolean;
  #logins = 0;
  #started = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #latest = Number.NEGATIVE_INFINITY;
  #heard = Number.NEGATIVE_INFINITY;
  #pendingSeen: string | undefined;

  /** `isSteady`: looks as often while nothing passes, so that times can be measured. */
  constructor(subject: Subject, timeline: Timeline, { isSteady }: { isSteady: boolean }) {
    this.#subject = subject;
    this.#timeline = timeline;
    this.#isSteady = isSteady;
  }

  start(): void {
    this.#started = performance.now();
    this.#resume();
  }

  /** The version that was AWSPENDING and logged in where AWSCURRENT did not; undefined after a person changed the password. */
  get pendingSeen(): string | undefined {
    return this.#pendingSeen;
  }

  /** Something passes between the function and its servers. `changes`: something was changed, and is true from now on. */
  hear({ changes }: { changes: boolean }): void {
    this.#heard = performance.now();
    if (changes && this.#timer !== undefined) this.#look();
  }

  /** What people do to the password is not the function's doing: nobody looks meanwhile. */
  async whileNobodyLooks(work: () => Promise<void>): Promise<void> {
    await this.#pause();
    await work();
    this.#pendingSeen = undefined;
    this.#resume();
  }

  async stop(): Promise<ProbeReport> {
    await this.#pause();
    const seconds = (performance.now() - this.#started) / 1000;
    return { lockOuts: this.#lockOuts, windows: windows(this.#probes), logins: this.#probes.length, seconds };
  }

  /** Resolves after another probe, so that what is true now has been seen. */
  async lookAgain(): Promise<void> {
    await Promise.all(this.#underWay);
    this.#look();
    await Promise.all(this.#underWay);
  }

  #resume(): void {
    this.#timer = setInterval(() => {
      const now = performance.now();
      const isQuiet = !this.#isSteady && now - this.#heard > SETTLING;
      if (this.#logins < MOST_LOGINS && (!isQuiet || now - this.#latest >= QUIET_INTERVAL)) this.#look();
    }, PROBE_INTERVAL);
  }

  async #pause(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await Promise.all(this.#underWay);
  }

  #look(): void {
    if (this.#underWay.size >= MOST_AT_ONCE) return;
    this.#latest = performance.now();
    const probe = this.#probe().finally(() => this.#underWay.delete(probe));
    this.#underWay.add(probe);
  }

  async #logIn(as: Labelled): Promise<Login> {
    this.#logins++;
    try {
      return await this.#subject.logIn(as);
    } finally {
      this.#logins--;
    }
  }

  async #probe(): Promise<void> {
    const labels = this.#subject.labels();
    const asked = performance.now();
    const { verdict, at: answered } = await this.#logIn(labels.current);
    if (verdict !== 'unknown') this.#probes.push({ asked, answered, verdict });
    if (verdict === 'refused') await this.#lookForLockOut(labels, answered);
  }

  /**
   * Labels read, all passwords that count refused, labels read again and equal: AWSCURRENT's, and with a single user AWSPENDING's. Then AWSCURRENT is tried once more at the end: if the
   * database went from AWSPENDING's password to AWSCURRENT's between the two logins, both were refused though one was always good.
   */
  async #lookForLockOut(labels: Labels, at: number): Promise<void> {
    const { current, pending } = this.#counting(labels);
    if (pending) await this.#letFunctionGoAhead(pending);
    for (const labelled of pending === undefined ? [] : [pending, current]) {
      const { verdict } = await this.#logIn(labelled);
      if (verdict === 'accepted' && labelled === pending) this.#pendingSeen = pending.id;
      if (verdict !== 'refused') return;
    }
    const now = this.#counting(this.#subject.labels());
    if (now.current.id !== current.id || now.pending?.id !== pending?.id) return;
    this.#lockOuts.push(at);
    this.#timeline.add('LOCK-OUT: no password that a label names logs in', at);
  }

  async #letFunctionGoAhead({ id }: Labelled): Promise<void> {
    const refusedSince = this.#refusedSince.get(id) ?? performance.now();
    this.#refusedSince.set(id, refusedSince);
    const ahead = refusedSince + this.#subject.firstLoginAhead - performance.now();
    if (ahead > 0) await sleep(ahead);
  }

  /** With two users AWSPENDING is no way out: AWSCURRENT itself has to log in. */
  #counting({ current, pending }: Labels): Pick<Labels, 'current' | 'pending'> {
    return { current, pending: STRATEGIES[this.#subject.strategy].keepsOldValid ? undefined : pending };
  }
}

/** From the first login that was refused, when the server said so, to the labels that led to the first that was not. */
function windows(probes: readonly Probe[]): Window[] {
  const found: Window[] = [];
  const last = { accepted: Number.NEGATIVE_INFINITY, refused: Number.NEGATIVE_INFINITY };
  let open: { from: number; interval: number } | undefined;
  for (const { asked, answered, verdict } of probes.toSorted((a, b) => a.answered - b.answered)) {
    const overtaken = verdict === 'refused' && asked < (found.at(-1)?.to ?? 0);
    if (overtaken) continue;
    if (verdict === 'refused') {
      open ??= { from: answered, interval: answered - last.accepted };
      last.refused = Math.max(last.refused, asked);
      continue;
    }
    if (open !== undefined) {
      found.push({ from: open.from, to: asked, interval: Math.max(open.interval, asked - last.refused) });
      open = undefined;
    }
    last.accepted = answered;
  }
  return open === undefined ? found : [...found, { ...open, to: Number.POSITIVE_INFINITY }];
}
