/** An AWS on this machine: MiniStack, an emulator that is not ours. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryDirectory } from '../../local/owner.ts';
import { withFreePort } from '../../local/servers/free-port.ts';
import { fileOf, run } from '../tools.ts';

export class MiniStack implements AsyncDisposable {
  readonly #variables: Readonly<Record<string, string>>;
  readonly #cleanUp: AsyncDisposableStack;

  /** @throws if it does not answer within a minute */
  static async start(): Promise<MiniStack> {
    await using cleanUp = new AsyncDisposableStack();
    const folder = cleanUp.use(await temporaryDirectory()).path;
    const endpoint = await withFreePort(async (port) => {
      const env = { ...process.env, GATEWAY_PORT: String(port), TMPDIR: folder };
      const server = spawn(fileOf('ministack') ?? '', [], { cwd: folder, env, stdio: 'ignore' });
      cleanUp.defer(async () => {
        if (server.kill()) await once(server, 'exit');
      });
      return answering(`http://127.0.0.1:${port}`);
    });
    return new MiniStack(endpoint, cleanUp.move());
  }

  private constructor(endpoint: string, cleanUp: AsyncDisposableStack) {
    this.#cleanUp = cleanUp;
    this.#variables = { AWS_ENDPOINT_URL: endpoint, AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
  }

  /** @param answers what is typed in at prompts, a line each */
  sam(args: readonly string[], folder: string, answers?: readonly string[]): Promise<string> {
    return run('sam', args, folder, this.#variables, answers && `${answers.join('\n')}\n`);
  }

  /** The environment of each function of the stack, by its name in the template. */
  async environments(stack: string): Promise<Record<string, unknown>> {
    const { StackResources } = await this.#aws('cloudformation', 'describe-stack-resources', '--stack-name', stack);
    const found: Record<string, unknown> = {};
    for (const { ResourceType, LogicalResourceId, PhysicalResourceId } of StackResources)
      if (ResourceType === 'AWS::Lambda::Function') {
        const described = await this.#aws('lambda', 'get-function', '--function-name', PhysicalResourceId);
        found[LogicalResourceId] = described.Configuration.Environment.Variables;
      }
    return found;
  }

  // biome-ignore lint/suspicious/noExplicitAny: each call has an answer of its own
  async #aws(...args: string[]): Promise<any> {
    return JSON.parse(await run('aws', [...args, '--output', 'json'], process.cwd(), this.#variables));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cleanUp.disposeAsync();
  }
}

async function answering(endpoint: string): Promise<string> {
  for (let triesLeft = 240; triesLeft > 0; triesLeft--, await sleep(250))
    if (await fetch(endpoint).catch(() => undefined)) return endpoint;
  throw new Error('MiniStack does not answer');
}
