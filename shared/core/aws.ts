/** Calls to AWS services, within the deadline, and our own errors in place of the SDK's. */

import type { Deadline, Spending } from './deadline.ts';
import { DeadlineError, type Details, type Layer, ownError, type RotationError } from './errors.ts';

/** An AWS service that a rotation calls, and what we know about its errors. */
export type Service = {
  /** It also names the share of time that the calls are taken from. */
  readonly name: Spending & Layer;
  /**
   * The last part of the name of the service's interface endpoint: `secretsmanager`,
   * https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
   */
  readonly endpoint: string;
  /** The environment variable that gives the service another address. */
  readonly endpointSetting: string;
  /**
   * Errors whose message is passed on: it names a principal, an action or a key, which helps. The
   * messages of other errors may quote what was sent, and are dropped.
   */
  readonly messageIsSafe: ReadonlySet<string>;
  /** Errors that a retry may overcome. */
  readonly mayPass: ReadonlySet<string>;
  /** What to do about an error, as a sentence, by the error's name. */
  readonly remedies?: Readonly<Record<string, string>>;
  /**
   * Whether a successful answer has what the service always answers. The SDK makes an empty object of
   * an empty body, and of much that is not the service's.
   */
  readonly isWhole: (answer: object) => boolean;
  readonly Failure: new (message: string, retryHelps: boolean, details?: Details) => RotationError;
};

/**
 * Makes one call through an SDK client, within the deadline. Replaces whatever the SDK throws.
 * @param operation as AWS writes it: `GetSecretValue`
 * @throws the service's `Failure`, a DeadlineError or an InternalError
 */
export async function callService<T extends object>(
  service: Service,
  deadline: Deadline,
  operation: string,
  send: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    const answer = await deadline.spend(service.name, `${service.name}’s ${operation}`, send);
    if (service.isWhole(answer)) return answer;
    throw notOfService(service, operation, answer);
  } catch (error) {
    throw error instanceof DeadlineError
      ? new DeadlineError(`${error.message} ${inAVpc(service)}`)
      : replaced(service, operation, error);
  }
}

function inAVpc({ endpoint }: Service): string {
  return `A function in a VPC needs an interface endpoint for ${endpoint} or a NAT gateway, and a security group that lets it out on port 443.`;
}

function replaced(service: Service, operation: string, error: unknown): RotationError {
  if (isRefusal(error)) {
    const { name: code, message } = error;
    const text = service.messageIsSafe.has(code) ? `: ${message}` : '';
    const remedy = service.remedies?.[code];
    return new service.Failure(
      `${service.name} refused ${operation} with ${code}${text}${/[.]$/.test(text) ? '' : '.'}${remedy ? ` ${remedy}` : ''}`,
      service.mayPass.has(code) || (error.$metadata.httpStatusCode ?? 0) >= 500,
      { code },
    );
  }
  const code = networkCode(error);
  if (code !== undefined)
    return new service.Failure(
      `${service.name} could not be reached for ${operation} (${code}). ${inAVpc(service)}`,
      true,
      { code },
    );
  return isAnswer(error) ? notOfService(service, operation, error) : ownError(error);
}

/** What the SDK knows of an answer that came by HTTP. Of an error `$response` has the headers. */
type Answer = {
  $metadata: { httpStatusCode?: number };
  $response?: { headers?: Readonly<Record<string, string>> };
};

function isAnswer(error: unknown): error is Error & Answer {
  return error instanceof Error && '$metadata' in error;
}

/**
 * Whether the service itself answered with this error. Each SDK client has its own class of errors,
 * so this looks for `$fault`, as the SDK's ServiceException.isInstance does. Where the body names no
 * error, the SDK's name for it is `Unknown`, or `NotFound` for RDS's status 404.
 */
function isRefusal(error: unknown): error is Error & Answer {
  return isAnswer(error) && '$fault' in error && /^[A-Z]\w{0,99}$/.test(error.name) && !NAMELESS.has(error.name);
}

const NAMELESS = new Set(['Unknown', 'UnknownError', 'NotFound']);

/**
 * Something else answered at the service's address: a web proxy, a captive portal, another server. Or
 * the answer was cut on its way. Its text may hold anything, so only the status and the media type
 * are told.
 */
function notOfService(service: Service, operation: string, answer: object): RotationError {
  const { $metadata, $response } = answer as Partial<Answer>;
  const status = $metadata?.httpStatusCode;
  const [type] = /^[a-z]+\/[a-z0-9.+-]{1,60}/i.exec($response?.headers?.['content-type'] ?? '') ?? [];
  const told = [...(status === undefined ? [] : [`HTTP status ${status}`]), ...(type === undefined ? [] : [type])];
  const mayPass = status !== undefined && (status >= 500 || status === 429 || (status < 300 && type !== 'text/html'));
  return new service.Failure(
    `The address of ${service.name} answered ${operation} with ${told.join(' and ') || 'something'} that is no answer of ${service.name}: ` +
      'a proxy or another server may stand there, or the answer was cut. Look at the function’s endpoint ' +
      `(${service.endpointSetting}), the VPC’s DNS and the proxies on the way.`,
    mayPass,
  );
}

/** What happened on the network, by Node's or the SDK's name; undefined if it was something else. */
function networkCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string' && /^[A-Z_]{1,60}$/.test(error.code)) return error.code;
  return error.name === 'TimeoutError' ? error.name : undefined;
}
