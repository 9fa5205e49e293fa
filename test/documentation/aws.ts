/** Stands in for all of AWS, for the AWS CLI: Secrets Manager is the emulator, every other operation succeeds and answers nothing. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { HttpService } from '../../local/http-service.ts';
import { FUNCTION_ARN, type SecretsManagerEmulator, startSecretsManager } from '../../local/secrets-manager/server.ts';

export const PENDING_VERSION_ID = '11111111-2222-3333-4444-555555555555';

type Answer = { body: string | Uint8Array; headers?: Record<string, string>; status?: number };

export type AwsOptions = {
  /** Of secrets that nobody made: a rotation was given up, and left AWSPENDING on the version PENDING_VERSION_ID. */
  isPending: boolean;
};

export class Aws extends HttpService {
  /** `secretsmanager.CreateSecret` of a service with JSON, `CreateStack` of one with a query, `POST /…` of others. */
  readonly calls: string[] = [];
  readonly #secretsManager: SecretsManagerEmulator;
  readonly #options: AwsOptions;
  /** By name. */
  readonly #known = new Set<string>();

  static async start(options: AwsOptions): Promise<Aws> {
    const aws = new Aws(await startSecretsManager(), options);
    await aws.listen();
    return aws;
  }

  private constructor(secretsManager: SecretsManagerEmulator, options: AwsOptions) {
    super();
    this.#secretsManager = secretsManager;
    this.#options = options;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await this.#secretsManager[Symbol.asyncDispose]();
  }

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { body, headers = {}, status = 200 } = await this.#answer(request, await text(request));
    response.writeHead(status, headers).end(body);
  }

  /** By the protocol of the service: https://smithy.io/2.0/aws/protocols/ */
  async #answer({ method, url, headers }: IncomingMessage, body: string): Promise<Answer> {
    const target = headers['x-amz-target'];
    if (typeof target === 'string') {
      this.calls.push(target);
      return target.startsWith('secretsmanager.') ? this.#fromSecretsManager(target, body) : { body: '{}' };
    }
    const action = new URLSearchParams(body).get('Action');
    if (action !== null) {
      this.calls.push(action);
      return { body: `<${action}Response><${action}Result/></${action}Response>` };
    }
    this.calls.push(`${method} ${url}`);
    if (headers['smithy-protocol'] !== 'rpc-v2-cbor') return { body: '{}' };
    return { body: Uint8Array.of(0xa0), headers: { 'smithy-protocol': 'rpc-v2-cbor' } }; // an empty map
  }

  async #fromSecretsManager(target: string, body: string): Promise<Answer> {
    const { Name, SecretId = Name } = JSON.parse(body);
    if (target !== 'secretsmanager.CreateSecret' && SecretId !== undefined) this.#makeUnlessThere(SecretId);
    this.#known.add(SecretId);
    const headers = { 'x-amz-target': target, 'content-type': 'application/x-amz-json-1.1' };
    const response = await fetch(this.#secretsManager.endpoint, { method: 'POST', headers, body });
    const answer = await response.text();
    if (answer.includes('"UnknownOperationException"')) return { body: '{}' };
    return { body: answer, status: response.status };
  }

  /** A secret that the document speaks of and that nobody has made is there, and has rotated once. */
  #makeUnlessThere(SecretId: string): void {
    if (this.#known.has(SecretId) || SecretId.startsWith('arn:')) return;
    const { store } = this.#secretsManager;
    const [first, second] = [randomUUID(), randomUUID()];
    store.createSecret({
      Name: SecretId,
      ClientRequestToken: first,
      SecretString: JSON.stringify({ password: first }),
    });
    store.beginRotation({ SecretId, ClientRequestToken: second, RotationLambdaARN: FUNCTION_ARN });
    const SecretString = JSON.stringify({ password: second });
    store.putSecretValue({ SecretId, ClientRequestToken: second, SecretString, VersionStages: ['AWSPENDING'] });
    const move = { VersionStage: 'AWSCURRENT', RemoveFromVersionId: first, MoveToVersionId: second };
    store.updateSecretVersionStage({ SecretId, ...move });
    if (this.#options.isPending) store.beginRotation({ SecretId, ClientRequestToken: PENDING_VERSION_ID });
  }
}
