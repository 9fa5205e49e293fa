/**
 * Looks, whenever something may have changed, whether a password that a label names logs in; and whose doing it is if none does.
 *
 * The function waits meanwhile, so every state that its calls and statements lead to is seen, and none twice: a login is
 * repeated only where the server keeps something else of the password than before.
 */
import type { Verdict } from '../crash-matrix/login.ts';
import type { User } from './hands.ts';
import type { Json, Version } from './secret.ts';

/** What the lookout is at. */
export type Watched = {
  /**
   * Versions of which one has to log in: AWSCURRENT, and AWSPENDING if the strategy has a window. A rotation
   * that was given up may pass over a newer one's version with its last call: that version counts, too.
   */
  counting(): Version[];
  /** What the server keeps of a user's password; something else after each change where it does not show that. */
  kept(): Promise<ReadonlyMap<string, string> | number>;
  logIn(value: Json): Promise<Verdict>;
  /** Versions that were made after this one. */
  younger(than: Version): Version[];
  /** A person has moved a label in this run, or stopped the rotation. */
  readonly labelsMoved: boolean;
};

/** A lock-out that the function has made, and may repair before the step ends. */
type Open = { during: string; since: number };

export class Lookout {
  /** Lock-outs that nobody but the function made. */
  readonly lockOuts: string[] = [];
  /** Lock-outs that a person made: whoever put something wrong into AWSCURRENT, say. */
  byPeople = 0;
  /** Lock-outs that the function made because a label moved in its last moment, and ended before it answered. */
  repaired = 0;
  readonly #watched: Watched;
  readonly #verdicts = new Map<string, Verdict>();
  /** By user, all that the server has kept of the password so far, the latest last. */
  readonly #history = new Map<string, string[]>();
  /** By user, what the server keeps since a person changed it; and where it does not show that, the password. */
  readonly #setByPeople = new Map<string, string>();
  /** How many people are at work, and how often one has begun or ended. */
  #people = 0;
  #timesPeople = 0;
  #isPeoples = false;
  #open: Open | undefined;
  #say: (text: string) => void;

  constructor(watched: Watched, say: (text: string) => void) {
    this.#watched = watched;
    this.#say = say;
  }

  /** What was set up before is nobody's doing. */
  begin(): void {
    this.#setByPeople.clear();
    this.byPeople = 0;
  }

  /** After something of the function's has taken effect. @param during what, for the report */
  async look(during: string): Promise<void> {
    for (;;) {
      // What a person is at may have taken effect: who looks afterwards knows.
      if (this.#people > 0) return;
      const times = this.#timesPeople;
      const isLockedOut = await this.#isLockedOut();
      if (times !== this.#timesPeople) continue;
      return isLockedOut ? this.#nothingLogsIn(during) : this.#allIsWell();
    }
  }

  async #nothingLogsIn(during: string): Promise<void> {
    if (this.#isPeoples || this.#open !== undefined) return;
    if (await this.#isSetByPeople()) return this.#isPeoplesNow();
    this.#say(`no password that counts logs in, after ${during}`);
    this.#open = { during, since: performance.now() };
    if (!this.#watched.labelsMoved) this.#count();
  }

  #allIsWell(): void {
    this.#isPeoples = false;
    if (this.#open === undefined) return;
    this.repaired++;
    this.#say(`a password that counts logs in again, after ${(performance.now() - this.#open.since).toFixed(0)} ms`);
    this.#open = undefined;
  }

  #count(): void {
    this.lockOuts.push(`LOCK-OUT after ${this.#open?.during}`);
    this.#open = undefined;
    this.#isPeoples = true; // it is counted once
  }

  /** The function has answered: what it has left so is no passing state. */
  async invocationEnds(during: string): Promise<void> {
    await this.look(during);
    if (this.#open !== undefined) this.#count();
  }

  /** What a person does. If no password logs in afterwards, and one did before, it is that person's doing. */
  async whilePeopleWork<T>(work: () => Promise<T>): Promise<T> {
    this.#people++;
    this.#timesPeople++;
    try {
      const before = await this.#watched.kept();
      const result = await work();
      await this.#noteWhatChanged(before);
      return result;
    } finally {
      this.#verdicts.clear(); // an account may have been locked
      if (this.#people === 1 && this.#open === undefined) await this.#lookAfterPeople();
      this.#people--;
      this.#timesPeople++;
    }
  }

  async #lookAfterPeople(): Promise<void> {
    if (!(await this.#isLockedOut())) this.#isPeoples = false;
    else if (!this.#isPeoples) this.#isPeoplesNow();
  }

  #isPeoplesNow(): void {
    this.#isPeoples = true;
    this.byPeople++;
    this.#say('no password that counts logs in, by what the person did');
  }

  /** A person's password: all that is known of it where the server does not show what it keeps. */
  noteSet({ username, password }: User): void {
    this.#setByPeople.set(username, password);
  }

  async #noteWhatChanged(before: ReadonlyMap<string, string> | number): Promise<void> {
    const now = await this.#watched.kept();
    if (typeof before === 'number' || typeof now === 'number') return;
    for (const username of [...before.keys(), ...now.keys()]) {
      const password = now.get(username) ?? GONE;
      if (password !== (before.get(username) ?? GONE)) this.#setByPeople.set(username, password);
    }
  }

  /**
   * A person has set the database's password of AWSCURRENT's user, or has dropped it, and has not said so in the secret: the function, which had proven another one,
   * could not know.
   */
  async #isSetByPeople(): Promise<boolean> {
    const kept = await this.#watched.kept();
    const [current] = this.#watched.counting();
    const username = String(current?.value?.['username']);
    const set = this.#setByPeople.get(username);
    if (current === undefined || set === undefined) return false;
    const isStillSet =
      typeof kept === 'number'
        ? (await this.verdict({ username, password: set }, kept)) === 'accepted'
        : (kept.get(username) ?? GONE) === set;
    if (!isStillSet) return false;
    for (const { value } of this.#watched.younger(current))
      if (value?.['username'] === username && (await this.verdict(value, kept)) === 'accepted') return false;
    return true;
  }

  async #isLockedOut(): Promise<boolean> {
    // Somebody else may be at work at the same time: what is true only for a mixture of moments is not true.
    for (let tries = 0; tries < MOST_LOOKS; tries++) {
      const [versions, kept] = [this.#watched.counting(), await this.#watched.kept()];
      const isOut = await this.#refusesAll(versions, kept);
      if (!isOut) return false;
      const again = [this.#watched.counting(), await this.#watched.kept()] as const;
      if (same([versions, kept], again)) return true;
    }
    return false;
  }

  async #refusesAll(versions: readonly Version[], kept: ReadonlyMap<string, string> | number): Promise<boolean> {
    for (const { value } of versions)
      if (value !== undefined && (await this.verdict(value, kept)) !== 'refused') return false;
    return true;
  }

  async verdict(value: Json, kept: ReadonlyMap<string, string> | number): Promise<Verdict> {
    const { username, password } = value;
    this.#remember(kept);
    const known = typeof kept === 'number' ? kept : kept.get(String(username));
    const key = JSON.stringify([username, password, value['dbname'], known]);
    const verdict = this.#verdicts.get(key) ?? (await this.#watched.logIn(value));
    if (verdict !== 'unknown') this.#verdicts.set(key, verdict);
    return verdict;
  }

  #remember(kept: ReadonlyMap<string, string> | number): void {
    if (typeof kept === 'number') return;
    for (const [username, password] of kept) {
      const known = this.#history.get(username) ?? [];
      if (known.at(-1) !== password) this.#history.set(username, [...known, password]);
    }
  }

  /** What the server kept of the user's password before its last change; undefined if none was seen. */
  before(username: string): string | undefined {
    return this.#history.get(username)?.at(-2);
  }
}

const MOST_LOOKS = 3;

/** What the server keeps of a user that is not there. */
const GONE = '';

type Moment = readonly [Version[], ReadonlyMap<string, string> | number];

function same([versions, kept]: Moment, [versionsAgain, keptAgain]: Moment): boolean {
  const text = (moment: Moment) =>
    JSON.stringify([moment[0], typeof moment[1] === 'number' ? moment[1] : [...moment[1]]]);
  return text([versions, kept]) === text([versionsAgain, keptAgain]);
}
