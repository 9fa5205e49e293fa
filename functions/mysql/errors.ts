import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { DeadlineError, RotationError } from '../../shared/core/errors.ts';
import { connectionFailure } from '../../shared/database/connection-failure.ts';
import type { Endpoint, LoginResult } from '../../shared/database/engine.ts';
import {
  ConnectionError,
  DatabaseError,
  LoginBarredError,
  LoginRefusedError,
  PasswordPolicyError,
  PrivilegeError,
  ReadOnlyServerError,
  TlsError,
} from '../../shared/database/errors.ts';

/**
 * What a failure of the driver means, decided by the server's errno and by Node's error codes, never by a message: the server translates
 * those, and the driver calls MariaDB's errors by MySQL's names. Numbers: https://dev.mysql.com/doc/mysql-errors/9.7/en/server-error-reference.html
 * and https://mariadb.com/docs/server/reference/error-codes
 */

/** What is known of a connection when it fails. */
export type Attempt = {
  readonly to: Endpoint;
  readonly username: string;
  readonly socket: Socket;
  /** Once the server has agreed to TLS. */
  tls(): TLSSocket | undefined;
  /** What the connection broke with, perhaps while nothing was asked of it. */
  farewell: Error | undefined;
};

type Unsuccessful = Exclude<LoginResult<never>, { is: 'accepted' }>;

/** What an error of the driver means, in one of ours. */
export type Failure = (error: unknown, attempt: Attempt) => RotationError;

/** After the password was found right; each was seen to be refused with 1045 for a wrong one. */
const BARRED: Readonly<Record<number, string>> = {
  1044: 'it has no right on the database in the secret’s "dbname"',
  1049: 'the database in the secret’s "dbname" does not exist',
  1203: 'it has too many connections',
  1226: 'it is at one of its resource limits (MAX_USER_CONNECTIONS and the like)',
  1820: 'its password has expired',
  1862: 'its password has expired',
  3118: 'the account is locked',
  4151: 'the account is locked',
};

/** The server blocks the account, or does not take this way to log in, before it looks at the password. */
const BLOCKED: Readonly<Record<number, string>> = {
  1129: 'it blocks this client for too many broken connections: run FLUSH HOSTS there, or on MySQL TRUNCATE performance_schema.host_cache',
  1130: 'no account of it is for connections from here',
  1251: 'the account’s way to authenticate is not one that this function knows',
  1524: 'the plugin by which the account authenticates is not loaded',
  1698: 'the account logs in by the operating system’s user (auth_socket, unix_socket) and has no password',
  3955: 'too many logins failed, so it is blocked for a while (FAILED_LOGIN_ATTEMPTS)',
  4150: 'too many logins failed, so it is blocked (max_password_errors): run FLUSH PRIVILEGES there',
};

/** require_secure_transport: MySQL says so after it has looked at the password, MariaDB before. */
const WANTS_TLS = 3159;

export function loginFailure(error: unknown, attempt: Attempt): Unsuccessful {
  // One of ours comes from the first statements of the session; not so what the deadline says of the login.
  const isOurs = error instanceof RotationError && error.host !== undefined;
  const errno = isOurs ? Number(error.code) : isAnswer(error) ? error.errno : Number.NaN;
  const details = about(error, attempt);
  const user = `user "${attempt.username}"`;
  const server = `The server at ${attempt.to.host}`;
  const unknown = (why: RotationError): Unsuccessful => ({ is: 'unknown', why });

  // After the login it is about a right.
  const isRefused = errno === 1045 && !isOurs;
  const barred = BARRED[errno];
  const isInClear = attempt.to.tls !== 'off' && attempt.tls()?.authorized !== true;
  if (isInClear && (isRefused || barred !== undefined))
    return unknown(
      new TlsError(
        `${server} answers ${user} with error ${errno} in clear text, where the secret wants TLS: it may be anybody's answer.`,
        details,
      ),
    );
  if (isRefused) {
    const message = `${server} refuses the password of ${user} (or there is no such user from this host, or it has to use TLS or a certificate).`;
    return { is: 'refused', why: new LoginRefusedError(message, details) };
  }
  if (barred !== undefined) {
    const message = `${server} does not let ${user} log in: the password is right, but ${barred}.`;
    return { is: 'barred', why: new LoginBarredError(message, details) };
  }
  const blocked = BLOCKED[errno];
  if (blocked !== undefined)
    return unknown(new LoginBarredError(`${server} does not let ${user} log in: ${blocked}.`, details));
  if (errno === WANTS_TLS)
    return unknown(
      new TlsError(`${server} takes connections over TLS only: say "ssl": true in the secret of ${user}.`, details),
    );
  if (codeIn(error) === 'MYSQL_CLEAR_PASSWORD_NOT_ENABLED')
    return unknown(
      new LoginBarredError(
        `${server} wants the password of ${user} in clear text, as for IAM, LDAP or PAM: such an account has no password of its own to rotate.`,
        details,
      ),
    );
  return unknown(isOurs ? error : statementFailure(error, attempt));
}

/** The server took the login for another account's: that of an anonymous user, or of nobody where it does not check. */
export function notItself(attempt: Attempt, taken: string): Unsuccessful {
  const whose = taken === '' ? 'an anonymous user' : `"${taken}"`;
  return {
    is: 'unknown',
    why: new DatabaseError(
      `The server at ${attempt.to.host} takes user "${attempt.username}" for ${whose}, so no password can be proven: drop the ` +
        'anonymous account that is for this host, or turn skip_grant_tables off.',
      about(undefined, attempt),
    ),
  };
}

export function statementFailure(error: unknown, attempt: Attempt): RotationError {
  return isAnswer(error) ? serverFailure(error.errno, attempt) : networkFailure(error, attempt);
}

export function lockTaken(attempt: Attempt, user: string): RotationError {
  return new DeadlineError(
    `Another session at ${attempt.to.host} held the lock on user "${user}" for too long: nothing was changed.`,
    about(undefined, attempt),
  );
}

export function lockLost(attempt: Attempt, user: string): RotationError {
  return new DatabaseError(
    `The lock on user "${user}" at ${attempt.to.host} was lost in mid-step.`,
    about(undefined, attempt),
  );
}

/** ER_INCORRECT_CURRENT_PASSWORD */
const CONFLICT = 3891;

/** The password in REPLACE is not, or no more, the account's. */
export function isConflict(error: unknown): boolean {
  return error instanceof RotationError && error.code === String(CONFLICT);
}

/** The password does not satisfy validate_password or a plugin; it was used before. */
const POLICY: Readonly<Record<number, string>> = {
  1819: 'does not satisfy its password policy',
  3638: 'was used before (password_history, password_reuse_interval)',
};

/** MariaDB's answer to a hash where strict_password_validation and a validation plugin are on; and both servers' where they are read-only. */
const OPTION_PREVENTS = 1290;
const CANNOT_USER = 1396;
/** Where the account's plugin stores passwords in another form. */
const NO_SUCH_HASH = 1372;
const NO_HASH = [OPTION_PREVENTS, CANNOT_USER, NO_SUCH_HASH];

/**
 * @param session whose server it is
 * @param user whose password it was to be
 */
export function passwordFailure(
  error: unknown,
  attempt: Attempt,
  { isMariaDb }: { isMariaDb: boolean },
  user = attempt.username,
): RotationError {
  if (!isAnswer(error)) return statementFailure(error, attempt);
  const details = { ...about(error, attempt), user };
  const problem = POLICY[error.errno];
  if (problem !== undefined)
    return new PasswordPolicyError(
      `The password for user "${user}" at ${attempt.to.host} ${problem}: adapt PASSWORD_LENGTH and EXCLUDE_CHARACTERS to it.`,
      details,
    );
  if (isMariaDb && NO_HASH.includes(error.errno))
    return new PasswordPolicyError(
      `MariaDB at ${attempt.to.host} takes no password hash for user "${user}": strict_password_validation is on together with a password ` +
        'validation plugin, or the account is gone, or authenticates by another plugin than mysql_native_password. A plain password would stand in ' +
        'the general log, so it is not sent.',
      details,
    );
  return statementFailure(error, attempt);
}

/** Said of the password, that is; it may be read-only instead. */
export function isOptionPrevents(error: unknown): boolean {
  return error instanceof PasswordPolicyError && error.code === String(OPTION_PREVENTS);
}

export function readOnlyServer(attempt: Attempt): RotationError {
  return serverFailure(OPTION_PREVENTS, attempt);
}

/** Some of them say "access denied" as a wrong password does: after the login they are about a right. */
const PRIVILEGE = new Set([1044, 1045, 1142, 1143, 1227, 1370, 1698]);

function serverFailure(errno: number, attempt: Attempt): RotationError {
  const details = { ...about(undefined, attempt), code: String(errno) };
  const server = `The server at ${attempt.to.host}`;
  const user = `user "${attempt.username}"`;
  switch (errno) {
    case 1205:
      return new DeadlineError(
        `Another session of ${attempt.to.host} held a lock for too long for ${user}: nothing was changed.`,
        details,
      );
    case 1969:
    case 3024:
      return new DeadlineError(
        `${server} stopped a statement of ${user} at its time limit: nothing was changed.`,
        details,
      );
    case OPTION_PREVENTS:
    case 1836:
    case 1874:
      return new ReadOnlyServerError(
        `${server} takes no writes from ${user}, for it is a replica or a reader endpoint: give the writer's in the secret's "host".`,
        details,
      );
    case 1109:
      return new DatabaseError(
        `${server} is older than MySQL 8.0.21, for it does not tell ${user} which accounts there are.`,
        details,
      );
    case 1133:
    case 1410:
      return new DatabaseError(
        `Somebody dropped an account at ${attempt.to.host} in mid-step, so ${user} could not change it. The next attempt settles it.`,
        details,
      );
    case 1040:
    case 1053:
    case 1077:
    case 1079:
    case 4031:
      return new ConnectionError(
        `${server} is starting, stopping, out of connections or has ended the session of ${user} (${errno}).`,
        details,
      );
  }
  if (PRIVILEGE.has(errno))
    return new PrivilegeError(`${server} denies ${user} a right that the rotation needs (${errno}).`, details);
  return new DatabaseError(`${server} answered ${user} with error ${errno}.`, details);
}

function networkFailure(error: unknown, attempt: Attempt): RotationError {
  const cause = error instanceof DeadlineError ? error : (attempt.farewell ?? error);
  const unasked = unaskedAnswer(cause);
  if (unasked !== undefined) return serverFailure(unasked, attempt);
  const { to, username } = attempt;
  const tls = attempt.tls();
  const code = codeIn(cause);
  return connectionFailure(cause, code === 'HANDSHAKE_SSL_ERROR' ? codeOfHandshake(cause, tls) : systemCode(code), {
    to,
    username,
    product: 'MySQL',
    offersTls: code === 'HANDSHAKE_NO_SSL_SUPPORT' ? false : tls && true,
    isInHandshake: tls !== undefined && !tls.authorized,
    isMisunderstood: code === undefined || (systemCode(code) === undefined && !LOST.has(code)),
    ways: 'caching_sha2_password, sha256_password or mysql_native_password',
  });
}

/** The driver's codes for a connection that broke. */
const LOST = new Set(['PROTOCOL_CONNECTION_LOST', 'HANDSHAKE_SSL_ERROR']);

/** Node's own errors need not be instances of this realm's Error. */
function codeIn(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** ECONNREFUSED and the like; neither the driver's codes nor those of Node's own errors (ERR_…), which come of bytes that the driver cannot read. */
function systemCode(code: string | undefined): string | undefined {
  return code !== undefined && /^E(?!RR_)[A-Z_]+$/.test(code) ? code : undefined;
}

/** The driver puts one code of its own over whatever went wrong in the TLS handshake: Node keeps the reason beside it. */
function codeOfHandshake(error: unknown, tls: TLSSocket | undefined): string | undefined {
  const unverified: unknown = tls?.authorizationError;
  if (typeof unverified === 'string') return unverified;
  if (codeIn(unverified) !== undefined) return codeIn(unverified);
  const { reason } = error as { reason?: unknown };
  return typeof reason === 'string' ? `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}` : undefined;
}

type Answer = Error & { errno: number };

/** The server's own word: the driver's errors have no errno, and Node's have a negative one. */
function isAnswer(error: unknown): error is Answer {
  return error instanceof Error && 'sqlMessage' in error && 'errno' in error && Number.isInteger(error.errno);
}

/** What the server says of itself when nothing was asked (an idle session ends): the driver has its number in `code`. */
function unaskedAnswer(error: unknown): number | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? code : undefined;
}

function about(error: unknown, { username, to }: Attempt) {
  const code = isAnswer(error) ? String(error.errno) : error instanceof RotationError ? error.code : undefined;
  return { user: username, host: to.host, code };
}
