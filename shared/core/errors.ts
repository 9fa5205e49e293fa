/**
 * The failures that a user can meet: one class for each cause. shared/database/errors.ts has those
 * of databases.
 *
 * No other error leaves a function. An error of a driver or of the AWS SDK may hold a statement, a
 * password or a part of the secret. So it is replaced where it appears, and never kept as `cause`.
 * Only the message and the fields below are logged.
 */

/** Where it went wrong. A person who is woken up wants to know this first. */
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
 * What an error carries beside its message: user and host, never a password. `code` is a SQLSTATE,
 * an errno or the name of an AWS error. An error is itself such details, so one that replaces
 * another can take them over: `new DeadlineError(message, replaced)`.
 */
export type Details = { user?: string | undefined; host?: string | undefined; code?: string | undefined };

export abstract class RotationError extends Error {
  abstract readonly layer: Layer;
  /** Whether the next attempt of Secrets Manager may succeed although nobody has done anything. */
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

/** These three fields and no others, and only those that have a value. */
function defined({ user, host, code }: Details): Details {
  return { ...(user && { user }), ...(host && { host }), ...(code && { code }) };
}

/**
 * The event lacks a field, or a field is malformed. Secrets Manager sends no such event; a person's
 * test may.
 */
export class InvalidEventError extends RotationError {
  readonly layer = 'event';
  readonly retryHelps = false;
}

/** `Step` is none of createSecret, setSecret, testSecret, finishSecret. */
export class UnknownStepError extends RotationError {
  readonly layer = 'event';
  readonly retryHelps = false;
}

/** An environment variable of the function cannot be used, or forbids what the strategy does. */
export class ConfigurationError extends RotationError {
  readonly layer = 'configuration';
  readonly retryHelps = false;
}

/**
 * The secret's tag or the function's setting names a strategy that does not exist, or that the
 * engine does not have.
 */
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

/**
 * The secret has no version with the ClientRequestToken as its id, or that version has no
 * AWSPENDING.
 */
export class TokenNotPendingError extends RotationError {
  readonly layer = 'rotation';
  readonly retryHelps = false;
}

/**
 * The step found something else than it relies on: the pending version has no value or no longer
 * fits AWSCURRENT, a label moved, or a user changed.
 */
export class PendingMismatchError extends RotationError {
  readonly layer = 'rotation';
  readonly retryHelps = true;
}

/**
 * The pending version was given up, and AWSPENDING taken off it. The next RotateSecret starts anew.
 */
export class PendingGivenUpError extends RotationError {
  readonly layer = 'rotation';
  readonly retryHelps = false;
}

/**
 * Secrets Manager answered with an older state than it had shown before, and did not catch up in
 * time.
 */
export class StaleReadError extends RotationError {
  readonly layer = 'Secrets Manager';
  readonly retryHelps = true;
}

/** A call to AWS failed. `code` is AWS's name for the error. */
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

/** Time ran out. A statement that had been sent may have taken effect. */
export class DeadlineError extends RotationError {
  readonly layer = 'deadline';
  readonly retryHelps = true;
}

/**
 * A defect of ours. The message names only the class of the original error: its text could hold
 * anything.
 */
export class InternalError extends RotationError {
  readonly layer = 'internal';
  readonly retryHelps = true;
}

/**
 * What a rehearsal finds. A rotation ends at its first failure, so a person would mend one fault after
 * the other. A rehearsal goes on where it can.
 */
export class Findings {
  readonly #found: RotationError[] = [];

  /**
   * Runs a check, and notes its failure.
   * @returns what the check returns; undefined if it fails
   */
  async check<T>(check: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await check();
    } catch (error) {
      this.add(ownError(error));
      return undefined;
    }
  }

  /** Notes a failure, unless it is noted already: two checks may rest on the same fact. */
  add(error: RotationError): void {
    const isKnown = this.#found.some(({ name, message }) => name === error.name && message === error.message);
    if (!isKnown) this.#found.push(error);
  }

  /** Whether a failure in this layer was noted. */
  include(layer: Layer): boolean {
    return this.#found.some((found) => found.layer === layer);
  }

  /**
   * Throws the first failure, which is the one that a rotation would meet. If there are several, its
   * message lists them all: `2 findings: (1) PairError: … (2) LoginRefusedError: …`.
   */
  throwAll(): void {
    const [first] = this.#found;
    if (first === undefined) return;
    const listed = this.#found.map(({ name, message }, index) => `(${index + 1}) ${name}: ${message}`);
    if (listed.length > 1) first.message = `${listed.length} findings: ${listed.join(' ')}`;
    throw first;
  }
}

/**
 * Returns our own errors as they are. Any other becomes an InternalError with its stack frames and
 * none of its text.
 */
export function ownError(error: unknown): RotationError {
  if (error instanceof RotationError) return error;
  const name = error instanceof Error && /^\w{1,60}$/.test(error.name) ? error.name : typeof error;
  const internal = new InternalError(`Unexpected ${name}: a defect of the rotation function; please report it.`);
  internal.stack = `${internal.name}: ${internal.message}${frames(error)}`;
  return internal;
}

/**
 * The part of the stack after the message. Empty if the stack does not hold the message: then its
 * end is unknown.
 */
function frames(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const stack = error.stack ?? '';
  const start = stack.indexOf(error.message);
  return start < 0 ? '' : (stack.slice(start + error.message.length).match(/^\n {4}at [\s\S]*$/)?.[0] ?? '');
}
