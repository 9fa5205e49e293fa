/**
 * Runs a built function as Lambda would: in a bare Node process, with nothing but the bundle, Lambda's
 * environment and the function's own variables.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { basename, dirname, join, parse, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { FunctionError, Reply, Request } from './lambda-runtime.ts';
import type { Invocation, RunningFunction } from './secrets-manager/rotation.ts';

/** What runs a function's file, and speaks to this host as local/lambda-runtime.ts does. */
export type Runtime = {
  command: string;
  program: string;
  /** What the function's file exports. */
  handler: string;
  /** A process reads what an earlier one has compiled. On Lambda there is no such cache. */
  keepsCompiled?: true;
};

export type LambdaOptions = {
  /** The built file. Nothing outside its directory can be loaded. */
  bundle: string;
  /** Node, which keeps what it has compiled, unless given. */
  runtime?: Runtime;
  /** The function's own variables; `NODE_OPTIONS: '--enable-source-maps'` for readable stack traces. */
  environment?: Readonly<Record<string, string>>;
  /** After this an invocation's process is killed. 60 000 unless given. */
  timeoutMs?: number;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken: string };
  /** Where it takes its process from, and leaves it; without them it starts one of its own, and ends it. */
  warm?: WarmSandboxes;
  /** Hears what the process writes to stdout and stderr, as it comes. */
  onOutput?: (text: string) => void;
};

/** As cold as on Lambda. */
export const NODE: Runtime = {
  command: process.execPath,
  program: fileURLToPath(new URL('./lambda-runtime.ts', import.meta.url)),
  handler: 'handler',
};

const REGION = 'us-east-1';
const CREDENTIALS = {
  accessKeyId: 'ASIALOCALLAMBDAHOST1',
  secretAccessKey: 'secret-access-key-of-the-local-lambda-host',
  sessionToken: 'session-token-of-the-local-lambda-host',
};

/** One function: it serves invocations one after the other until it is stopped, killed or crashes. */
export class Lambda implements RunningFunction, AsyncDisposable {
  readonly #sandbox: Sandbox;
  readonly #warm: WarmSandboxes | undefined;
  readonly #name: string;
  readonly #timeoutMs: number;
  #output = '';
  #busy = false;
  #stopped: Promise<void> | undefined;

  /** Rejects, with what the process printed, if the bundle does not load. */
  static async start(options: LambdaOptions): Promise<Lambda> {
    const bundle = resolve(options.bundle);
    const { runtime = { ...NODE, keepsCompiled: true } } = options;
    const variables = {
      ...options.environment,
      ...lambdaEnvironment(functionName(bundle), dirname(bundle), options.credentials ?? CREDENTIALS),
      _HANDLER: `${parse(bundle).name}.${runtime.handler}`,
    };
    const left = options.warm?.take(bundle);
    await using cleanUp = new AsyncDisposableStack();
    const lambda = cleanUp.use(new Lambda(options, left ?? new Sandbox(runtime, bundle, variables)));
    const ready = await lambda.#sandbox.answer(left && { variables });
    if (ready === undefined) throw new Error(`${options.bundle} does not load:\n${lambda.output}`);
    cleanUp.move();
    return lambda;
  }

  private constructor({ bundle, timeoutMs = 60_000, warm, onOutput }: LambdaOptions, sandbox: Sandbox) {
    this.#sandbox = sandbox;
    this.#warm = warm;
    this.#name = functionName(bundle);
    this.#timeoutMs = timeoutMs;
    sandbox.onOutput = (text) => {
      this.#output += text;
      onOutput?.(text);
    };
  }

  get pid(): number {
    return this.#sandbox.pid;
  }

  /** Settles once the process is gone and everything it wrote has arrived. */
  get exited(): Promise<void> {
    return this.#sandbox.exited;
  }

  /** Everything that the process has written to stdout and stderr so far. */
  get output(): string {
    return this.#output;
  }

  /** @throws if another invocation is under way: Lambda would start a second environment for it. */
  async invoke(event: Record<string, unknown>): Promise<Invocation> {
    if (this.#busy) throw new Error('This environment is busy: start another one, as Lambda would');
    if (this.#stopped) return { ...outcome(undefined, undefined), ms: 0 };
    this.#busy = true;
    const started = performance.now();
    const requestId = randomUUID();
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.kill();
    }, this.#timeoutMs);
    try {
      const reply = await this.#sandbox.answer({
        event,
        deadline: Date.now() + this.#timeoutMs,
        context: {
          awsRequestId: requestId,
          invokedFunctionArn: `arn:aws:lambda:${REGION}:123456789012:function:${this.#name}`,
        },
      });
      return { ...outcome(reply, timedOut ? this.#timeoutMs : undefined), ms: performance.now() - started };
    } finally {
      clearTimeout(timer);
      this.#busy = false;
    }
  }

  /** SIGKILL, at once; an invocation under way ends with the outcome 'crash'. A function that was stopped has no process any more. */
  kill(): void {
    if (!this.#stopped) this.#sandbox.kill();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#leave();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #leave(): Promise<void> {
    if (!this.#busy && this.#warm?.leave(this.#sandbox)) return;
    await this.#sandbox[Symbol.asyncDispose]();
  }
}

/**
 * Processes whose function has ended, for the next functions of the same bundle: as on Lambda, which thaws an environment where it has one.
 * Most of a short rotation's time is the start of its process.
 */
export class WarmSandboxes implements AsyncDisposable {
  readonly #idle: Sandbox[] = [];

  take(bundle: string): Sandbox | undefined {
    const at = this.#idle.findIndex((sandbox) => sandbox.bundle === bundle && sandbox.isRunning);
    return at < 0 ? undefined : this.#idle.splice(at, 1)[0];
  }

  /** @returns whether it can be used again */
  leave(sandbox: Sandbox): boolean {
    return sandbox.isRunning && this.#idle.push(sandbox) > 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((sandbox) => sandbox[Symbol.asyncDispose]()));
  }
}

/** One process, with the bundle loaded. */
class Sandbox implements AsyncDisposable {
  readonly bundle: string;
  readonly pid: number;
  readonly exited: Promise<void>;
  onOutput: (text: string) => void = () => {};
  readonly #child: ChildProcess;
  #read = 0;

  constructor(runtime: Runtime, bundle: string, variables: Readonly<Record<string, string>>) {
    const taskRoot = dirname(bundle);
    this.bundle = bundle;
    this.#child = spawn(runtime.command, [runtime.program], {
      cwd: taskRoot,
      // The function does not see the variable of the compile cache.
      env: { ...(runtime.keepsCompiled && { NODE_COMPILE_CACHE: join(taskRoot, '.compile-cache') }), ...variables },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.pid = this.#child.pid ?? 0;
    this.exited = once(this.#child, 'close').then(() => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#read += text.length;
        this.onOutput(text);
      });
    }
  }

  get isRunning(): boolean {
    return this.#child.connected && this.#child.exitCode === null && !this.#child.killed;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.exited;
  }

  /**
   * What the process answers, once everything it wrote before has been read; undefined if it dies instead.
   * @param request none if the process speaks first, when it has loaded the bundle
   */
  async answer(request?: Request): Promise<Reply | undefined> {
    const aborted = new AbortController();
    try {
      if (request && this.#child.connected) this.#child.send(request, () => {}); // a process that dies now is noticed by its exit
      const reply = once(this.#child, 'message', aborted).then(([message]): Reply => message);
      const answer = await Promise.race([reply, this.exited.then(() => undefined)]);
      await this.#outputRead();
      return answer;
    } finally {
      aborted.abort();
    }
  }

  /** The answer and the output come through different pipes: read on until a turn of the event loop brings no more. */
  async #outputRead(): Promise<void> {
    for (let seen = -1; seen !== this.#read; ) {
      seen = this.#read;
      await setImmediate();
      await setImmediate(); // the first may run in the turn that is already under way
    }
  }
}

function outcome(reply: Reply | undefined, timedOutAfterMs: number | undefined): Omit<Invocation, 'ms'> {
  if (reply?.is === 'error') return { outcome: 'error', error: reply.error };
  if (reply !== undefined) return { outcome: 'success' };
  if (timedOutAfterMs === undefined) return { outcome: 'crash', error: EXITED };
  const seconds = (timedOutAfterMs / 1000).toFixed(2);
  return {
    outcome: 'timeout',
    error: { errorType: 'Sandbox.Timedout', errorMessage: `Task timed out after ${seconds} seconds` },
  };
}

const EXITED: FunctionError = {
  errorType: 'Runtime.ExitError',
  errorMessage: 'Runtime exited without providing a reason',
};

/** dist/postgres/index.mjs → rotate-postgres */
function functionName(bundle: string): string {
  return `rotate-${basename(dirname(resolve(bundle)))}`;
}

/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, less what only layers and extensions use. */
function lambdaEnvironment(
  name: string,
  taskRoot: string,
  credentials: NonNullable<LambdaOptions['credentials']>,
): Record<string, string> {
  return {
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_SESSION_TOKEN: credentials.sessionToken,
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256',
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `2026/01/01/[$LATEST]${'0'.repeat(32)}`,
    AWS_XRAY_CONTEXT_MISSING: 'LOG_ERROR',
    AWS_XRAY_DAEMON_ADDRESS: '169.254.79.129:2000',
    LAMBDA_TASK_ROOT: taskRoot,
    LAMBDA_RUNTIME_DIR: '/var/runtime',
    LANG: 'en_US.UTF-8',
    PATH: '/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin',
    TZ: ':UTC',
  };
}
