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

/** The settings for passwords leave no alphabet, or one that makes passwords too easy to guess. */
export class PasswordRulesError extends RotationError {
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

/** The secret is another engine's: the wrong function is attached to it. */
export class EngineMismatchError extends RotationError {
  readonly layer = 'secret';
  readonly retryHelps = false;
}

/** The user's name cannot be used on this engine (too long, for instance). */
export class UserNameError extends RotationError {
  readonly layer = 'secret';
  readonly retryHelps = false;
}

/** The host is one that cannot serve a rotation: an RDS Proxy knows only the password in AWSCURRENT. */
export class UnsupportedHostError extends RotationError {
  readonly layer = 'secret';
  readonly retryHelps = false;
}

/** Which user is the base and which the twin cannot be told, or `username` is neither. */
export class PairError extends RotationError {
  readonly layer = 'secret';
  readonly retryHelps = false;
}

/** The admin secret (`masterarn`) is missing, unreadable, of another server, or not one that may be used for this secret. */
export class AdminSecretError extends RotationError {
  readonly layer = 'admin secret';
  readonly retryHelps = false;
}

/** The server refuses the admin secret's passwords: it is being rotated, or it is wrong. */
export class AdminRefusedError extends RotationError {
  readonly layer = 'admin secret';
  readonly retryHelps = true;
}

/** A user that is about to get a password is not proven to be this secret's. Nothing was changed. */
export class ForeignUserError extends RotationError {
  readonly layer = 'twin';
  readonly retryHelps = false;
}

/** Base and twin differ in a way that only a person can settle; the message has the statements to choose from. Nothing was changed. */
export class TwinRightsError extends RotationError {
  readonly layer = 'twin';
  readonly retryHelps = false;
}

/** The user that would become active may not log in (locked, expired, rds_iam), or does not exist. Nothing was changed. */
export class DormantUserError extends RotationError {
  readonly layer = 'twin';
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
abstract class CallError extends RotationError {
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

/** RDS did not say where a database is. */
export class RdsError extends CallError {
  readonly layer = 'RDS';
}

/** The host's name does not resolve. */
export class HostNotFoundError extends RotationError {
  readonly layer = 'DNS';
  readonly retryHelps = true;
}

/** No TCP connection, or it broke. What was under way on it may have happened. */
export class ConnectionError extends RotationError {
  readonly layer = 'TCP';
  readonly retryHelps = true;
}

/** The server offers no TLS, or its certificate does not verify. */
export class TlsError extends RotationError {
  readonly layer = 'TLS';
  readonly retryHelps = false;
}

/** The server refused the password, or says what it says to a wrong one. */
export class LoginRefusedError extends RotationError {
  readonly layer = 'authentication';
  readonly retryHelps = false;
}

/** The account may not log in, and the password is not the reason: locked, NOLOGIN, out of connections, no database, pg_hba.conf. */
export class LoginBarredError extends RotationError {
  readonly layer = 'authentication';
  readonly retryHelps = false;
}

/** The name belongs to several accounts (MySQL's, one a host), so it does not tell whose password is meant. Nothing was changed. */
export class SeveralAccountsError extends RotationError {
  readonly layer = 'database';
  readonly retryHelps = false;
}

/** The server lets this user not do what the rotation needs. */
export class PrivilegeError extends RotationError {
  readonly layer = 'privilege';
  readonly retryHelps = false;
}

/** The server refuses the password itself (strength, history). Nothing has changed. */
export class PasswordPolicyError extends RotationError {
  readonly layer = 'password policy';
  readonly retryHelps = false;
}

/** AWSCURRENT's password is the account's secondary one, and the server forbids to make it the primary one again. It works. */
export class RetainedPasswordError extends RotationError {
  readonly layer = 'password policy';
  readonly retryHelps = false;
}

/** The server takes no writes: a replica, a reader endpoint, recovery. */
export class ReadOnlyServerError extends RotationError {
  readonly layer = 'database';
  readonly retryHelps = false;
}

/** The server answered with an error that has no class of its own here, which `code` then tells; or behaves so that nothing can be proven. */
export class DatabaseError extends RotationError {
  readonly layer = 'database';
  readonly retryHelps = true;
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
