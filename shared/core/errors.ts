/**
 * Every failure a user can meet, one class a cause.
 *
 * Nothing else leaves a function: an error of a driver or of the AWS SDK may hold a statement, a password or a piece
 * of the secret, so it is replaced where it appears, never wrapped as `cause`. The fields below are all that is logged.
 */

/** Where it went wrong: the first thing that whoever is woken up wants to know. */
export type Layer =
  | 'event'
  | 'configuration'
  | 'secret'
  | 'admin secret'
  | 'twin'
  | 'rotation'
  | 'Secrets Manager'
  | 'RDS'
  | 'DNS'
  | 'TCP'
  | 'TLS'
  | 'authentication'
  | 'privilege'
  | 'password policy'
  | 'database'
  | 'deadline'
  | 'internal';

/**
 * What may stand beside the message. User and host, never a password; `code` is a SQLSTATE, errno or AWS error name. An error that takes another's
 * place is given that one, and has the same.
 */
export type Details = { user?: string | undefined; host?: string | undefined; code?: string | undefined };

export abstract class RotationError extends Error {
  abstract readonly layer: Layer;
  /** Whether the same rotation may succeed by itself when Secrets Manager tries again. */
  abstract readonly retryHelps: boolean;
  declare readonly user?: string;
  declare readonly host?: string;
  declare readonly code?: string;

  constructor(message: string, details: Details = {}) {
    super(message);
    this.name = new.target.name;
    Object.assign(this, defined(details));
  }
}

/** The named fields alone, and only those that have a value. */
function defined({ user, host, code }: Details): Details {
  return { ...(user && { user }), ...(host && { host }), ...(code && { code }) };
}

/** The event lacks a field, or a field is malformed. Secrets Manager never sends such an event; a person's test might. */
export class InvalidEventError extends RotationError {
  readonly layer = 'event';
  readonly retryHelps = false;
}

/** `Step` is none of createSecret, setSecret, testSecret, finishSecret. */
export class UnknownStepError extends RotationError {
  readonly layer = 'event';
  readonly retryHelps = false;
}

/** An environment variable of the function cannot be used, or does not allow what the strategy does. */
export class ConfigurationError extends RotationError {
  readonly layer = 'configuration';
  readonly retryHelps = false;
}

/** The strategy named by the secret's tag or the function's setting does not exist, or the engine does not have it. */
export class UnknownStrategyError extends RotationError {
  readonly layer = 'configuration';
  readonly retryHelps = false;
}

/** The secret's value is not a JSON object of the documented form. */
export class InvalidSecretError extends RotationError {
  readonly layer = 'secret';
  readonly retryHelps = false;
}

/** RotationEnabled is false. */
export class RotationDisabledError extends RotationError {
  readonly layer = 'rotation';
  readonly retryHelps = false;
}

/** The ClientRequestToken is no version of the secret, or that version is not AWSPENDING. */
export class TokenNotPendingError extends RotationError {
  readonly layer = 'rotation';
  readonly retryHelps = false;
}

/** What the step rests on is not so, or no more: the pending version has no value or does not fit AWSCURRENT as it is now, a label moved, a user changed. */
export class PendingMismatchError extends RotationError {
  readonly layer = 'rotation';
  readonly retryHelps = true;
}

/** The pending version was given up: AWSPENDING is off it. The next RotateSecret starts afresh. */
export class PendingGivenUpError extends RotationError {
  readonly layer = 'rotation';
  readonly retryHelps = false;
}

/** Secrets Manager answers with an older state than one it has already shown, and did not catch up in time. */
export class StaleReadError extends RotationError {
  readonly layer = 'Secrets Manager';
  readonly retryHelps = true;
}

/** A call to AWS failed. `code` is AWS's name of the error. */
export abstract class CallError extends RotationError {
  readonly retryHelps: boolean;
  constructor(message: string, retryHelps: boolean, details: Details = {}) {
    super(message, details);
    this.retryHelps = retryHelps;
  }
}

/** A call to Secrets Manager failed. */
export class SecretsManagerError extends CallError {
  readonly layer = 'Secrets Manager';
}

/** Time ran out. A statement that was under way may have happened. */
export class DeadlineError extends RotationError {
  readonly layer = 'deadline';
  readonly retryHelps = true;
}

/** A defect of ours. The message names the class of the original error only: its text could hold anything. */
export class InternalError extends RotationError {
  readonly layer = 'internal';
  readonly retryHelps = true;
}

/** The error itself if it is ours, else an InternalError with the original's frames and none of its text. */
export function ownError(error: unknown): RotationError {
  if (error instanceof RotationError) return error;
  const name = error instanceof Error && /^\w{1,60}$/.test(error.name) ? error.name : typeof error;
  const internal = new InternalError(`Unexpected ${name}: a defect of the rotation function; please report it.`);
  internal.stack = `${internal.name}: ${internal.message}${frames(error)}`;
  return internal;
}

/** What stands behind the message in the stack; nothing if the message is not found there, for then it is not known where it ends. */
function frames(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const stack = error.stack ?? '';
  const start = stack.indexOf(error.message);
  return start < 0 ? '' : (stack.slice(start + error.message.length).match(/^\n {4}at [\s\S]*$/)?.[0] ?? '');
}
