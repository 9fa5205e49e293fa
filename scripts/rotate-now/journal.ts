import type { Terminal } from '../terminal.ts';
import type { Line } from './function-log.ts';
import type { Labels, Rotatable } from './secret.ts';

/** What the command says of a rotation, to people. */
export class Journal {
  readonly #terminal: Terminal;
  readonly #said = new Set<string>();
  #startedAt = performance.now();
  /** Of the failed step that was seen last. */
  #lastCause: string | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  introduce({ name, arn, functionArn, lastRotated, labels }: Rotatable): void {
    const terminal = this.#terminal;
    terminal.print(terminal.paint('bold', `Rotating ${name}`));
    terminal.print();
    terminal.row('secret', arn);
    terminal.row('function', functionArn);
    terminal.row('last rotated', lastRotated?.toISOString() ?? 'never');
    terminal.row('labels', shown(labels));
  }

  /** The rotation is about to be started. */
  startClock(): void {
    this.#startedAt = performance.now();
  }

  started(version: string, group: string): void {
    this.#terminal.row('version', version);
    this.#terminal.row('log', group);
    this.#terminal.print();
  }

  /** In milliseconds since the rotation was started. */
  get elapsed(): number {
    return performance.now() - this.#startedAt;
  }

  event(text: string): void {
    this.#terminal.row(seconds(this.elapsed), text);
  }

  /** What would be said at every turn. */
  once(text: string): void {
    if (!this.#said.has(text)) this.event(text);
    this.#said.add(text);
  }

  /** The same warning comes with every step. */
  step({ level, message, step, outcome, durationMs, cause }: Line): void {
    if (level === 'WARN') {
      this.once(`Warning: ${message}`);
    } else if (outcome !== 'failed') {
      this.event(`${step}: ${outcome}, in ${durationMs} ms`);
    } else {
      this.#lastCause = `${step}: ${cause?.name}: ${message}`;
      this.event(`${step}: failed, in ${durationMs} ms: ${cause?.name}: ${message}`);
      if (cause?.retryHelps === false) return;
      this.once('While AWSPENDING is on the version, Secrets Manager tries again by itself, from createSecret on.');
    }
  }

  moves(before: Labels, after: Labels): void {
    for (const label of new Set([...before.keys(), ...after.keys()])) {
      const [from, to] = [before.get(label), after.get(label)];
      if (from === to) continue;
      if (to === undefined) this.event(`${label} is taken off ${short(from)}`);
      else this.event(`${label}${from === undefined ? '' : ` ${short(from)}`} → ${short(to)}`);
    }
  }

  waiting(what: string): void {
    this.#terminal.progress(`${seconds(this.elapsed)}: ${what} …`);
  }

  /** @param ms until AWSCURRENT was seen on the new version */
  rotated(name: string, ms: number, labels: Labels): void {
    this.#verdict('green', `✔ Rotated ${name} in ${seconds(ms)}`);
    this.#terminal.row('labels', shown(labels));
  }

  notRotated(name: string, why: string, before: Labels, labels: Labels, group: string): void {
    const terminal = this.#terminal;
    const current = short(labels.get('AWSCURRENT'));
    const untouched = labels.get('AWSCURRENT') === before.get('AWSCURRENT');
    const cause = this.#lastCause;
    this.#verdict('red', `✘ ${name} was not rotated: ${cause ?? why}`);
    terminal.row('labels', shown(labels));
    terminal.row('AWSCURRENT', untouched ? `was not moved: ${current}, as before` : `was moved, to ${current}`);
    if (cause !== undefined) terminal.row('ended', why);
    else terminal.row('cause', `none was seen. A step that never began, or that Lambda ended, logs none: see ${group}`);
    terminal.row('what to do', 'docs/when-it-fails.md has each cause by its name');
  }

  note(label: string, text: string): void {
    this.#terminal.row(label, text);
  }

  stopped(text: string): void {
    this.#terminal.print(text);
  }

  refused(sentence: string): void {
    this.#terminal.erase();
    console.error(sentence);
  }

  #verdict(style: 'green' | 'red', text: string): void {
    this.#terminal.print();
    this.#terminal.print(this.#terminal.paint(['bold', style], text));
    this.#terminal.print();
  }
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

/** Enough to tell the versions of a secret apart. */
const short = (version = 'no version') => version.slice(0, 10);

function shown(labels: Labels): string {
  return [...labels]
    .sort()
    .map(([label, version]) => `${label} ${short(version)}`)
    .join(', ');
}
