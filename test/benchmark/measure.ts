/** One case of the benchmark: a server, a strategy, with TLS or without, and how long Secrets Manager takes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Lambda } from '../../local/lambda.ts';
import { type OnStep, STEPS, type Step } from '../../local/secrets-manager/rotation.ts';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import type { Stand } from '../crash-matrix/administrator.ts';
import { startDatabaseProxy } from '../crash-matrix/database-proxy.ts';
import { engineOf } from '../crash-matrix/engines.ts';
import { environmentFor } from '../crash-matrix/strategies.ts';
import { type Route, Subject } from '../crash-matrix/subject.ts';
import { tls as certificates } from '../fixtures/tls/tls.ts';
import type { Candidate } from './candidates.ts';
import { type Memory, memoryOf, processorTime } from './process-figures.ts';
import { FUNCTION_CREDENTIALS } from './recording.ts';
import { RoundTrips, type Waits } from './round-trips.ts';

/** How much is measured. */
export type Effort = {
  /** Turns: in each, a new process of every candidate. */
  runs: number;
  /** In one process, for its memory. */
  rotations: number;
};

export type Case = {
  stand: Stand;
  /** Takes plain text, too. */
  plain: Stand;
  strategy: StrategyName;
  tls: boolean;
  /** Milliseconds that Secrets Manager takes for each answer, beside its own. */
  latency: number;
};

/** Milliseconds; one figure for each run, or for each rotation. */
export type Figures = {
  /** From the start of the process until the function's code is loaded. */
  start: number[];
  /** The first createSecret in a new process. */
  firstStep: number[];
  /** The first rotation in a new process, the four steps together. */
  firstRotation: number[];
  /** Rotations after the first one in a process. */
  steps: Record<Step, number[]>;
  rotation: number[];
  /** Processor time: until the code is loaded, of the first rotation, and of a later one. */
  processorOfStart: number[];
  processorOfFirst: number[];
  processor: number[];
};

export type Counts = {
  /** Of the first rotation in a process. */
  roundTrips: Record<Step, Waits>;
  calls: Record<Step, number>;
  logins: { accepted: number; refused: number };
};

export type Measured = {
  name: string;
  figures: Figures;
  /** By the number of rotations after which the process was looked at. */
  memory: ReadonlyMap<number, Memory>;
  counts: Counts;
};

export type Result = {
  /** From the start of a process with nothing in it, until it could be invoked. Milliseconds. */
  bareNode: number[];
  /** Ours is the first. */
  candidates: Measured[];
  /** Peers that failed, and how. */
  failed: { name: string; why: string }[];
};

/** When memory is looked at. */
export const LOOKS = [1, 20, 60, 300];
/** In each run, after the first. An even number: with two users the turns are alike. */
const WARM_ROTATIONS = 2;

/** By turns: what slows the machine down for a while slows all candidates down. */
export async function measure(
  of: Case,
  candidates: readonly Candidate[],
  bare: Omit<Candidate, 'name'>,
  { runs, rotations }: Effort,
): Promise<Result> {
  const { stand, strategy, tls, latency } = of;
  await using resources = new AsyncDisposableStack();
  const failed: Result['failed'] = [];
  const { host, port } = stand.server;
  // The certificate is for this address alone.
  const place =
    host === HERE ? { host, port } : await resources.use(new RoundTrips()).relay('database', { host, port });
  const entrants: Entrant[] = [];
  for (const candidate of candidates) {
    const subject = resources.use(await Subject.create(stand, strategy));
    await subject.establish(routeTo(place, tls));
    entrants.push(resources.use(new Entrant(candidate, subject, subject.emulator.endpoint)));
  }
  /** @returns those that are still there */
  const each = async (work: (entrant: Entrant) => Promise<void>): Promise<void> => {
    for (const entrant of [...entrants])
      try {
        await work(entrant);
      } catch (error) {
        if (entrant === entrants[0]) throw error;
        entrants.splice(entrants.indexOf(entrant), 1);
        failed.push({ name: entrant.name, why: error instanceof Error ? error.message : String(error) });
      }
  };
  // The first rotation makes a twin, and is like no other; the second is the first that sees one.
  await each((entrant) => entrant.warmUp());
  for (const { subject } of entrants) subject.emulator.hooks = { after: () => answerAfter(latency) };
  const bareStarts: number[] = [];
  for (let run = 0; run < runs; run++) {
    bareStarts.push(await startOf(bare));
    await each((entrant) => entrant.run());
  }
  for (let rotation = 1; rotation <= rotations; rotation++) await each((entrant) => entrant.rotateLong(rotation));
  const counted = new Map<Entrant, Counts>();
  await each(async (entrant) => void counted.set(entrant, await count(of, entrant.candidate)));
  return {
    bareNode: bareStarts,
    candidates: entrants.map((entrant) => ({
      name: entrant.name,
      figures: entrant.figures,
      memory: entrant.memory,
      counts: counted.get(entrant) as Counts,
    })),
    failed,
  };
}

const HERE = '127.0.0.1';

function routeTo(place: { host: string; port: number }, tls: boolean): Route {
  return { ...place, ...(tls ? { ssl: true, sslca: certificates.ca } : { ssl: false }) };
}

async function answerAfter(latency: number): Promise<undefined> {
  if (latency > 0) await sleep(latency);
  return undefined;
}

async function startOf(candidate: Omit<Candidate, 'name'>): Promise<number> {
  const began = performance.now();
  await using _ = await Lambda.start({ bundle: candidate.bundle, runtime: candidate.runtime });
  return performance.now() - began;
}

/** A candidate, and a secret of its own. */
class Entrant implements AsyncDisposable {
  readonly candidate: Candidate;
  readonly subject: Subject;
  readonly figures: Figures = {
    ...{ start: [], firstStep: [], firstRotation: [], rotation: [] },
    ...{ processorOfStart: [], processorOfFirst: [], processor: [] },
    steps: { createSecret: [], setSecret: [], testSecret: [], finishSecret: [] },
  };
  readonly memory = new Map<number, Memory>();
  readonly #endpoint: string;
  #rotations = 0;
  #long: Lambda | undefined;

  /** @param endpoint where it finds Secrets Manager */
  constructor(candidate: Candidate, subject: Subject, endpoint: string) {
    this.candidate = candidate;
    this.subject = subject;
    this.#endpoint = endpoint;
  }

  get name(): string {
    return this.candidate.name;
  }

  start(): Promise<Lambda> {
    const { bundle, runtime, environment } = this.candidate;
    return Lambda.start({
      bundle,
      runtime,
      credentials: FUNCTION_CREDENTIALS,
      environment: {
        SECRETS_MANAGER_ENDPOINT: this.#endpoint,
        ...environmentFor(this.subject.strategy),
        ...environment(this.#rotations),
      },
    });
  }

  /**
   * @returns milliseconds by step
   * @throws if the rotation fails
   */
  async rotate(lambda: Lambda, onStep: OnStep = {}): Promise<Record<Step, number>> {
    this.#rotations++;
    const { succeeded, error, attempts } = await this.subject.emulator.rotate(Subject.secretId, {
      start: async () => ({ invoke: (event) => lambda.invoke(event), stop: async () => {} }),
      attempts: 1,
      onStep,
    });
    if (!succeeded) throw new Error(`A rotation by ${this.name} fails: ${error}`);
    const steps = attempts[0]?.steps.map(({ step, ms }) => [step, ms] as const) ?? [];
    return Object.fromEntries(steps) as Record<Step, number>;
  }

  async warmUp(): Promise<void> {
    await using lambda = await this.start();
    for (let rotation = 0; rotation < 2; rotation++) await this.rotate(lambda);
  }

  /** One turn. */
  async run(): Promise<void> {
    const { figures } = this;
    const began = performance.now();
    await using lambda = await this.start();
    figures.start.push(performance.now() - began);
    const processorOfStart = processorTime(lambda.pid);
    const first = await this.rotate(lambda);
    const processorOfFirst = processorTime(lambda.pid);
    figures.firstStep.push(first.createSecret);
    figures.firstRotation.push(sum(first));
    if (processorOfStart !== undefined && processorOfFirst !== undefined) {
      figures.processorOfStart.push(processorOfStart);
      figures.processorOfFirst.push(processorOfFirst - processorOfStart);
    }
    for (let rotation = 0; rotation < WARM_ROTATIONS; rotation++) {
      const before = processorTime(lambda.pid);
      const warm = await this.rotate(lambda);
      const after = processorTime(lambda.pid);
      for (const step of STEPS) figures.steps[step].push(warm[step]);
      figures.rotation.push(sum(warm));
      if (before !== undefined && after !== undefined) figures.processor.push(after - before);
    }
  }

  /** In the process whose memory is looked at. */
  async rotateLong(rotation: number): Promise<void> {
    this.#long ??= await this.start();
    await this.rotate(this.#long);
    const memory = LOOKS.includes(rotation) ? memoryOf(this.#long.pid) : undefined;
    if (memory) this.memory.set(rotation, memory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#long?.stop();
  }
}

function sum(steps: Record<Step, number>): number {
  return STEPS.reduce((total, step) => total + steps[step], 0);
}

/**
 * In milliseconds. It is far more than what lies between things that happen at the same time. With much
 * more, the function would take the labels for old and read them again.
 */
const DELAY = 25;

/**
 * What a rotation in a new process asks for, and how often it waits for the answer. The secret has been
 * rotated before.
 */
async function count({ stand, plain, strategy, tls }: Case, candidate: Candidate): Promise<Counts> {
  const { host, port } = stand.server;
  if (tls) {
    const seen = await observe(stand, { host, port }, strategy, tls, candidate);
    // Over TLS nobody can tell a login from anything else.
    return {
      ...seen,
      logins: (await count({ stand: plain, plain, strategy, tls: false, latency: 0 }, candidate)).logins,
    };
  }
  const { protocol } = engineOf(stand.server.row);
  const logins = new Map<unknown, 'accepted' | 'refused'>();
  await using proxy = await startDatabaseProxy({ host, port }, protocol, async ({ connection, name, forward }) => {
    if (name === protocol.names.loggedIn) logins.set(connection, 'accepted');
    else if (protocol.isError(name) && !logins.has(connection)) logins.set(connection, 'refused');
    await forward();
  });
  const seen = await observe(stand, { host: HERE, port: proxy.port }, strategy, tls, candidate, () => logins.clear());
  const those = (which: string) => [...logins.values()].filter((outcome) => outcome === which).length;
  return { ...seen, logins: { accepted: those('accepted'), refused: those('refused') } };
}

/** @param begins is called before the rotation that counts */
async function observe(
  stand: Stand,
  place: { host: string; port: number },
  strategy: StrategyName,
  tls: boolean,
  candidate: Candidate,
  begins: () => void = () => {},
): Promise<Omit<Counts, 'logins'>> {
  await using trips = new RoundTrips();
  await using subject = await Subject.create(stand, strategy);
  const { emulator } = subject;
  await subject.establish(routeTo(await trips.relay('database', place), tls));
  const { hostname, port } = new URL(emulator.endpoint);
  const manager = await trips.relay('Secrets Manager', { host: hostname, port: Number(port) });
  await using entrant = new Entrant(candidate, subject, `http://${manager.host}:${manager.port}`);
  await entrant.warmUp();

  const roundTrips = {} as Counts['roundTrips'];
  const calls = {} as Counts['calls'];
  await using lambda = await entrant.start();
  begins();
  trips.delay = DELAY;
  await entrant.rotate(lambda, {
    before: async () => {
      await sleep(DELAY); // a goodbye that the last step has sent is still on its way
      emulator.calls.length = 0;
      trips.begin();
    },
    after: (step) => {
      roundTrips[step] = trips.waits;
      calls[step] = emulator.calls.filter(({ by }) => by === 'function').length;
    },
  });
  trips.delay = 0;
  return { roundTrips, calls };
}
