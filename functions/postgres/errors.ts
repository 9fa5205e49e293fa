import type { Socket } from 'node:net';
import pg from 'pg';
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
  UnsupportedHostError,
} from '../../shared/database/errors.ts';
import { DEFAULT_DATABASE } from './names.ts';

const { escapeIdentifier: name } = pg;

/**
 * What a failure means, decided by SQLSTATE, by the server's `routine` field and by Node's error
 * codes. Never by a message, because servers translate messages. SQLSTATEs:
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

/** What is known of a connection, for the errors that it may lead to. */
export type Connection = {
  readonly to: Endpoint;
  readonly username: string;
  readonly socket: Socket;
  /**
   * The server's answer to the request for TLS. Undefined before the answer, or if PostgreSQL gives
   * no such answer.
   */
  offersTls: boolean | undefined;
  askedForPassword: boolean;
  /** The server has said that the password is right, or that it needs none. */
  authenticated: boolean;
  /** The login is over. */
  isLoggedIn: boolean;
  /** What the server says of itself at login: `18.4`. */
  version: string | undefined;
  /** The words with which the last statement began: `ALTER ROLE`. */
  sent: string;
  /** The error with which the connection broke, even if no statement was under way. */
  brokeWith: Error | undefined;
};

type Unsuccessful = Exclude<LoginResult<never>, { is: 'accepted' }>;

/** Replaces an error of the driver by one of ours. */
export type Failure = (error: unknown, connection: Connection) => RotationError;

/**
 * What the server says after it has found the password right, by SQLSTATE and routine:
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/init/postinit.c
 */
const BARRED: Record<string, (role: string, database: string) => string> = {
  '28000 InitializeSessionUserId': (role) => `the role has no LOGIN. To let it in: ALTER ROLE ${role} LOGIN.`,
  '53300 InitializeSessionUserId': (role) =>
    `the role is at its CONNECTION LIMIT. End sessions of it that nobody needs, or take the limit off: ALTER ROLE ${role} CONNECTION LIMIT -1.`,
  '53300 CheckMyDatabase': (_, database) =>
    `the database is at its CONNECTION LIMIT. End sessions there that nobody needs, or take the limit off: ALTER DATABASE ${database} CONNECTION LIMIT -1.`,
  '3D000': (_, database) =>
    `the database ${database} does not exist. Correct "dbname" in the secret; without that key it is "postgres".`,
  '55000': (_, database) =>
    `the database takes no connections. To open it: ALTER DATABASE ${database} ALLOW_CONNECTIONS true.`,
  '42501 CheckMyDatabase': (role, database) =>
    `it has no CONNECT right on the database. To give it: GRANT CONNECT ON DATABASE ${database} TO ${role}.`,
};

/** What may happen to any login, so that it says nothing about this user: by classes of SQLSTATE. */
const NOT_ABOUT_THE_USER = /^(08|53|57|58|XX)/;

export const LOCK_NOT_AVAILABLE = '55P03';

/** Also the code of the limits in BARRED. */
const NO_CONNECTION_LEFT = '53300';

/** Whether a login failed only because the server had no connection left. */
export function isForWantOfConnections({ is, why }: Unsuccessful): boolean {
  return is === 'unknown' && why.code === NO_CONNECTION_LEFT;
}

export function loginFailure(error: unknown, connection: Connection): Unsuccessful {
  const unknown = (why: RotationError): Unsuccessful => ({ is: 'unknown', why });
  if (!isAnswer(error)) return unknown(networkFailure(error, connection));
  const details = about(error, connection);
  const user = `user "${connection.username}"`;
  const server = `PostgreSQL at ${connection.to.host}`;
  if (error.code === '28P01') {
    const message = `${server} refuses the password of ${user} (or there is no such user, or it has expired).`;
    return { is: 'refused', why: new LoginRefusedError(message, details) };
  }
  const [role, database] = [name(connection.username), name(connection.to.database ?? DEFAULT_DATABASE)];
  const reason = BARRED[`${error.code} ${error.routine}`] ?? BARRED[error.code];
  const barred =
    reason?.(role, database) ??
    (connection.authenticated && !NOT_ABOUT_THE_USER.test(error.code)
      ? `a login trigger (CREATE EVENT TRIGGER … ON login), or something else that the server does at login, failed with error ${error.code}.`
      : undefined);
  // With `trust` in pg_hba.conf the server asks for no password, so its answer says nothing about
  // the password.
  if (barred && connection.askedForPassword) {
    const message = `${server} does not let ${user} log in: the password is right, but ${barred}`;
    return { is: 'barred', why: new LoginBarredError(message, details) };
  }
  if (error.code === '28000')
    return unknown(
      new LoginBarredError(
        `${server} does not let ${user} log in from here with a password: look at pg_hba.conf, or for membership in rds_iam` +
          (connection.to.tls === 'off' ? ', or whether the server wants TLS ("ssl": true in the secret).' : '.'),
        details,
      ),
    );
  // PgBouncer answers so to the time limits in the startup message. PostgreSQL itself always names
  // a routine.
  if (error.code === '08P01' && error.routine === undefined) return unknown(pooler(connection, error.code));
  return unknown(serverFailure(error, connection));
}

/** For a host that is no PostgreSQL itself. It may have a list of passwords of its own. */
export function pooler(connection: Connection, code?: string): UnsupportedHostError {
  return new UnsupportedHostError(
    `${connection.to.host} seems to be a pooler (PgBouncer, for example) and not PostgreSQL itself, so no new password of user ` +
      `"${connection.username}" can be tried through it: nothing was changed. Give the database’s own endpoint in the keys "rotationhost" and, if it is another, "rotationport".`,
    { ...about(undefined, connection), code },
  );
}

/** For a server that let the user in without asking for the password. */
export function unproven(connection: Connection): Unsuccessful {
  return {
    is: 'unknown',
    why: new DatabaseError(
      `PostgreSQL at ${connection.to.host} let user "${connection.username}" in without asking for a password (pg_hba.conf says ` +
        'trust, or the like), so no password can be proven.',
      about(undefined, connection),
    ),
  };
}

export function statementFailure(error: unknown, connection: Connection): RotationError {
  const cause = error instanceof RotationError || isAnswer(error) ? error : (connection.brokeWith ?? error);
  return isAnswer(cause) ? serverFailure(cause, connection) : networkFailure(cause, connection);
}

/**
 * For COMMIT. The answer may be lost, or the server may have stopped between the commit and the answer:
 * it waits for a standby there.
 */
export function commitFailure(error: unknown, connection: Connection): RotationError {
  const failure = statementFailure(error, connection);
  if (!isAnswer(error)) return failure;
  const message =
    `PostgreSQL at ${connection.to.host} answered COMMIT of user "${connection.username}" with error ${error.code}: the change may have ` +
    'happened.';
  return failure instanceof ConnectionError
    ? new ConnectionError(message, failure)
    : new DatabaseError(message, failure);
}

export function rolledBack(connection: Connection): RotationError {
  return new DatabaseError(
    `PostgreSQL at ${connection.to.host} rolled back the change for user "${connection.username}", as a statement in it had failed.`,
    about(undefined, connection),
  );
}

/** A session that holds the lock for a rotation. Its address is hidden from most users. */
export type Holder = { pid: number; user: string; address: string | null };

export function lockTaken(connection: Connection, user: string, holders: readonly Holder[]): RotationError {
  const [first] = holders;
  const whose =
    first === undefined
      ? 'Another session'
      : `Session ${first.pid} of user "${first.user}"${first.address === null ? '' : ` from ${first.address}`}`;
  const cure = first === undefined ? '' : ` If that is no rotation, end it: SELECT pg_terminate_backend(${first.pid}).`;
  return new DeadlineError(
    `${whose} of PostgreSQL at ${connection.to.host} held a lock on user "${user}" for too long: nothing was changed.${cure}`,
    { ...about(undefined, connection), code: LOCK_NOT_AVAILABLE },
  );
}

/** For the statement that begins a transaction. A replica refuses BEGIN READ WRITE. */
export function openingFailure(error: unknown, connection: Connection): RotationError {
  return isAnswer(error) && error.code === '0A000' ? readOnly(error, connection) : statementFailure(error, connection);
}

/**
 * Errors that say nothing about the password itself, by SQLSTATE or class: there is no such role, the
 * server is read-only or in trouble, or time ran out. Every other answer is that of a check of
 * passwords: passwordcheck gives 22023, a hook in PL/pgSQL (pg_tle) P0001.
 */
const NOT_ABOUT_THE_PASSWORD = /^(42704|42601|(08|25|40|53|54|55|57|58|F0|XX))/;

/** @param user whose password the statement sets; the session's own user if there is none */
export function passwordFailure(error: unknown, connection: Connection, user = connection.username): RotationError {
  if (!isAnswer(error)) return statementFailure(error, connection);
  const details = about(error, connection);
  if (error.code === '42501')
    return new PrivilegeError(
      `PostgreSQL at ${connection.to.host} does not let user "${connection.username}" change its own password: where ` +
        'rds.restrict_password_commands is on, make it a member of rds_password.',
      details,
    );
  if (!NOT_ABOUT_THE_PASSWORD.test(error.code))
    return new PasswordPolicyError(
      `A password check of PostgreSQL at ${connection.to.host} refuses the new password of user "${user}": adapt ` +
        'PASSWORD_LENGTH and EXCLUDE_CHARACTERS to it, or let it accept SCRAM verifiers.',
      { ...details, user },
    );
  return serverFailure(error, connection);
}

/**
 * What an admin does to another role, as the end of "the admin may not …", and the statement that
 * lets the admin do it, for a superuser to run.
 */
export type AdminTask = { what: string; cure: string };

export function notAllowed({ username, to }: Connection, { what, cure }: AdminTask, code?: string): PrivilegeError {
  return new PrivilegeError(
    `The admin "${username}" of PostgreSQL at ${to.host} may not ${what}; nothing was changed. A superuser has to run: ${cure}.`,
    { user: username, host: to.host, code },
  );
}

/**
 * The transaction began with READ WRITE. So the server itself is read-only, not a setting of the
 * user.
 */
function readOnly(error: Answer, connection: Connection): RotationError {
  return new ReadOnlyServerError(
    `PostgreSQL at ${connection.to.host} takes no writes from user "${connection.username}", for it is a replica or a reader ` +
      `endpoint: give the writer's in the secret's "host".`,
    about(error, connection),
  );
}

function serverFailure(error: Answer, connection: Connection): RotationError {
  const details = about(error, connection);
  const server = `PostgreSQL at ${connection.to.host}`;
  const user = `user "${connection.username}"`;
  switch (error.code) {
    case '57014':
      return new DeadlineError(
        `${server} stopped a statement of ${user} at its time limit: nothing was changed.`,
        details,
      );
    case LOCK_NOT_AVAILABLE:
      return new DeadlineError(
        `Another session of ${server} held a lock on ${user} for too long: nothing was changed.`,
        details,
      );
    case '25P03':
    case '25P04':
      return new DeadlineError(
        `${server} ended the session of ${user}, which had waited too long: nothing was changed.`,
        details,
      );
    case '25006':
      return readOnly(error, connection);
    case NO_CONNECTION_LEFT:
      return new DatabaseError(
        `${server} has no connection left for ${user} (max_connections): end sessions that nobody needs, or raise that setting. ` +
          'A retry succeeds once there is one.',
        details,
      );
    case '42501':
      return new PrivilegeError(`${server} denies ${user} a right that the rotation needs.`, details);
  }
  if (/^(08|57P)/.test(error.code))
    return new ConnectionError(
      `${server} is starting, stopping or not reachable (${error.code}) for ${user}.`,
      details,
    );
  return new DatabaseError(`${server} answered ${connection.sent} of ${user} with error ${error.code}.`, details);
}

function networkFailure(error: unknown, connection: Connection): RotationError {
  const { to, username, offersTls, askedForPassword, socket } = connection;
  const { code } = about(error, connection);
  return connectionFailure(error, code, {
    to,
    username,
    product: 'PostgreSQL',
    offersTls,
    isInHandshake: offersTls === true && !askedForPassword,
    isConnected: !socket.connecting,
    isLoggedIn: connection.isLoggedIn,
    isMisunderstood: code === undefined && !socket.closed,
    ways: 'scram-sha-256, md5 or password',
  });
}

type Answer = pg.DatabaseError & { code: string };

/**
 * An answer of the server has a SQLSTATE. The driver's class alone does not tell: bytes that it
 * cannot read get the same class.
 */
function isAnswer(error: unknown): error is Answer {
  return error instanceof pg.DatabaseError && /^[0-9A-Z]{5}$/.test(error.code ?? '');
}

function about(error: unknown, { username, to }: Connection) {
  const code = (error as { code?: unknown } | undefined)?.code;
  const known = typeof code === 'string' && (isAnswer(error) || !(error instanceof pg.DatabaseError));
  return { user: username, host: to.host, code: known ? code : undefined };
}
