/**
 * Runs a built function as Lambda would: in a bare Node process of its own, with nothing but the bundle, Lambda's
 * environment and the function's own variables.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { basename, dirname, join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { FunctionError, Reply, Request } from './lambda-runtime.ts';
import type { Invocation, RunningFunction } from './secrets-manager/rotation.ts';

export type LambdaOptions = {
  /** The built file. Nothing outside its directory can be loaded. */
  bundle: string;
  /** The function's own variables; `NODE_OPTIONS: '--enable-source-maps'` for readable stack traces. */
  environment?: Readonly<Record<string, string>>;
  /** After this an invocation's process is killed. 60 000 unless given. */
  timeoutMs?: number;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken: string };
  /** Hears what the process writes to stdout and stderr, as it comes. */
  onOutput?: (text: string) => void;
};

const RUNTIME = fileURLToPath(new URL('./lambda-runtime.ts', import.meta.url));
const REGION = 'us-east-1';
const CREDENTIALS = {
  accessKeyId: 'ASIALOCALLAMBDAHOST1',
  secretAccessKey: 'secret-access-key-of-the-local-lambda-host',
  sessionToken: 'session-token-of-the-local-lambda-host',
};

/** One execution environment: it serves invocations one after the other until it is stopped, killed or crashes. */
export class Lambda implements RunningFunction, AsyncDisposable {
  readonly pid: number;
  /** Settles once the process is gone and everything it wrote has arrived. */
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #timeoutMs: number;
  #output = '';
  #busy = false;

  /** Rejects, with what the process printed, if the bundle does not load. */
  static async start(options: LambdaOptions): Promise<Lambda> {
    await using cleanUp = new AsyncDisposableStack();
    const lambda = cleanUp.use(new Lambda(options));
    const first = await lambda.#reply();
    if (first === undefined) throw new Error(`${options.bundle} does not load:\n${lambda.output}`);
    cleanUp.move();
    return lambda;
  }

  private constructor(options: LambdaOptions) {
    const taskRoot = dirname(resolve(options.bundle));
    this.#name = functionName(options.bundle);
    this.#timeoutMs = options.timeoutMs ?? 60_000;
    this.#child = spawn(process.execPath, [RUNTIME], {
      cwd: taskRoot,
      env: {
        NODE_COMPILE_CACHE: join(taskRoot, '.compile-cache'), // for the next process; the function does not see the variable
        ...options.environment,
        ...lambdaEnvironment(this.#name, taskRoot, options.credentials ?? CREDENTIALS),
        _HANDLER: `${basename(options.bundle, '.mjs')}.handler`,
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.pid = this.#child.pid ?? 0;
    this.exited = once(this.#child, 'close').then(() => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
        options.onOutput?.(text);
      });
    }
  }

  /** Everything that the process has written to stdout and stderr so far. */
  get output(): string {
    return this.#output;
  }

  /** @throws if another invocation is under way: Lambda would start a second environment for it. */
  async invoke(event: Record<string, unknown>): Promise<Invocation> {
    if (this.#busy) throw new Error('This environment is busy: start another one, as Lambda would');
    this.#busy = true;
    const started = performance.now();
    const requestId = randomUUID();
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.kill();
    }, this.#timeoutMs);
    try {
      this.#send({
        event,
        deadline: Date.now() + this.#timeoutMs,
        context: {
          awsRequestId: requestId,
          invokedFunctionArn: `arn:aws:lambda:${REGION}:123456789012:function:${this.#name}`,
        },
      });
      const result = outcome(await this.#reply(), timedOut ? this.#timeoutMs : undefined);
      return { ...result, ms: performance.now() - started };
    } finally {
      clearTimeout(timer);
      this.#busy = false;
    }
  }

  /** SIGKILL, at once; an invocation under way ends with the outcome 'crash'. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    this.kill();
    await this.exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #send(request: Request): void {
    if (this.#child.connected) this.#child.send(request, () => {}); // a process that dies now is noticed by its exit
  }

  /** What the process answers, once everything it wrote before has been read; undefined if it dies instead. */
  async #reply(): Promise<Reply | undefined> {
    const aborted = new AbortController();
    try {
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
    for (let seen = -1; seen !== this.#output.length; ) {
      seen = this.#output.length;
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
