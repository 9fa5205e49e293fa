/** All that passes between the function and its servers: recorded, and struck by the point's fault where its place comes up. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Step } from '../../local/secrets-manager/rotation.ts';
import type { Engine } from './engine.ts';
import { type Stage, strike } from './faults.ts';
import type { Message } from './message.ts';
import { Moment } from './moment.ts';
import type { Point } from './points.ts';
import { Recorder } from './recorder.ts';
import type { Timeline } from './timeline.ts';

/** When the database had committed, when its answer was handed on, and when AWSCURRENT had moved: performance.now(). */
export type Times = { committed: number; answered: number; promoted: number };

/** What hears of all that passes: `changes` with an answer to what changes something, before it is handed on. */
export type Listener = (what: { changes: boolean }) => void;

export type WireOptions = {
  point?: Point | undefined;
  /** Hands the database's answer that the password has changed on so many milliseconds later. */
  commitAnswerDelay?: number | undefined;
};

export class Wire {
  readonly recorder: Recorder;
  readonly times: Times = { committed: 0, answered: 0, promoted: 0 };
  /** Over TLS: the bytes of each connection of the first attempt, by its place. */
  readonly connections = new Map<string, number>();
  readonly invocationEnds = new Moment();
  readonly attemptEnds = new Moment();
  readonly #engine: Engine;
  readonly #options: WireOptions;
  readonly #timeline: Timeline;
  readonly #stage: Stage;
  readonly #listener: Listener;
  /** Connections on which what was asked last changes something. */
  readonly #writing = new Set<Message['connection']>();
  #struck = false;
  #delivered = false;
  #holdsSince: number | undefined;
  /** The call whose every repetition is to fail. */
  #failing: string | undefined;

  constructor(
    engine: Engine,
    options: WireOptions,
    timeline: Timeline,
    stage: Pick<Stage, 'kill' | 'restartServer'>,
    listener: Listener,
  ) {
    this.#engine = engine;
    this.#listener = listener;
    this.recorder = new Recorder(engine);
    this.#options = options;
    this.#timeline = timeline;
    this.#stage = { ...stage, hold: (until) => this.#hold(until) };
  }

  /** Whether the fault has reached its target. */
  get delivered(): boolean {
    return this.#delivered;
  }

  /** Whether a message is being held back, and a connection open with it. */
  get holds(): boolean {
    return this.#holdsSince !== undefined;
  }

  /** Since when: performance.now(). */
  get holdsSince(): number | undefined {
    return this.#holdsSince;
  }

  begin(step: Step, attempt: number): void {
    this.recorder.begin(step, attempt);
  }

  /** Nothing more is going to happen: lets go of what is held. */
  end(): void {
    this.invocationEnds.willNotHappen();
    this.attemptEnds.willNotHappen();
  }

  readonly pass = async (message: Message): Promise<void> => {
    const { place, attempt, isWrite } = this.recorder.record(message);
    this.#listener({ changes: this.#isOfWrite(message, isWrite) && message.endsAnswer === true });
    const path = place.slice(0, place.indexOf(message.direction) + 1);
    this.#timeline.addMessage(path, place.slice(path.length), message.about);
    const { point } = this.#options;
    if (message.direction === '←' && message.call !== undefined && message.call === this.#failing) {
      this.#timeline.add('    ⚡ error again');
      message.fail();
    } else if (!this.#struck && point?.on === 'message' && point.place === place && point.attempt === attempt) {
      this.#struck = true;
      if (point.fault === 'error-each-try') this.#failing = message.call;
      this.#timeline.add(`    ⚡ ${point.fault}`);
      this.#delivered = await strike[point.fault](message, this.#stage);
    } else {
      await this.#forward(message);
    }
  };

  /** Whether it asks for a change, or answers what did. */
  #isOfWrite({ connection, direction }: Message, isWrite: boolean): boolean {
    if (isWrite) this.#writing.add(connection);
    else if (direction === '→') this.#writing.delete(connection);
    return this.#writing.has(connection);
  }

  async #forward(message: Message): Promise<void> {
    const answers = (...names: readonly string[]) => message.direction === '←' && names.includes(message.name);
    if (answers(...this.#engine.protocol.names.changed)) {
      this.times.committed = performance.now();
      await sleep(this.#options.commitAnswerDelay ?? 0);
      this.times.answered = performance.now();
    }
    if (answers('UpdateSecretVersionStage')) this.times.promoted = performance.now();
    await message.forward();
  }

  async #hold(until: Parameters<Stage['hold']>[0]): Promise<boolean> {
    this.#holdsSince = performance.now();
    try {
      if (until === 'end of the invocation') return await this.invocationEnds.next();
      return (await this.attemptEnds.next()) && (await this.attemptEnds.next()); // the first is the one that was killed
    } finally {
      this.#holdsSince = undefined;
      this.#timeline.add('    ⚡ what was held goes on');
    }
  }

  /** For a proxy that cannot read along: counts the bytes of a connection, and cuts it where the point says. */
  readonly count = (connection: number): ((bytes: number) => number) => {
    const { step, peer, attempt } = this.recorder.origin(connection);
    const place = `${step}/${peer}`;
    const { point } = this.#options;
    const cut = attempt === 1 && point?.on === 'connection' && point.place === place ? cutOf(point.fault) : Infinity;
    let passed = 0;
    this.#timeline.add(`  ${place} opened`);
    return (bytes) => {
      this.#listener({ changes: false });
      const allowed = Math.min(bytes, cut - passed);
      passed += allowed;
      if (attempt === 1) this.connections.set(place, passed);
      if (allowed < bytes) {
        this.#delivered = true;
        this.#timeline.add(`    ⚡ ${place} cut after ${passed} bytes`);
      }
      return allowed;
    };
  };
}

function cutOf(fault: string): number {
  return Number(fault.replace('cut@', ''));
}
