/**
 * The failures of databases that a user can meet. shared/core/errors.ts has the rest, and the
 * rules.
 */

import { CallError, RotationError } from '../core/errors.ts';

/** No password can meet the settings for passwords, or those would be too easy to guess. */
export class PasswordRulesError extends RotationError {
  readonly layer = 'configuration';
  readonly retryHelps = false;
}

/** The secret belongs to another engine: the wrong function is attached to it. */
export class EngineMismatchError extends RotationError {
  readonly layer = 'secret';
  readonly retryHelps = false;
}

/** This engine cannot have a user of this name: it is too long, for example. */
export class UserNameError extends RotationError {
  readonly layer = 'secret';
  readonly retryHelps = false;
}

/** No rotation is possible through this host: an RDS Proxy knows only the password in AWSCURRENT. */
export class UnsupportedHostError extends RotationError {
  readonly layer = 'secret';
  readonly retryHelps = false;
}

/** Nothing tells which user is the base and which the twin, or `username` is neither. */
export class PairError extends RotationError {
  readonly layer = 'secret';
  readonly retryHelps = false;
}

/**
 * The admin secret (`masterarn`) is missing, cannot be read, belongs to another server, or may not
 * be used for this secret.
 */
export class AdminSecretError extends RotationError {
  readonly layer = 'admin secret';
  readonly retryHelps = false;
}

/**
 * The server refuses the passwords of the admin secret: that secret is being rotated, or its
 * password is wrong.
 */
export class AdminRefusedError extends RotationError {
  readonly layer = 'admin secret';
  readonly retryHelps = true;
}

/** Nothing proves that the user who would get a password is this secret's. Nothing was changed. */
export class ForeignUserError extends RotationError {
  readonly layer = 'twin';
  readonly retryHelps = false;
}

/**
 * Base and twin differ in a way that only a person can settle. The message has statements to choose
 * from.
 */
export class TwinRightsError extends RotationError {
  readonly layer = 'twin';
  readonly retryHelps = false;
}

/**
 * The user who would become active may not log in (locked, expired, rds_iam), or does not exist.
 * Nothing was changed.
 */
export class DormantUserError extends RotationError {
  readonly layer = 'twin';
  readonly retryHelps = false;
}

/** RDS did not say where a database is, or the call failed. */
export class RdsError extends CallError {
  readonly layer = 'RDS';
}

/** The name of the host does not resolve. */
export class HostNotFoundError extends RotationError {
  readonly layer = 'DNS';
  readonly retryHelps = true;
}

/** No TCP connection, or it broke. A statement that had been sent may have taken effect. */
export class ConnectionError extends RotationError {
  readonly layer = 'TCP';
  readonly retryHelps = true;
}

/** The server offers no TLS, or its certificate does not verify. */
export class TlsError extends RotationError {
  readonly layer = 'TLS';
  readonly retryHelps = false;
}

/** The server refused the password, or answers as it does to a wrong one. */
export class LoginRefusedError extends RotationError {
  readonly layer = 'authentication';
  readonly retryHelps = false;
}

/**
 * The account may not log in, and not because of its password: locked, NOLOGIN, out of connections,
 * no such database, pg_hba.conf.
 */
export class LoginBarredError extends RotationError {
  readonly layer = 'authentication';
  readonly retryHelps = false;
}

/**
 * Several accounts have this name (on MySQL one for each host), so the name does not tell whose
 * password is meant. Nothing was changed.
 */
export class SeveralAccountsError extends RotationError {
  readonly layer = 'database';
  readonly retryHelps = false;
}

/** The server does not let this user do what the rotation needs. */
export class PrivilegeError extends RotationError {
  readonly layer = 'privilege';
  readonly retryHelps = false;
}

/** The server refuses the password itself: for its strength or its history. Nothing was changed. */
export class PasswordPolicyError extends RotationError {
  readonly layer = 'password policy';
  readonly retryHelps = false;
}

/**
 * AWSCURRENT's password is the secondary one of the account. It works, but the server forbids to
 * make it the primary one again.
 */
export class RetainedPasswordError extends RotationError {
  readonly layer = 'password policy';
  readonly retryHelps = false;
}

/** The server takes no writes: it is a replica, a reader endpoint, or in recovery. */
export class ReadOnlyServerError extends RotationError {
  readonly layer = 'database';
  readonly retryHelps = false;
}

/**
 * The server sent an error without a class of its own here (`code` tells which), or behaves so that
 * nothing can be proven.
 */
export class DatabaseError extends RotationError {
  readonly layer = 'database';
  readonly retryHelps = true;
}
