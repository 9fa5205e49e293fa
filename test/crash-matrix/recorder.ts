/** Gives every message its place in the rotation: a name that is the same in every run, as `setSecret/db1/→Query:COMMIT#1`. */
import type { Step } from '../../local/secrets-manager/rotation.ts';
import type { Direction, Message } from './message.ts';

export type Seen = { step: Step; attempt: number; peer: string; direction: Direction; name: string; place: string };

export class Recorder {
  readonly seen: Seen[] = [];
  /** All that the function sent where no password and no RotationToken belongs: everything but PutSecretValue and what has to hold a password. */
  readonly sent: Buffer[] = [];
  readonly #passwordIn: ReadonlySet<string>;
  #step: Step = 'createSecret';
  #attempt = 0;
  readonly #connections = new Map<number, { step: Step; attempt: number; peer: string }>();
  readonly #counts = new Map<string, number>();

  constructor(passwordIn: ReadonlySet<string>) {
    this.#passwordIn = passwordIn;
  }

  begin(step: Step, attempt: number): void {
    this.#step = step;
    this.#attempt = attempt;
  }

  record({ connection, direction, name, bytes }: Message): Seen {
    if (direction === '→' && name !== 'PutSecretValue' && !this.#passwordIn.has(name)) this.sent.push(bytes);
    const { step, attempt, peer } = this.origin(connection);
    const kind = `${step}/${peer}/${direction}${name}`;
    const seen = { step, attempt, peer, direction, name, place: `${kind}#${this.#count(`${attempt} ${kind}`)}` };
    this.seen.push(seen);
    return seen;
  }

  /** A connection to the database belongs to the step that opened it, and is numbered in it. */
  origin(connection: Message['connection']): { step: Step; attempt: number; peer: string } {
    const now = { step: this.#step, attempt: this.#attempt };
    if (connection === 'sm') return { ...now, peer: 'sm' };
    const known = this.#connections.get(connection);
    const origin = known ?? { ...now, peer: `db${this.#count(`${now.attempt} ${now.step}`)}` };
    this.#connections.set(connection, origin);
    return origin;
  }

  #count(what: string): number {
    const count = (this.#counts.get(what) ?? 0) + 1;
    this.#counts.set(what, count);
    return count;
  }
}
