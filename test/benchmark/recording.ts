/** What the function does in a rotation, for the floor to do the same. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Lambda } from '../../local/lambda.ts';
import type { Step } from '../../local/secrets-manager/rotation.ts';
import { FUNCTION_ACCESS_KEY_ID, type Hooks } from '../../local/secrets-manager/server.ts';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import type { Stand } from '../crash-matrix/administrator.ts';
import { startDatabaseProxy } from '../crash-matrix/database-proxy.ts';
import { engineOf } from '../crash-matrix/engines.ts';
import type { Pass } from '../crash-matrix/message.ts';
import type { Protocol } from '../crash-matrix/protocol.ts';
import { environmentFor } from '../crash-matrix/strategies.ts';
import { Subject } from '../crash-matrix/subject.ts';
import { engines } from '../engines/engines.ts';
import { rows } from '../engines/servers.ts';
import type { BenchmarkEngine } from './engine.ts';

/** Connections to the database have numbers. */
export type Act = (
  | { is: 'call'; operation: string; request: Readonly<Record<string, unknown>> }
  | { is: 'login'; as: string; on: number }
  | { is: 'statement'; text: string; on: number }
  | { is: 'goodbye'; on: number }
) & {
  /** Acts of this step whose answers had come before. */
  after: number[];
  /** The server refused it. */
  refused?: true;
};

/** Values that are others in each rotation, as they stand in the acts. */
export type Values = {
  token: string;
  arn: string;
  adminArn: string | undefined;
  /** The base's name is a part of the twin's and of the admin's. */
  base: string;
  oldPassword: string;
  newPassword: string;
  /** When the rotation began. */
  versions: { current: string; previous: string | undefined };
};

export type Recording = { acts: Record<Step, Act[]>; values: Values };

/** The first, in which a twin is made, and two that are like all those that follow. */
export const RECORDED = 3;

/** By these the emulator knows calls of the function. */
export const FUNCTION_CREDENTIALS = { accessKeyId: FUNCTION_ACCESS_KEY_ID, secretAccessKey: 'x', sessionToken: 'x' };

/** Rotations of a subject of their own, each in a new process of the function. */
export async function record(stand: Stand, strategy: StrategyName, bundle: string): Promise<Recording[]> {
  const { row, host, port } = stand.server;
  await using subject = await Subject.create(stand, strategy);
  const { emulator } = subject;
  const recorder = new Recorder(engines[rows[row].engine].benchmark, engineOf(row).protocol);
  await using database = await startDatabaseProxy({ host, port }, engineOf(row).protocol, recorder.pass);
  await subject.establish({ host: '127.0.0.1', port: database.port, ssl: false });
  emulator.hooks = recorder.hooks;
  const start = () =>
    Lambda.start({
      bundle,
      credentials: FUNCTION_CREDENTIALS,
      environment: { SECRETS_MANAGER_ENDPOINT: emulator.endpoint, ...environmentFor(strategy) },
    });
  const recordings: Recording[] = [];
  while (recordings.length < RECORDED) {
    const { current, previous } = subject.labels();
    const { password: oldPassword } = current;
    const versions = { current: current.id, previous: previous?.id };
    const acts: Recording['acts'] = { createSecret: [], setSecret: [], testSecret: [], finishSecret: [] };
    const { succeeded, error, token } = await emulator.rotate(Subject.secretId, {
      start,
      attempts: 1,
      onStep: { before: (step) => recorder.begin(acts[step]) },
    });
    if (!succeeded) throw new Error(`The rotation that the floor is to repeat fails: ${error}`);
    const { ARN: arn } = emulator.store.describeSecret({ SecretId: Subject.secretId });
    const { password: newPassword } = subject.labels().current;
    const adminArn = subject.adminArn;
    const values = { token, arn, adminArn, base: subject.username, oldPassword, newPassword, versions };
    recordings.push({ acts, values });
  }
  return recordings;
}

/** So long an answer is held back: what the function does at the same time, it does meanwhile. Milliseconds. */
const PAUSE = 20;

class Recorder {
  readonly #engine: BenchmarkEngine;
  readonly #protocol: Protocol;
  #acts: Act[] = [];
  #answered: number[] = [];
  /** What the server has not answered yet, by what it was asked on. */
  readonly #asked = new Map<unknown, number>();
  readonly #loggingIn = new Set<unknown>();

  constructor(engine: BenchmarkEngine, protocol: Protocol) {
    this.#engine = engine;
    this.#protocol = protocol;
  }

  /** A step begins. */
  begin(acts: Act[]): void {
    this.#acts = acts;
    this.#answered = [];
    this.#asked.clear();
  }

  readonly hooks: Hooks = {
    before: ({ operation, request }) => {
      this.#add(request, { is: 'call', operation, request });
      return undefined;
    },
    after: async ({ request }) => {
      await this.#answer(request);
      return undefined;
    },
  };

  readonly pass: Pass = async (message) => {
    const { connection, direction, name, watches = false } = message;
    if (!watches) {
      if (direction === '→') this.#hear(Number(connection), name, message.bytes);
      else await this.#hearAnswer(connection, name, message.endsAnswer === true);
    }
    await message.forward();
  };

  #hear(on: number, name: string, bytes: Buffer): void {
    const asked = this.#engine.asked(name, bytes);
    if (asked === undefined) return;
    if (asked === 'goodbye') {
      this.#add(on, { is: 'goodbye', on });
      this.#end(on); // nobody answers
    } else if ('login' in asked) {
      this.#add(on, { is: 'login', as: asked.login, on });
      this.#loggingIn.add(on);
    } else {
      this.#add(on, { is: 'statement', text: asked.statement, on });
    }
  }

  async #hearAnswer(on: unknown, name: string, endsAnswer: boolean): Promise<void> {
    const act = this.#acts[this.#asked.get(on) ?? -1];
    if (act !== undefined && this.#protocol.isError(name)) act.refused = true;
    if (name === this.#protocol.names.loggedIn) this.#loggingIn.delete(on);
    if (endsAnswer && !this.#loggingIn.has(on)) await this.#answer(on);
  }

  #add(on: unknown, act: Unplaced<Act>): void {
    this.#asked.set(on, this.#acts.length);
    this.#acts.push({ ...act, after: [...this.#answered] });
  }

  async #answer(on: unknown): Promise<void> {
    if (!this.#asked.has(on)) return;
    await sleep(PAUSE);
    this.#end(on);
  }

  #end(on: unknown): void {
    const act = this.#asked.get(on);
    if (act !== undefined) this.#answered.push(act);
    this.#asked.delete(on);
  }
}

type Unplaced<T> = T extends unknown ? Omit<T, 'after'> : never;
