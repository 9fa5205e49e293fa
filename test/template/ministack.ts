/** An AWS on this machine: MiniStack, an emulator that is not ours. It runs functions with the `node` on PATH. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { temporaryDirectory } from '../../local/owner.ts';
import { STEPS, stepEvent } from '../../local/secrets-manager/rotation.ts';
import { withFreePort } from '../../local/servers/free-port.ts';
import type { Login } from '../../local/servers/users.ts';
import { fileOf, run } from '../tools.ts';

export class MiniStack implements AsyncDisposable {
  readonly #secretsManager: SecretsManagerClient;
  readonly #lambda: LambdaClient;
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
    const client = { endpoint, region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
    this.#secretsManager = new SecretsManagerClient(client);
    this.#lambda = new LambdaClient(client);
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

  /** @returns its ARN */
  async createSecret(value: Readonly<Record<string, unknown>>): Promise<string> {
    const secret = { Name: randomUUID(), SecretString: JSON.stringify(value) };
    const { ARN = '' } = await this.#secretsManager.send(new CreateSecretCommand(secret));
    return ARN;
  }

  /** What the version with this label says; undefined if it has no value. */
  async value(SecretId: string, VersionStage = 'AWSCURRENT'): Promise<(Login & { version: string }) | undefined> {
    const command = new GetSecretValueCommand({ SecretId, VersionStage });
    const { SecretString, VersionId } = await this.#secretsManager.send(command);
    return SecretString === undefined ? undefined : { ...JSON.parse(SecretString), version: VersionId };
  }

  /**
   * One attempt of the function that is deployed under this name. MiniStack's own RotateSecret calls no
   * function: it turns rotation on, and makes a copy of AWSCURRENT the next AWSCURRENT. So the pending
   * version, which has no value yet, and the steps are made here.
   * @returns what the error says of the step that failed, if one did; MiniStack gives all errors one class
   */
  async rotate(SecretId: string, FunctionName: string): Promise<{ token: string; error?: string }> {
    const token = randomUUID();
    const RotationRules = { AutomaticallyAfterDays: 30 };
    await this.#secretsManager.send(
      new RotateSecretCommand({ SecretId, ClientRequestToken: randomUUID(), RotationRules }),
    );
    await this.#secretsManager.send(
      new PutSecretValueCommand({ SecretId, ClientRequestToken: token, VersionStages: ['AWSPENDING'] }),
    );
    for (const step of STEPS) {
      const Payload = JSON.stringify(stepEvent(step, SecretId, token));
      const answer = await this.#lambda.send(new InvokeCommand({ FunctionName, Payload }));
      if (answer.FunctionError !== undefined)
        return { token, error: JSON.parse(answer.Payload?.transformToString() ?? '{}').errorMessage };
    }
    return { token };
  }

  // biome-ignore lint/suspicious/noExplicitAny: each call has an answer of its own
  async #aws(...args: string[]): Promise<any> {
    return JSON.parse(await run('aws', [...args, '--output', 'json'], process.cwd(), this.#variables));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#secretsManager.destroy();
    this.#lambda.destroy();
    return this.#cleanUp.disposeAsync();
  }
}

async function answering(endpoint: string): Promise<string> {
  for (let triesLeft = 240; triesLeft > 0; triesLeft--, await sleep(250))
    if (await fetch(endpoint).catch(() => undefined)) return endpoint;
  throw new Error('MiniStack does not answer');
}
