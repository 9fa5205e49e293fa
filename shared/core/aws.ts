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
  /**
   * Errors whose message is passed on: it names a principal, an action or a key, which helps. The
   * messages of other errors may quote what was sent, and are dropped.
   */
  readonly messageIsSafe: ReadonlySet<string>;
  /** Errors that a retry may overcome. */
  readonly mayPass: ReadonlySet<string>;
  /** What to do about an error, as a sentence, by the error's name. */
  readonly remedies?: Readonly<Record<string, string>>;
  readonly Failure: new (message: string, retryHelps: boolean, details?: Details) => RotationError;
};

/**
 * Makes one call through an SDK client, within the deadline. Replaces whatever the SDK throws.
 * @param operation as AWS writes it: `GetSecretValue`
 * @throws the service's `Failure`, a DeadlineError or an InternalError
 */
export async function callService<T>(
  service: Service,
  deadline: Deadline,
  operation: string,
  send: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    return await deadline.spend(service.name, `${service.name}’s ${operation}`, send);
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
  if (isAnswer(error)) {
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
  if (code === undefined) return ownError(error);
  return new service.Failure(
    `${service.name} could not be reached for ${operation} (${code}). ${inAVpc(service)}`,
    true,
    { code },
  );
}

/**
 * Whether the service itself answered with this error. Each SDK client has its own class of errors,
 * so this looks for `$fault`, as the SDK's ServiceException.isInstance does.
 */
function isAnswer(error: unknown): error is Error & { $metadata: { httpStatusCode?: number } } {
  return error instanceof Error && '$fault' in error && '$metadata' in error;
}

/** What happened on the network, by Node's or the SDK's name; undefined if it was something else. */
function networkCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string' && /^[A-Z_]{1,60}$/.test(error.code)) return error.code;
  return error.name === 'TimeoutError' ? error.name : undefined;
}
