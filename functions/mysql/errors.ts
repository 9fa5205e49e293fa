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
 * What a failure means, decided by the server's error number (errno) and by Node's error codes.
 * Never by a message or a name: servers translate messages, and the driver gives MariaDB's errors
 * the names that MySQL has for their numbers.
 *
 * https://dev.mysql.com/doc/mysql-errors/9.7/en/server-error-reference.html
 *
 * https://mariadb.com/docs/server/reference/error-codes
 */

/** What is known of a connection, for the errors that it may lead to. */
export type Connection = {
  readonly to: Endpoint;
  readonly username: string;
  readonly socket: Socket;
  /** Undefined before the server has agreed to TLS. */
  tls(): TLSSocket | undefined;
  /** The login is over. */
  isLoggedIn: boolean;
  /** The words with which the last statement began: `ALTER USER`. */
  sent: string;
  /** The error with which the connection broke, even if no statement was under way. */
  brokeWith: Error | undefined;
  /** The way to authenticate for which the server asked last. */
  plugin: string | undefined;
};

type Unsuccessful = Exclude<LoginResult<never>, { is: 'accepted' }>;

/** Replaces an error of the driver by one of ours. */
export type Failure = (error: unknown, connection: Connection) => RotationError;

const EXPIRED = 'its password has expired: set it anew there (ALTER USER … IDENTIFIED BY), and AWSCURRENT to it';
const LOCKED = 'the account is locked. To let it in: ALTER USER … ACCOUNT UNLOCK';

/**
 * What the server says after it has found the password right. For each of these, a wrong password
 * was seen to give 1045 instead.
 */
const BARRED: Readonly<Record<number, string>> = {
  1044: 'it has no right on the database in the secret’s "dbname": grant it one there, or correct "dbname"',
  1049: 'the database in the secret’s "dbname" does not exist: correct "dbname"',
  1184: 'the server’s init_connect fails for it: mend that setting, or the rights of the user',
  1203: 'it has too many connections: end some that nobody needs, or raise max_user_connections',
  1226:
    'it is at one of its resource limits: end sessions of it that nobody needs, or raise the limit (ALTER USER … WITH MAX_USER_CONNECTIONS, ' +
    'MAX_CONNECTIONS_PER_HOUR)',
  1820: EXPIRED,
  1862: EXPIRED,
  3118: LOCKED,
  4151: LOCKED,
};

/**
 * What the server says before it looks at the password: it blocks the client or the account, or
 * takes no password.
 */
const BLOCKED: Readonly<Record<number, string>> = {
  1129: 'it blocks this client for too many broken connections: run TRUNCATE TABLE performance_schema.host_cache there',
  1130: 'no account of it is for connections from here',
  1251: 'the account’s way to authenticate is not one that this function knows',
  1524: 'the plugin by which the account authenticates is not loaded',
  1698: 'the account logs in by the operating system’s user (auth_socket, unix_socket) and has no password',
  3955: 'too many logins failed, so it is blocked for a while (FAILED_LOGIN_ATTEMPTS)',
  4150: 'too many logins failed, so it is blocked (max_password_errors): run FLUSH PRIVILEGES there',
};

/** The server, the user or the account has all the connections that it may have. */
const FULL = ['1040', '1203', '1226'];

/** Whether a login failed only because no connection was left. */
export function isForWantOfConnections({ is, why }: Unsuccessful): boolean {
  return is !== 'refused' && FULL.includes(why.code ?? '');
}

/**
 * require_secure_transport is on. MySQL says so after it has checked the password, MariaDB before.
 */
const WANTS_TLS = 3159;

export function loginFailure(error: unknown, connection: Connection): Unsuccessful {
  const unknown = (why: RotationError): Unsuccessful => ({ is: 'unknown', why });
  // The first statements of the session throw errors of ours, which name a host. The deadline's
  // error at connecting names none.
  const isOurs = error instanceof RotationError && error.host !== undefined;
  const errno = isOurs ? Number(error.code) : isAnswer(error) ? error.errno : Number.NaN;
  const details = about(error, connection);
  const user = `user "${connection.username}"`;
  const server = `The server at ${connection.to.host}`;

  // In the first statements of the session, 1045 is about a right, not about the password.
  const isRefused = errno === 1045 && !isOurs;
  const barred = BARRED[errno];
  const isInClear = connection.to.tls !== 'off' && connection.tls()?.authorized !== true;
  if (isInClear && (isRefused || barred !== undefined)) {
    const message = `${server} answers ${user} with error ${errno} in clear text, where the secret wants TLS: it may be anybody's answer.`;
    return unknown(new TlsError(message, details));
  }
  if (isRefused) {
    const message = `${server} refuses the password of ${user} (or there is no such user from this host, or it has to use TLS or a certificate).`;
    return { is: 'refused', why: new LoginRefusedError(message, details) };
  }
  if (barred !== undefined) {
    const message = `${server} does not let ${user} log in: the password is right, but ${barred}.`;
    return { is: 'barred', why: new LoginBarredError(message, details) };
  }
  const withoutVerdict = failureWithoutVerdict(error, errno, connection);
  if (withoutVerdict !== undefined) return unknown(withoutVerdict);
  return unknown(isOurs ? error : statementFailure(error, connection));
}

/**
 * Why the server ended the login without a word about the password; undefined if that is not what
 * happened.
 */
function failureWithoutVerdict(error: unknown, errno: number, connection: Connection): RotationError | undefined {
  const details = about(error, connection);
  const user = `user "${connection.username}"`;
  const server = `The server at ${connection.to.host}`;
  const blocked = BLOCKED[errno];
  if (blocked !== undefined) return new LoginBarredError(`${server} does not let ${user} log in: ${blocked}.`, details);
  if (errno === WANTS_TLS)
    return new TlsError(
      `${server} takes connections over TLS only: say "ssl": true in the secret of ${user}.`,
      details,
    );
  if (codeIn(error) === 'AUTH_SWITCH_PLUGIN_ERROR' && isStrange(connection.plugin))
    return new LoginBarredError(
      `${server} wants ${user} to authenticate by the plugin "${connection.plugin}", which this function has not: it logs in by ${WAYS}. ` +
        'MariaDB may also ask so for a user that it does not have for this host.',
      details,
    );
  if (codeIn(error) === 'MYSQL_CLEAR_PASSWORD_NOT_ENABLED')
    return new LoginBarredError(
      `${server} wants the password of ${user} in clear text, as for IAM, LDAP or PAM: such an account has no password of its own to rotate.`,
      details,
    );
  return undefined;
}

const WAYS = 'caching_sha2_password, sha256_password or mysql_native_password';

/** Whether this is the name of a plugin, which may go into the log, and not one of WAYS. */
function isStrange(plugin: string | undefined): boolean {
  return plugin !== undefined && /^[a-z]\w{1,63}$/i.test(plugin) && !WAYS.split(/, | or /).includes(plugin);
}

/**
 * For a server that takes the session for another account: that of an anonymous user, or of nobody
 * under skip_grant_tables.
 */
export function unproven(connection: Connection, takenFor: string): Unsuccessful {
  const whose = takenFor === '' ? 'an anonymous user' : `"${takenFor}"`;
  return {
    is: 'unknown',
    why: new DatabaseError(
      `The server at ${connection.to.host} takes user "${connection.username}" for ${whose}, so no password can be proven: drop the ` +
        'anonymous account that is for this host, or turn skip_grant_tables off.',
      about(undefined, connection),
    ),
  };
}

export function statementFailure(error: unknown, connection: Connection): RotationError {
  return isAnswer(error) ? serverFailure(error.errno, connection) : networkFailure(error, connection);
}

export function lockTaken(connection: Connection, user: string): RotationError {
  return new DeadlineError(
    `Another session at ${connection.to.host} held the lock on user "${user}" for too long: nothing was changed.`,
    about(undefined, connection),
  );
}

export function lockLost(connection: Connection, user: string): RotationError {
  return new DatabaseError(
    `The lock on user "${user}" at ${connection.to.host} was lost in mid-step.`,
    about(undefined, connection),
  );
}

/** ER_INCORRECT_CURRENT_PASSWORD */
const CONFLICT = 3891;

/** The password in REPLACE is not the account's, or no longer. */
export function isConflict(error: unknown): boolean {
  return error instanceof RotationError && error.code === String(CONFLICT);
}

/** ER_NOT_VALID_PASSWORD */
export const NOT_VALID = 1819;

/** Why the server refuses the password itself. */
const POLICY: Readonly<Record<number, string>> = {
  [NOT_VALID]: 'does not satisfy its password policy',
  3638: 'was used before (password_history, password_reuse_interval)',
};

/**
 * An option of the server forbids the statement. MariaDB says so of a password hash, where
 * strict_password_validation and a validation plugin are on. Both servers say so of every change,
 * where they are read-only.
 */
export const OPTION_PREVENTS = 1290;
const CANNOT_USER = 1396;
/** The account's plugin stores passwords in another form. */
const NO_SUCH_HASH = 1372;
const NO_HASH = [OPTION_PREVENTS, CANNOT_USER, NO_SUCH_HASH];

/** @param errno one of POLICY */
export function policyRefusal(errno: number, user: string, host: string): PasswordPolicyError {
  return new PasswordPolicyError(
    `The password for user "${user}" at ${host} ${POLICY[errno]}: adapt PASSWORD_LENGTH and EXCLUDE_CHARACTERS to it.`,
    { user, host, code: String(errno) },
  );
}

/** For a MariaDB that takes no password hash. */
export function hashRefusal(errno: number, user: string, host: string): PasswordPolicyError {
  return new PasswordPolicyError(
    `MariaDB at ${host} takes no password hash for user "${user}": strict_password_validation is on together with a password ` +
      'validation plugin, or the account is gone, or authenticates by another plugin than mysql_native_password. A plain password would stand in ' +
      'the general log, so it is not sent.',
    { user, host, code: String(errno) },
  );
}

/** @param user whose password the statement sets; the session's own user if there is none */
export function passwordFailure(
  error: unknown,
  connection: Connection,
  { isMariaDb }: { isMariaDb: boolean },
  user = connection.username,
): RotationError {
  if (!isAnswer(error)) return statementFailure(error, connection);
  const { errno } = error;
  if (errno in POLICY) return policyRefusal(errno, user, connection.to.host);
  if (isMariaDb && NO_HASH.includes(errno)) return hashRefusal(errno, user, connection.to.host);
  return statementFailure(error, connection);
}

/** Whether MariaDB refuses the hash, or seems to: a read-only server gives the same number. */
export function isOptionPrevents(error: unknown): boolean {
  return error instanceof PasswordPolicyError && error.code === String(OPTION_PREVENTS);
}

export function readOnlyServer(connection: Connection): RotationError {
  return serverFailure(OPTION_PREVENTS, connection);
}

/**
 * Some of these also answer a login with a wrong password. After the login, they say that a right
 * is missing.
 */
const PRIVILEGE = new Set([1044, 1045, 1142, 1143, 1227, 1370, 1698]);

function serverFailure(errno: number, connection: Connection): RotationError {
  const details = { ...about(undefined, connection), code: String(errno) };
  const server = `The server at ${connection.to.host}`;
  const user = `user "${connection.username}"`;
  switch (errno) {
    case 1205:
      return new DeadlineError(
        `Another session of ${connection.to.host} held a lock for too long for ${user}: nothing was changed.`,
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
        `Somebody dropped an account at ${connection.to.host} in mid-step, so ${user} could not change it. The next attempt settles it.`,
        details,
      );
    case 1040:
      return new ConnectionError(
        `${server} has no connection left for ${user} (max_connections): end sessions that nobody needs, or raise that setting. ` +
          'A retry succeeds once there is one.',
        details,
      );
    case 3032:
      return new ConnectionError(
        `${server} is in offline mode (offline_mode), and takes admins only, so ${user} cannot log in: a retry succeeds once that is over.`,
        details,
      );
    case 1053:
    case 1077:
    case 1079:
    case 4031:
      return new ConnectionError(
        `${server} is starting, stopping or has ended the session of ${user} (${errno}).`,
        details,
      );
  }
  if (PRIVILEGE.has(errno))
    return new PrivilegeError(`${server} denies ${user} a right that the rotation needs (${errno}).`, details);
  return new DatabaseError(`${server} answered ${connection.sent} of ${user} with error ${errno}.`, details);
}

function networkFailure(error: unknown, connection: Connection): RotationError {
  const cause = error instanceof DeadlineError ? error : (connection.brokeWith ?? error);
  const unasked = unaskedAnswer(cause);
  if (unasked !== undefined) return serverFailure(unasked, connection);
  const { to, username } = connection;
  const tls = connection.tls();
  const code = codeIn(cause);
  return connectionFailure(cause, code === 'HANDSHAKE_SSL_ERROR' ? codeOfHandshake(cause, tls) : systemCode(code), {
    to,
    username,
    product: 'MySQL',
    offersTls: code === 'HANDSHAKE_NO_SSL_SUPPORT' ? false : tls && true,
    isInHandshake: tls !== undefined && !tls.authorized,
    isConnected: !connection.socket.connecting,
    isLoggedIn: connection.isLoggedIn,
    isMisunderstood: code === undefined || (systemCode(code) === undefined && !LOST.has(code)),
    ways: WAYS,
  });
}

/** The driver's own codes for a connection that broke. */
const LOST = new Set(['PROTOCOL_CONNECTION_LOST', 'HANDSHAKE_SSL_ERROR']);

/** Reads `code` without instanceof: errors of Node may come from another realm, as under jest. */
function codeIn(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/**
 * ECONNREFUSED and the like. Not the driver's own codes, and not ERR_…, which Node throws when the
 * driver reads bytes that it does not understand.
 */
function systemCode(code: string | undefined): string | undefined {
  return code !== undefined && /^E(?!RR_)[A-Z_]+$/.test(code) ? code : undefined;
}

/**
 * The driver gives every failure of the TLS handshake one code of its own. Node keeps the reason
 * beside it.
 */
function codeOfHandshake(error: unknown, tls: TLSSocket | undefined): string | undefined {
  const unverified: unknown = tls?.authorizationError;
  if (typeof unverified === 'string') return unverified;
  if (codeIn(unverified) !== undefined) return codeIn(unverified);
  const { reason } = error as { reason?: unknown };
  return typeof reason === 'string' ? `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}` : undefined;
}

type Answer = Error & { errno: number };

/**
 * An answer of the server has `sqlMessage` and an errno. Errors of the driver have no errno, errors
 * of Node no `sqlMessage`.
 */
function isAnswer(error: unknown): error is Answer {
  return error instanceof Error && 'sqlMessage' in error && 'errno' in error && Number.isInteger(error.errno);
}

/**
 * The number of an answer that the server gave when nothing was asked, as when it ends an idle
 * session. The driver puts the number into `code`.
 */
function unaskedAnswer(error: unknown): number | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? code : undefined;
}

function about(error: unknown, { username, to }: Connection) {
  const code = isAnswer(error) ? String(error.errno) : error instanceof RotationError ? error.code : undefined;
  return { user: username, host: to.host, code };
}
