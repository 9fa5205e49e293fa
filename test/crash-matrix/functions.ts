/** The processes that the function runs in. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Lambda, type WarmSandboxes } from '../../local/lambda.ts';
import type { Invocation, RunningFunction, Step } from '../../local/secrets-manager/rotation.ts';

export type FunctionOptions = {
  /** The built function. */
  bundle: string;
  /** Processes that have served other secrets, and may serve this one. */
  warm: WarmSandboxes;
  /** The function's time-out. It comes from the host, so the function's own deadlines follow it. */
  timeoutMs: number;
  /** In the first attempt this step is invoked in two processes at once. */
  twice?: Step | undefined;
  onAttemptEnd(): void | Promise<void>;
  /** Whether it has done nothing wrong: only then may its processes serve others. */
  isBlameless(): boolean;
};

type Environment = Readonly<Record<string, string>>;

/** Those that one secret is rotated by. No process that has heard of the secret serves a second attempt. */
export class Functions implements AsyncDisposable {
  /** All there have been. */
  readonly processes: Lambda[] = [];
  /** How the second one of two invocations at once ended, which the service did not see. */
  beside: Invocation | undefined;
  readonly #options: FunctionOptions;
  readonly #gone = new WeakSet<Lambda>();
  readonly #killed = new Set<Lambda>();
  #attempts = 0;

  constructor(options: FunctionOptions) {
    this.#options = options;
  }

  /** Counted from 1, over all rotations. */
  get attempt(): number {
    return this.#attempts;
  }

  /** Those that were killed, by whatever, and are still there a second later. */
  async survivors(): Promise<Lambda[]> {
    const killed = [...this.#killed];
    await Promise.race([Promise.all(killed.map(({ exited }) => exited)), sleep(1000, undefined, { ref: false })]);
    return killed.filter(({ pid }) => isRunning(pid));
  }

  /** Another process for another attempt. */
  async startAttempt(environment: Environment): Promise<RunningFunction> {
    const { twice, onAttemptEnd } = this.#options;
    this.#attempts++;
    const second = twice !== undefined && this.#attempts === 1 ? await this.#start(environment) : undefined;
    const first = await this.#start(environment);
    return {
      invoke: (event) =>
        second !== undefined && event['Step'] === twice ? this.#both(first, second, event) : this.#invoke(first, event),
      stop: async () => await onAttemptEnd(),
    };
  }

  /** SIGKILL to the latest; resolves when it is gone, to whether it was still there. */
  async kill(): Promise<boolean> {
    const latest = this.processes.at(-1);
    if (latest === undefined || this.#gone.has(latest)) return false;
    this.#killed.add(latest);
    latest.kill();
    await latest.exited;
    return true;
  }

  async #start(environment: Environment): Promise<Lambda> {
    const { bundle, warm, timeoutMs } = this.#options;
    const lambda = await Lambda.start({ bundle, warm, environment, timeoutMs });
    this.processes.push(lambda);
    lambda.exited.then(() => this.#gone.add(lambda));
    return lambda;
  }

  async #both(first: Lambda, second: Lambda, event: Record<string, unknown>): Promise<Invocation> {
    const [seen, beside] = await Promise.all([this.#invoke(first, event), this.#invoke(second, event)]);
    this.beside = beside;
    return seen;
  }

  async #invoke(lambda: Lambda, event: Record<string, unknown>): Promise<Invocation> {
    const invocation = await lambda.invoke(event);
    if (invocation.outcome === 'timeout') this.#killed.add(lambda);
    return invocation;
  }

  /** Whoever only answered lives on, as on Lambda. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#options.isBlameless()) for (const lambda of this.processes) lambda.kill();
    await Promise.all(this.processes.map((lambda) => lambda.stop()));
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
