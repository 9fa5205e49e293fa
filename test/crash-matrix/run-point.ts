/** One point of the matrix: a rotation with one fault in it, all that the service does afterwards, and the promises checked. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WarmSandboxes } from '../../local/lambda.ts';
import type { Invocation, OnStep, RotationResult, Step } from '../../local/secrets-manager/rotation.ts';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import { tls as certificates } from '../fixtures/tls/tls.ts';
import type { Stand } from './administrator.ts';
import { type DatabaseProxy, startCuttingProxy, startDatabaseProxy } from './database-proxy.ts';
import { engineOf } from './engines.ts';
import { type FunctionOptions, Functions } from './functions.ts';
import { type Judgement, judge } from './judge.ts';
import type { GapFault, Point, StepFault } from './points.ts';
import { type ProbeReport, Prober } from './prober.ts';
import type { Seen } from './recorder.ts';
import { startSecretsManagerProxy } from './secrets-manager-proxy.ts';
import { courses, environmentFor, type Turn } from './strategies.ts';
import { Subject } from './subject.ts';
import { Timeline } from './timeline.ts';
import { type Times, Wire, type WireOptions } from './wire.ts';

/** What a worker has to itself: a server and the built function; and how it rotates. */
export type Bench = Stand & {
  bundle: string;
  /** Shared by all benches. */
  warm: WarmSandboxes;
  strategy: StrategyName;
  /** The same server, or where one takes plain text or TLS only, another: with the certificate of test/fixtures/tls. */
  overTls(): Promise<Stand>;
};

/** Without a point, a normal run. */
export type RunOptions = WireOptions & { tls?: boolean; turn?: Turn };

export type Result = Judgement & {
  point: Point | undefined;
  /** Whether the fault has reached its target; if not, the rest says nothing about the point. */
  delivered: boolean;
  probes: ProbeReport;
  timeline: string;
  seen: readonly Seen[];
  /** Over TLS: the bytes of each connection of the first attempt, by its place. */
  connections: ReadonlyMap<string, number>;
  times: Times;
};

export type PointResult = Result & { point: Point };

export async function runPoint(bench: Bench, options: RunOptions = {}): Promise<Result> {
  const { point, tls = point?.on === 'connection' } = options;
  const on: Bench = { ...bench, ...(tls && (await bench.overTls())) };
  await using run = new Run(on, { ...options, tls }, await Subject.create(on, bench.strategy));
  return await run.perform();
}

class Run implements AsyncDisposable {
  readonly #bench: Bench;
  readonly #options: RunOptions;
  readonly #subject: Subject;
  /** The function's. */
  readonly #timeoutMs: number;
  readonly #functions: Functions;
  readonly #prober: Prober;
  readonly #wire: Wire;
  readonly #timeline = new Timeline();
  readonly #violations: string[] = [];
  readonly #rotationToken = `rotation-token-${randomUUID()}`;
  readonly #cleanUp = new AsyncDisposableStack();
  /** The proxies look at what passes: not at the rotations before. */
  #looking = false;
  #delivered = false;
  #database: DatabaseProxy | undefined;
  #unlock: (() => Promise<void>) | undefined;
  #restarting: Promise<void> | undefined;

  constructor(bench: Bench, options: RunOptions, subject: Subject) {
    const { point } = options;
    this.#bench = bench;
    this.#options = options;
    this.#subject = this.#cleanUp.use(subject);
    const engine = engineOf(bench.server.row);
    this.#timeoutMs = courses[bench.strategy].timeoutMs * engine.patience;
    const stage = { kill: () => this.#functions.kill(), restartServer: () => this.#restartServer() };
    this.#wire = new Wire(engine, options, this.#timeline, stage, (what) => this.#prober.hear(what));
    this.#functions = this.#startFunctions({
      twice: point?.fault === 'twice' ? point.place : undefined,
      onAttemptEnd: () => this.#endAttempt(),
    });
    this.#prober = new Prober(subject, this.#timeline, { isSteady: point === undefined });
    this.#cleanUp.defer(async () => void (await this.#prober.stop()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cleanUp.disposeAsync();
  }

  async perform(): Promise<Result> {
    const endpoint = await this.#connect();
    await this.#rotateBefore();
    await this.#subject.begin();
    this.#looking = true;
    this.#prober.start();
    const rotations = await this.#rotate(endpoint);
    this.#wire.end();
    await this.#prober.lookAgain();
    const probes = await this.#prober.stop();
    await this.#requireNoSession();
    await this.#requireNoProcess();
    const judgement = await judge({
      subject: this.#subject,
      rotations,
      probes,
      point: this.#options.point,
      violations: this.#violations,
      written: this.#written(rotations),
      rotationToken: this.#rotationToken,
    });
    return {
      ...judgement,
      point: this.#options.point,
      delivered: this.#delivered || this.#wire.delivered,
      probes,
      timeline: this.#finish(probes),
      seen: this.#wire.recorder.seen,
      connections: this.#wire.connections,
      times: this.#wire.times,
    };
  }

  /** @returns where the function finds Secrets Manager */
  async #connect(): Promise<string> {
    const { tls } = this.#options;
    const { row, host, port } = this.#bench.server;
    const database = tls
      ? await startCuttingProxy({ host, port }, this.#wire.count)
      : await startDatabaseProxy({ host, port }, engineOf(row).protocol, (message) =>
          this.#looking ? this.#wire.pass(message) : message.forward(),
        );
    const manager = await startSecretsManagerProxy(this.#subject.emulator.endpoint, this.#wire.pass);
    this.#database = this.#cleanUp.use(database);
    this.#cleanUp.use(manager);
    const trust = tls ? { ssl: true, sslca: certificates.ca } : { ssl: false };
    await this.#subject.establish({ host: '127.0.0.1', port: database.port, ...trust });
    return `http://127.0.0.1:${manager.port}`;
  }

  /** Without a fault, until it is the turn of the user that is wanted. */
  async #rotateBefore(): Promise<void> {
    const { point, turn = point?.turn ?? 0 } = this.#options;
    const { emulator } = this.#subject;
    const functions = this.#startFunctions({ onAttemptEnd() {} });
    const start = () => functions.startAttempt(this.#environment(emulator.endpoint));
    for (let done = 0; done < turn; done++) {
      const { succeeded, error } = await emulator.rotate(Subject.secretId, { start });
      if (!succeeded) throw new Error(`A rotation before the one with the fault fails: ${error}`);
    }
    if (turn === 2) await this.#subject.drift();
  }

  #startFunctions(options: Pick<FunctionOptions, 'twice' | 'onAttemptEnd'>): Functions {
    const { bundle, warm } = this.#bench;
    const isBlameless = () => this.#violations.length === 0;
    return this.#cleanUp.use(new Functions({ ...options, bundle, warm, timeoutMs: this.#timeoutMs, isBlameless }));
  }

  #environment(endpoint: string): Record<string, string> {
    return { SECRETS_MANAGER_ENDPOINT: endpoint, ...environmentFor(this.#bench.strategy) };
  }

  /** RotateSecret; and once more, as a person or the schedule would, if that rotation ends without success. */
  async #rotate(endpoint: string): Promise<RotationResult[]> {
    const onStep: OnStep = {
      before: (step) => this.#before(step),
      after: (step, _, invocation) => this.#after(step, invocation),
    };
    const start = async () => {
      await this.#restarting;
      return this.#functions.startAttempt(this.#environment(endpoint));
    };
    const rotations: RotationResult[] = [];
    while (rotations.length < 2 && !rotations.at(-1)?.succeeded) {
      this.#timeline.add(rotations.length === 0 ? 'RotateSecret' : `Over: ${rotations[0]?.error}. RotateSecret again`);
      const options = { start, onStep, rotationToken: this.#rotationToken };
      rotations.push(await this.#subject.emulator.rotate(Subject.secretId, options));
    }
    return rotations;
  }

  async #before(step: Step): Promise<void> {
    const { attempt } = this.#functions;
    this.#wire.begin(step, attempt);
    this.#timeline.add(`${step}, attempt ${attempt}`);
    if (this.#isDue(step, 'locked')) this.#unlock = await this.#subject.lock();
  }

  async #after(step: Step, invocation: Invocation): Promise<void> {
    this.#timeline.add(`${step}: ${described(invocation)}`);
    const { beside } = this.#functions;
    if (this.#isDue(step, 'twice') && beside !== undefined) {
      this.#delivered = true;
      this.#timeline.add(`⚡ invoked beside it: ${described(beside)}`);
    }
    this.#wire.invocationEnds.happens();
    await this.#restarting;
    await this.#requireNoSession();
    if (this.#isDue(step, 'locked')) await this.#endLock(step);
    await this.#lookAtLabels();
    if (invocation.outcome === 'success') await this.#strikeGap(step);
  }

  /**
   * A message may be held for longer than an attempt. It goes on only when the server's own limit for its
   * session has passed.
   */
  async #endAttempt(): Promise<void> {
    const { holdsSince } = this.#wire;
    if (holdsSince !== undefined && this.#functions.attempt > 1) {
      await sleep(Math.max(0, holdsSince + this.#serverLimit - performance.now()));
      await this.#requireNoSession();
    }
    this.#wire.attemptEnds.happens();
  }

  #isDue(step: Step, fault: StepFault): boolean {
    const { point } = this.#options;
    return this.#functions.attempt === 1 && point?.on === 'step' && point.place === step && point.fault === fault;
  }

  /** Delivered if the function has tried to change what was locked. */
  async #endLock(step: Step): Promise<void> {
    await this.#unlock?.();
    this.#delivered = this.#wire.recorder.seen.some((seen) => seen.step === step && seen.peer !== 'sm' && seen.isWrite);
  }

  /** What the point itself, or the scene that it is set in, wants between this step and the next: after a failure there is none. */
  async #strikeGap(step: Step): Promise<void> {
    const { point } = this.#options;
    const gap = point?.on === 'gap' ? point : point?.on === 'message' ? point.scene : undefined;
    if (this.#functions.attempt !== 1 || gap?.place !== step) return;
    const { fault } = gap;
    this.#timeline.add(`⚡ ${fault}`);
    await this.#gaps[fault]();
    if (gap === point) this.#delivered = true;
  }

  readonly #gaps: Record<GapFault, () => Promise<void>> = {
    cancel: async () => this.#subject.cancelRotation(),
    'edit-key': async () => this.#subject.addKey(),
    'edit-password': () => this.#prober.whileNobodyLooks(() => this.#subject.changePassword()),
    restart: () => this.#restartServer(),
    'edit-base': () => this.#subject.changeBase(),
    'edit-twin': () => this.#subject.changeTwin(),
    stranger: () => this.#subject.makeStranger(),
    claimed: () => this.#subject.claimTwin(),
  };

  #restartServer(): Promise<void> {
    this.#restarting = this.#bench.server.restart();
    return this.#restarting;
  }

  /** No session or statement of the function lives longer on the server: its share of the time-out, and some grace. Milliseconds. */
  get #serverLimit(): number {
    return Math.round(this.#timeoutMs / 6) + 250;
  }

  /** A session whose client is gone may live until its server-side limit; one whose message is held back may only not be busy longer. */
  async #requireNoSession(): Promise<void> {
    const latest = performance.now() + this.#serverLimit;
    const search = () => this.#sessions(this.#wire.holds ? this.#serverLimit : 0);
    let found = await search();
    for (
      let pause = 2;
      found.length > 0 && !this.#wire.holds && performance.now() < latest;
      pause = Math.min(2 * pause, 20)
    ) {
      await sleep(pause); // mostly a session that is just saying goodbye
      found = await search();
    }
    if (found.length > 0) this.#violate(`the server still has sessions of the function: ${found.join(', ')}`);
  }

  /** Whatever the function has open on the server, by the server's word; or by the proxy's. */
  async #sessions(busySince: number): Promise<string[]> {
    const isShown = this.#bench.abilities.showsSessions === 'supported';
    const found = isShown ? await this.#subject.sessions(busySince) : (this.#database?.open(busySince) ?? []);
    return found.map(({ state, ms }) => `${state} for ${ms} ms`);
  }

  async #requireNoProcess(): Promise<void> {
    if ((await this.#functions.survivors()).length > 0) this.#violate('a process of the function is left');
  }

  /** For the timeline, and to see a password that went back although AWSPENDING still stands on what replaced it. */
  async #lookAtLabels(): Promise<void> {
    const { current, pending } = this.#subject.labels();
    const logins = await Promise.all([current, pending].map((is) => is && this.#subject.logIn(is)));
    const [ofCurrent, ofPending = 'no value'] = logins.map((result) => result?.verdict);
    const stages = Object.entries(this.#subject.stages).map(([id, labels]) => `${id} ${labels.join('+')}`);
    this.#timeline.add(`labels: ${stages.join(', ')}; AWSCURRENT ${ofCurrent}, AWSPENDING ${ofPending}`);
    const wentBack = ofPending === 'refused' && ofCurrent === 'accepted' && pending?.id === this.#prober.pendingSeen;
    // One that does not fit any more is being given up, and that may take two attempts.
    if (wentBack && pending && this.#subject.saysWhatPeopleWrote(pending))
      this.#violate('the password went back to AWSCURRENT’s, and AWSPENDING still stands on the other');
  }

  #violate(violation: string): void {
    this.#timeline.add(`VIOLATION: ${violation}`);
    this.#violations.push(violation);
  }

  /** Everything of the function's in which no secret may be. */
  #written(rotations: readonly RotationResult[]): string {
    const { processes, beside } = this.#functions;
    return JSON.stringify([
      processes.map(({ output }) => output),
      rotations,
      beside,
      this.#wire.recorder.sent.map(String),
    ]);
  }

  #finish({ windows }: ProbeReport): string {
    for (const { from, to } of windows) {
      this.#timeline.add('prober: AWSCURRENT alone does not log in from here on', from);
      this.#timeline.add('prober: AWSCURRENT logs in again', to);
    }
    const ids = new Set([...this.#subject.versions.map(({ id }) => id), ...Object.keys(this.#subject.stages)]);
    for (const [index, id] of [...ids].entries()) this.#timeline.call(id, `version ${index + 1}`);
    return this.#timeline.toString();
  }
}

function described({ outcome, error, ms }: Invocation): string {
  return `${outcome}${error ? `, ${error.errorType}: ${error.errorMessage}` : ''} (${ms.toFixed(0)} ms)`;
}
