import type { Deadline, Spending } from './deadline.ts';
import { DeadlineError, type Details, type Layer, ownError, type RotationError } from './errors.ts';

/** A service of AWS that a rotation calls, and what is known of its errors. */
export type Service = {
  /** Also what its calls spend their time as. */
  readonly name: Spending & Layer;
  /** The last part of its interface endpoint's name, https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html. */
  readonly endpoint: string;
  /** Errors whose messages name principals, actions and keys, which is what helps; the messages of others may quote what was sent. */
  readonly messageIsSafe: ReadonlySet<string>;
  readonly mayPass: ReadonlySet<string>;
  /** By error: a sentence that says what to do. */
  readonly remedies?: Readonly<Record<string, string>>;
  readonly Failure: new (message: string, retryHelps: boolean, details?: Details) => RotationError;
};

/**
 * One call through an SDK client, within the deadline. What the SDK throws is replaced.
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

/** An error that the service answered. The SDK tells it by `$fault`, as its ServiceException.isInstance does; each client has a class of its own. */
function isAnswer(error: unknown): error is Error & { $metadata: { httpStatusCode?: number } } {
  return error instanceof Error && '$fault' in error && '$metadata' in error;
}

/** Node's or the SDK's name for what happened on the network; undefined if it was something else. */
function networkCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string' && /^[A-Z_]{1,60}$/.test(error.code)) return error.code;
  return error.name === 'TimeoutError' ? error.name : undefined;
}
