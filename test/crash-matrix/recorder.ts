/** Gives every message its place in the rotation: a name that is the same in every run, as `setSecret/db1/→Query:COMMIT#1`. */
import type { Step } from '../../local/secrets-manager/rotation.ts';
import type { Engine } from './engine.ts';
import type { Direction, Message } from './message.ts';

export type Seen = {
  step: Step;
  attempt: number;
  /** `sm`, `db1` or, where the function only watches the server, `monitor1`. */
  peer: string;
  direction: Direction;
  name: string;
  /** It changes something. */
  isWrite: boolean;
  place: string;
};

export class Recorder {
  readonly seen: Seen[] = [];
  /** All that the function sent where no password and no RotationToken belongs: everything but PutSecretValue and what has to hold a password. */
  readonly sent: Buffer[] = [];
  readonly #engine: Pick<Engine, 'protocol' | 'passwordIn'>;
  #step: Step = 'createSecret';
  #attempt = 0;
  readonly #connections = new Map<number, { step: Step; attempt: number; peer: string }>();
  readonly #counts = new Map<string, number>();

  constructor(engine: Pick<Engine, 'protocol' | 'passwordIn'>) {
    this.#engine = engine;
  }

  begin(step: Step, attempt: number): void {
    this.#step = step;
    this.#attempt = attempt;
  }

  record({ connection, watches = false, direction, name, bytes }: Message): Seen {
    const { passwordIn, protocol } = this.#engine;
    if (direction === '→' && name !== 'PutSecretValue' && !passwordIn.has(name)) this.sent.push(bytes);
    const { step, attempt, peer } = this.origin(connection, watches ? 'monitor' : 'db');
    const kind = `${step}/${peer}/${direction}${name}`;
    const place = `${kind}#${this.#count(`${attempt} ${kind}`)}`;
    const isWrite = direction === '→' && (peer === 'sm' ? /^(Put|Update)/.test(name) : protocol.isWrite(name));
    const seen = { step, attempt, peer, direction, name, isWrite, place };
    this.seen.push(seen);
    return seen;
  }

  /**
   * A connection to the database belongs to the step that opened it, and is numbered in it.
   * @param kind `monitor` where the function only watches the server; over TLS nobody knows, and all are numbered alike
   */
  origin(connection: Message['connection'], kind: 'db' | 'monitor' = 'db'): Pick<Seen, 'step' | 'attempt' | 'peer'> {
    const now = { step: this.#step, attempt: this.#attempt };
    if (connection === 'sm') return { ...now, peer: 'sm' };
    const known = this.#connections.get(connection);
    const origin = known ?? { ...now, peer: `${kind}${this.#count(`${now.attempt} ${now.step} ${kind}`)}` };
    this.#connections.set(connection, origin);
    return origin;
  }

  #count(what: string): number {
    const count = (this.#counts.get(what) ?? 0) + 1;
    this.#counts.set(what, count);
    return count;
  }
}
