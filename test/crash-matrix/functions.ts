/** The processes that the function runs in. */
import { Lambda } from '../../local/lambda.ts';
import type { Invocation, RunningFunction, Step } from '../../local/secrets-manager/rotation.ts';

export type FunctionOptions = {
  /** The built function. */
  bundle: string;
  /** The function's time-out. It comes from the host, so the function's own deadlines follow it. */
  timeoutMs: number;
  /** In the first attempt this step is invoked in two processes at once. */
  twice?: Step | undefined;
  onAttemptEnd(): void;
};

type Environment = Readonly<Record<string, string>>;

export class Functions {
  /** All there have been. */
  readonly processes: Lambda[] = [];
  /** How the second one of two invocations at once ended, which the service did not see. */
  beside: Invocation | undefined;
  readonly #options: FunctionOptions;
  readonly #gone = new WeakSet<Lambda>();
  #attempts = 0;

  constructor(options: FunctionOptions) {
    this.#options = options;
  }

  /** Counted from 1, over all rotations. */
  get attempt(): number {
    return this.#attempts;
  }

  /** A new process for a new attempt. */
  async startAttempt(environment: Environment): Promise<RunningFunction> {
    const { twice, onAttemptEnd } = this.#options;
    this.#attempts++;
    const second = twice !== undefined && this.#attempts === 1 ? await this.#start(environment) : undefined;
    const first = await this.#start(environment);
    return {
      invoke: (event) =>
        second !== undefined && event['Step'] === twice ? this.#both(first, second, event) : first.invoke(event),
      stop: async () => {
        await Promise.all([first.stop(), second?.stop()]);
        onAttemptEnd();
      },
    };
  }

  /** SIGKILL to the latest; resolves when it is gone, to whether it was still there. */
  async kill(): Promise<boolean> {
    const latest = this.processes.at(-1);
    if (latest === undefined || this.#gone.has(latest)) return false;
    latest.kill();
    await latest.exited;
    return true;
  }

  async #start(environment: Environment): Promise<Lambda> {
    const { bundle, timeoutMs } = this.#options;
    const lambda = await Lambda.start({ bundle, environment, timeoutMs });
    this.processes.push(lambda);
    lambda.exited.then(() => this.#gone.add(lambda));
    return lambda;
  }

  async #both(first: Lambda, second: Lambda, event: Record<string, unknown>): Promise<Invocation> {
    const [seen, beside] = await Promise.all([first.invoke(event), second.invoke(event)]);
    this.beside = beside;
    return seen;
  }
}
