/** One point: a rotation with one act in between, all that the service does afterwards, RotateSecret once more, and the promises checked. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Invocation,
  type RotationResult,
  RotationService,
  type RunningFunction,
  type Step,
} from '../../local/secrets-manager/rotation.ts';
import { FUNCTION_ARN } from '../../local/secrets-manager/server.ts';
import type { Message } from '../crash-matrix/message.ts';
import { Recorder, type Seen } from '../crash-matrix/recorder.ts';
import type { Turn } from '../crash-matrix/strategies.ts';
import { type Act, acts, Impossible, type Touched } from './acts.ts';
import { takeStepAsAws } from './aws.ts';
import { type From, type Judgement, judge } from './judge.ts';
import { isStep, type Point } from './points.ts';
import type { Called } from './secrets-manager.ts';
import type { Heard } from './wiretap.ts';
import { type Bench, World } from './world.ts';

export type Result = Judgement & {
  point: Point | undefined;
  /** Whether the act was done where the point wants it; if not, the rest says nothing about the point. */
  delivered: boolean;
  /** Why it cannot be done there. */
  impossible: string | undefined;
  seen: readonly Seen[];
  timeline: string;
  ms: number;
};

/** Without a point, a normal run. */
export async function play(bench: Bench, turn: Turn, point?: Point): Promise<Result> {
  const started = performance.now();
  await using world = await World.create(bench);
  const result = await new Play(world, turn, point).perform();
  return { ...result, ms: performance.now() - started };
}

/** Milliseconds without an event, after which an act is taken to wait for the function: then both go on side by side. */
const QUIET = 250;

class Play {
  readonly #world: World;
  readonly #turn: Turn;
  readonly #point: Point | undefined;
  readonly #act: Act | undefined;
  readonly #service: RotationService;
  readonly #recorder: Recorder;
  #attempt = 0;
  /** Not in the rotations before, and not in those afterwards. */
  #isUnderTest = false;
  #acting: Promise<void> | undefined;
  #impossible: string | undefined;

  constructor(world: World, turn: Turn, point: Point | undefined) {
    this.#world = world;
    this.#turn = turn;
    this.#point = point;
    this.#act = point && acts[point.act];
    this.#service = new RotationService(world.store);
    this.#recorder = new Recorder(world.engine);
  }

  async perform(): Promise<Omit<Result, 'ms'>> {
    const world = this.#world;
    await this.#rotateBefore();
    world.before = await world.kept();
    world.touchesUsers = this.#touches('account', 'twin', 'username');
    await world.lookout.look('nothing yet');
    world.lookout.begin();
    world.onEvent = (event) => this.#hear(event);
    this.#isUnderTest = true;
    const rotations = [await this.#rotate('RotateSecret')];
    await this.#acting;
    this.#isUnderTest = false;
    const from = await this.#rotateAgain(rotations);
    const judgement = await judge({ world, act: this.#act, rotations, from });
    if (judgement.cause === 'LoginRefusedError') judgement.violations.push(...(await this.#requireRemedy(rotations)));
    for (const [index, { id }] of world.secret.versions.entries()) world.timeline.call(id, `version ${index + 1}`);
    return {
      ...judgement,
      point: this.#point,
      delivered: this.#acting !== undefined && this.#impossible === undefined,
      impossible: this.#impossible,
      seen: this.#recorder.seen,
      timeline: world.timeline.toString(),
    };
  }

  #touches(...what: Touched[]): boolean {
    return what.some((each) => this.#act?.touches.includes(each));
  }

  async #rotateBefore(): Promise<void> {
    const world = this.#world;
    if (world.strategy !== 'alternating-users') {
      // What a person did before leaves an AWSPREVIOUS as a rotation does, and takes less time.
      await world.lookout.look('nothing yet');
      await acts['edit-password'].perform(world);
      return;
    }
    for (let done = 0; done < this.#turn; done++) {
      const { succeeded, error } = await this.#rotate(undefined);
      if (!succeeded) throw new Error(`A rotation before the one with the act fails: ${error}`);
      await world.lookout.look('a rotation before');
    }
    if (this.#turn === 2) await world.drift();
    this.#attempt = 0;
  }

  /**
   * RotateSecret, as a person or the schedule would: once, and again if that has only given up what an earlier rotation left.
   * @returns AWSCURRENT before the last one, and whether it logged in
   */
  async #rotateAgain(rotations: RotationResult[]): Promise<From> {
    const world = this.#world;
    for (;;) {
      const { current } = world.secret;
      const from = { ...current, logsIn: (await world.verdictOn(current)) === 'accepted' };
      const rotation = await this.#rotate('RotateSecret again');
      const hasOnlyGivenUp =
        causeOf(rotation) === 'PendingGivenUpError' && causeOf(rotations.at(-1)) !== 'PendingGivenUpError';
      rotations.push(rotation);
      if (!hasOnlyGivenUp) return from;
    }
  }

  /** As the error says: AWSCURRENT’s password set in the database. */
  async #requireRemedy(rotations: RotationResult[]): Promise<string[]> {
    const world = this.#world;
    const { username, password } = world.secret.current.value ?? {};
    if (!(await world.kept()).has(String(username))) return [];
    await world.asPeople(() => world.setPassword(String(username), String(password)));
    world.timeline.add('AWSCURRENT’s password set in the database');
    const from = await this.#rotateAgain(rotations);
    const { outcome, violations } = await judge({ world, act: this.#act, rotations, from });
    return outcome === 'converged' ? [] : violations.map((violation) => `with the remedy of the error: ${violation}`);
  }

  /** With the attempts that the service makes. */
  #rotate(announced: string | undefined): Promise<RotationResult> {
    const { secret, timeline } = this.#world;
    if (announced) timeline.add(announced);
    const request = { SecretId: secret.id, ClientRequestToken: randomUUID(), RotationLambdaARN: FUNCTION_ARN };
    return this.#service.rotate(request, {
      start: async () => this.#start(),
      onStep: { after: (step, _, { outcome }) => (outcome === 'success' ? this.#strikeAfter(step) : undefined) },
    });
  }

  #start(): RunningFunction {
    this.#attempt++;
    return {
      invoke: ({ Step, ClientRequestToken }) => this.#invoke(Step as Step, String(ClientRequestToken)),
      stop: async () => {},
    };
  }

  async #invoke(step: Step, token: string): Promise<Invocation> {
    const world = this.#world;
    this.#recorder.begin(step, this.#attempt);
    const { place = '', act } = this.#point ?? {};
    if (!isStep(place) || this.#acting || !this.#isFirst) return world.takeStep(step, token);
    const invocation = await takeStepAsAws(world, step, token);
    if (step !== place) return invocation;
    this.#acting = Promise.resolve();
    if (act === 'aws-function') return invocation;
    return { outcome: 'error', error: { errorType: 'None', errorMessage: 'another function takes over' }, ms: 0 };
  }

  async #hear(event: Heard | Called): Promise<void> {
    const { place } = this.#recorder.record({ ...event, ...NOT_STRUCK });
    const path = place.slice(0, place.indexOf(event.direction) + 1);
    this.#world.timeline.addMessage(path, place.slice(path.length), event.about);
    if (this.#isFirst && place === this.#point?.place) await this.#strike();
  }

  async #strikeAfter(step: Step): Promise<void> {
    if (this.#isFirst && this.#point?.place === `after-${step}`) await this.#strike();
  }

  get #isFirst(): boolean {
    return this.#isUnderTest && this.#attempt === 1;
  }

  async #strike(): Promise<void> {
    if (this.#acting !== undefined || this.#act === undefined) return;
    const world = this.#world;
    world.timeline.add(`⚡ ${this.#act.says}`);
    this.#acting = this.#act.perform(world).catch((error) => {
      if (error instanceof Impossible) this.#impossible = error.message;
      else world.violations.push(`the act itself failed: ${error}`);
    });
    let isDone = false;
    const done = this.#acting.finally(() => {
      isDone = true;
    });
    while (!isDone && performance.now() - world.lastEvent < QUIET) await Promise.race([done, sleep(25)]);
    world.timeline.add(isDone ? '⚡ done' : '⚡ it waits, and the function goes on');
  }
}

/** Nothing is done to the messages themselves. */
const NOT_STRUCK: Pick<Message, 'forward' | 'drop' | 'fail'> = { forward: async () => {}, drop() {}, fail() {} };

export function causeOf(rotation: RotationResult | undefined): string {
  return rotation?.attempts.at(-1)?.steps.at(-1)?.error?.errorType ?? 'none';
}
