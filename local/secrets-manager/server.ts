import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import { HttpService } from '../http-service.ts';
import { ServiceError } from './errors.ts';
import { type FaultKind, Faults } from './faults.ts';
import { randomPassword } from './random-password.ts';
import { type RotationOptions, type RotationResult, RotationService } from './rotation.ts';
import { SecretStore, type StoreOptions, type View } from './store.ts';

/** The access key of the function under test: faults and hooks apply to calls signed with it, and to no others. */
export const FUNCTION_ACCESS_KEY_ID = 'AKIAROTATIONFUNCTION';

/** The function's ARN, for a secret whose rotation is started by `rotate` and was never configured. */
export const FUNCTION_ARN = 'arn:aws:lambda:us-east-1:123456789012:function:secret-rotation';

/** One HTTP request; an SDK that repeats a call makes several. It has no parameters: they carry secrets. */
export type Call = {
  operation: string;
  by: 'function' | 'other';
  /** Milliseconds since the epoch. */
  startedAt: number;
  ms: number;
  /** The error answered, or `NoAnswer` for a connection that was closed instead. */
  error?: string;
  fault?: FaultKind;
};

/** A request of the function under test, as hooks see it: with its parameters. */
export type HookCall = { readonly operation: string; readonly request: Readonly<Record<string, unknown>> };

/** An error to answer with, or `no answer` to close the connection. Time that a hook takes delays the answer. */
export type HookAnswer = ServiceError | 'no answer' | undefined;

export type Hooks = {
  /** Before the operation takes effect; with an answer it does not. */
  before?(call: HookCall): HookAnswer | Promise<HookAnswer>;
  /** After it took effect, or failed. */
  after?(call: HookCall): HookAnswer | Promise<HookAnswer>;
};

export type SecretsManagerOptions = StoreOptions & {
  /** Default: one that is free. */
  port?: number;
  functionAccessKeyIds?: readonly string[];
  /** The function and how it is called. Without it RotateSecret registers the pending version and calls nobody. */
  rotation?: RotationOptions;
  hooks?: Hooks;
};

export type RotateOptions = Partial<RotationOptions> & {
  /** Becomes the id of the new version. */
  token?: string;
  rotateImmediately?: boolean;
};

export interface SecretsManagerEmulator extends AsyncDisposable {
  readonly endpoint: string;
  readonly store: SecretStore;
  /** Every call in the order of their ends; `calls.length = 0` forgets them. */
  readonly calls: Call[];
  readonly faults: Faults;
  /** May be replaced at any time. */
  hooks: Hooks;
  /** RotateSecret without HTTP; resolves when the rotation is over. What is not given comes from the emulator's options. */
  rotate(secretId: string, options?: RotateOptions): Promise<RotationResult>;
  /** How the latest rotation, by `rotate` or over HTTP, ends or has ended; undefined if there was none. */
  rotationEnded(secretId: string): Promise<RotationResult> | undefined;
}

/** Listens on 127.0.0.1 for the AWS JSON 1.1 protocol. Signatures are not verified. */
export async function startSecretsManager(options: SecretsManagerOptions = {}): Promise<SecretsManagerEmulator> {
  const emulator = new Emulator(options);
  await emulator.listen(options.port);
  return emulator;
}

type Operation = (request: never, view?: View) => object;

/** Operations whose answer may be stale. */
const EVENTUALLY_CONSISTENT = new Set(['DescribeSecret', 'GetSecretValue']);

class Emulator extends HttpService implements SecretsManagerEmulator {
  readonly store: SecretStore;
  readonly calls: Call[] = [];
  readonly faults = new Faults();
  hooks: Hooks;
  readonly #rotation: RotationOptions | undefined;
  readonly #rotations: RotationService;
  readonly #functionKeys: ReadonlySet<string>;
  readonly #operations: Readonly<Record<string, Operation>>;

  constructor(options: SecretsManagerOptions) {
    super();
    this.store = new SecretStore(options);
    this.hooks = options.hooks ?? {};
    this.#rotation = options.rotation;
    this.#rotations = new RotationService(this.store);
    this.#functionKeys = new Set(options.functionAccessKeyIds ?? [FUNCTION_ACCESS_KEY_ID]);
    this.#operations = operations(this.store, (request) => this.#rotations.rotateSecret(request, this.#rotation));
  }

  rotate(secretId: string, { token = randomUUID(), rotateImmediately = true, ...given }: RotateOptions = {}) {
    const start = given.start ?? this.#rotation?.start;
    if (start === undefined) throw new Error('No function to rotate with: give `start`');
    const { RotationLambdaARN = FUNCTION_ARN } = this.store.describeSecret({ SecretId: secretId });
    return this.#rotations.rotate(
      { SecretId: secretId, ClientRequestToken: token, RotationLambdaARN, RotateImmediately: rotateImmediately },
      { ...this.#rotation, ...given, start },
    );
  }

  rotationEnded(secretId: string) {
    return this.#rotations.ended(secretId);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.#rotations.close();
    await super[Symbol.asyncDispose]();
  }

  protected serve(request: IncomingMessage, response: ServerResponse): void {
    // A mistake in a hook or in the emulator is shown to the client. A client that was killed meanwhile reads nothing.
    this.#serve(request, response).catch((error) => send(request, response, internalError(`${error}`)));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = Date.now();
    const begun = performance.now();
    const operation = String(request.headers['x-amz-target']).replace('secretsmanager.', '');
    const by = this.#functionKeys.has(accessKeyId(request)) ? 'function' : 'other';
    const { answer, fault } = await this.#answer(operation, by, parsed(await text(request)));
    this.calls.push({
      operation,
      by,
      startedAt,
      ms: performance.now() - begun,
      ...(answer instanceof ServiceError ? { error: answer.name } : {}),
      ...(answer === 'no answer' ? { error: 'NoAnswer' } : {}),
      ...(fault === undefined ? {} : { fault }),
    });
    send(request, response, answer);
  }

  async #answer(operation: string, by: Call['by'], request: Body | undefined): Promise<Outcome> {
    if (request === undefined) return { answer: new ServiceError('SerializationException', 'The body is not JSON') };
    return by === 'function' ? this.#troubled(operation, request) : { answer: this.#perform(operation, request) };
  }

  /** A call of the function under test: between hooks, and with a fault if one is due. */
  async #troubled(operation: string, request: Body): Promise<Outcome> {
    const due = this.faults.draw();
    const refused = await this.hooks.before?.({ operation, request });
    if (refused !== undefined) return { answer: refused };
    if (due === 'throttling') return this.#faulty(due, new ServiceError('ThrottlingException', 'Rate exceeded'));
    if (due === 'errorBefore') return this.#faulty(due, internalError());
    const answer = this.#perform(operation, request);
    const changed = await this.hooks.after?.({ operation, request });
    if (changed !== undefined) return { answer: changed };
    if (due === 'errorAfter') return this.#faulty(due, internalError());
    if (due === 'lostAnswer') return this.#faulty(due, 'no answer');
    const stale = due === 'staleRead' ? this.#staleAnswer(operation, request) : undefined;
    return stale === undefined || isDeepStrictEqual(stale, answer) ? { answer } : this.#faulty('staleRead', stale);
  }

  #faulty(fault: FaultKind, answer: Answer): Outcome {
    this.faults.count(fault);
    return { answer, fault };
  }

  #staleAnswer(operation: string, request: Body): Answer | undefined {
    const recent = this.store.changedWithin(String(request['SecretId']), this.faults.staleForMs);
    return EVENTUALLY_CONSISTENT.has(operation) && recent ? this.#perform(operation, request, 'older') : undefined;
  }

  #perform(operation: string, request: Body, view: View = 'latest'): Answer {
    const perform = this.#operations[operation];
    try {
      if (perform === undefined) throw new ServiceError('UnknownOperationException', '');
      return perform(request as never, view);
    } catch (error) {
      if (error instanceof ServiceError) return error;
      throw error;
    }
  }
}

type Body = Readonly<Record<string, unknown>>;
type Answer = object | ServiceError | 'no answer';
type Outcome = { answer: Answer; fault?: FaultKind };

function operations(store: SecretStore, rotateSecret: Operation): Record<string, Operation> {
  return {
    CreateSecret: (request) => store.createSecret(request),
    DescribeSecret: (request, view) => store.describeSecret(request, view),
    GetRandomPassword: randomPassword,
    GetSecretValue: (request, view) => store.getSecretValue(request, view),
    PutSecretValue: (request) => store.putSecretValue(request),
    UpdateSecret: (request) => store.updateSecret(request),
    UpdateSecretVersionStage: (request) => store.updateSecretVersionStage(request),
    ListSecretVersionIds: (request) => store.listSecretVersionIds(request),
    RotateSecret: rotateSecret,
    CancelRotateSecret: (request) => store.cancelRotateSecret(request),
    TagResource: (request) => store.tagResource(request),
    UntagResource: (request) => store.untagResource(request),
    DeleteSecret: (request) => store.deleteSecret(request),
  };
}

/** Who signed: `AWS4-HMAC-SHA256 Credential=<access key id>/<date>/<region>/secretsmanager/aws4_request, …`. */
function accessKeyId(request: IncomingMessage): string {
  return /Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1] ?? '';
}

function parsed(body: string): Body | undefined {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** HTTP 500 (API_PutSecretValue and every other page, under Errors). */
function internalError(message = 'An error occurred on the server side.'): ServiceError {
  return new ServiceError('InternalServiceError', message, 500);
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  if (answer === 'no answer') {
    request.socket.destroy();
    return;
  }
  const failed = answer instanceof ServiceError;
  response.writeHead(failed ? answer.status : 200, {
    'content-type': 'application/x-amz-json-1.1',
    'x-amzn-requestid': randomUUID(),
  });
  response.end(JSON.stringify(failed ? { __type: answer.name, message: answer.message } : answer));
}
