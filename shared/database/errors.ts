import { CallError, RotationError } from '../core/errors.ts';

/** The settings for passwords leave no alphabet, or one that makes passwords too easy to guess. */
export class PasswordRulesError extends RotationError {
  readonly layer = 'configuration';
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
