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

/**
 * What a failure of the driver means, decided by SQLSTATE, by the server's `routine` field and by Node's error codes, never by a
 * message: the server translates those. SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

/** What is known of a connection when it fails. */
export type Attempt = {
  readonly to: Endpoint;
  readonly username: string;
  readonly socket: Socket;
  /** The server's answer to the wish for TLS; undefined if it was none, or none that PostgreSQL gives */
  offersTls: boolean | undefined;
  askedForPassword: boolean;
  /** What the connection broke with, perhaps while nothing was asked of it */
  farewell: Error | undefined;
};

type Unsuccessful = Exclude<LoginResult<never>, { is: 'accepted' }>;

/** What an error of the driver means, in one of ours. */
export type Failure = (error: unknown, attempt: Attempt) => RotationError;

/** After the password was found right, https://github.com/postgres/postgres/blob/master/src/backend/utils/init/postinit.c */
const BARRED: Record<string, string> = {
  '28000 InitializeSessionUserId': 'the role has no LOGIN',
  '53300 InitializeSessionUserId': 'the role is at its CONNECTION LIMIT',
  '53300 CheckMyDatabase': 'the database is at its CONNECTION LIMIT',
  '3D000': 'the database does not exist (the secret’s "dbname", or "postgres" where there is none)',
  '55000': 'the database takes no connections',
  '42501': 'it has no CONNECT right on the database',
};

export function loginFailure(error: unknown, attempt: Attempt): Unsuccessful {
  if (!isAnswer(error)) return { is: 'unknown', why: networkFailure(error, attempt) };
  const details = about(error, attempt);
  const user = `user "${attempt.username}"`;
  const server = `PostgreSQL at ${attempt.to.host}`;
  if (error.code === '28P01')
    return {
      is: 'refused',
      why: new LoginRefusedError(
        `${server} refuses the password of ${user} (or there is no such user, or it has expired).`,
        details,
      ),
    };
  const barred = BARRED[`${error.code} ${error.routine}`] ?? BARRED[error.code];
  // A server that did not ask for the password, as pg_hba.conf's trust has it, says nothing about it.
  if (barred && attempt.askedForPassword)
    return {
      is: 'barred',
      why: new LoginBarredError(
        `${server} does not let ${user} log in: the password is right, but ${barred}.`,
        details,
      ),
    };
  if (error.code === '28000')
    return {
      is: 'unknown',
      why: new LoginBarredError(
        `${server} does not let ${user} log in from here with a password: look at pg_hba.conf, or for membership in rds_iam` +
          (attempt.to.tls === 'off' ? ', or whether the server wants TLS ("ssl": true in the secret).' : '.'),
        details,
      ),
    };
  // What PgBouncer answers to limits in the startup message. PostgreSQL itself always names a routine.
  if (error.code === '08P01' && error.routine === undefined)
    return {
      is: 'unknown',
      why: new UnsupportedHostError(
        `${attempt.to.host} seems to be a pooler (PgBouncer) and not PostgreSQL itself, so no new password of ${user} can be ` +
          'tried through it: give the database’s own endpoint in the key "rotationhost".',
        details,
      ),
    };
  return { is: 'unknown', why: serverFailure(error, attempt) };
}

/** The server let the user in without asking for the password, so nothing is known about it. */
export function unproven(attempt: Attempt): Unsuccessful {
  return {
    is: 'unknown',
    why: new DatabaseError(
      `PostgreSQL at ${attempt.to.host} let user "${attempt.username}" in without asking for a password (pg_hba.conf says ` +
        'trust, or the like), so no password can be proven.',
      about(undefined, attempt),
    ),
  };
}

export function statementFailure(error: unknown, attempt: Attempt): RotationError {
  const cause = error instanceof RotationError || isAnswer(error) ? error : (attempt.farewell ?? error);
  return isAnswer(cause) ? serverFailure(cause, attempt) : networkFailure(cause, attempt);
}

export function rolledBack(attempt: Attempt): RotationError {
  return new DatabaseError(
    `PostgreSQL at ${attempt.to.host} rolled back the change for user "${attempt.username}", as a statement in it had failed.`,
    about(undefined, attempt),
  );
}

export function lockTaken(attempt: Attempt, user: string): RotationError {
  return new DeadlineError(
    `Another session of PostgreSQL at ${attempt.to.host} held a lock on user "${user}" for too long: nothing was changed.`,
    about(undefined, attempt),
  );
}

/** A server in recovery does not know BEGIN READ WRITE. */
export function openingFailure(error: unknown, attempt: Attempt): RotationError {
  return isAnswer(error) && error.code === '0A000' ? readOnly(error, attempt) : statementFailure(error, attempt);
}

/** What passwordcheck and its like answer to a password, besides errors of the statement. */
const POLICY = new Set(['22023', '28000', '28P01', '0A000']);

/** @param user whose password it was to be */
export function passwordFailure(error: unknown, attempt: Attempt, user = attempt.username): RotationError {
  if (!isAnswer(error)) return statementFailure(error, attempt);
  const details = about(error, attempt);
  if (error.code === '42501')
    return new PrivilegeError(
      `PostgreSQL at ${attempt.to.host} does not let user "${attempt.username}" change its own password: where ` +
        'rds.restrict_password_commands is on, make it a member of rds_password.',
      details,
    );
  if (POLICY.has(error.code))
    return new PasswordPolicyError(
      `A password check of PostgreSQL at ${attempt.to.host} refuses the new password of user "${user}": adapt ` +
        'PASSWORD_LENGTH and EXCLUDE_CHARACTERS to it, or let it accept SCRAM verifiers.',
      { ...details, user },
    );
  return serverFailure(error, attempt);
}

/** What an admin was doing to another role, as in "may not …", and what makes it possible. */
export type AdminsWork = { what: string; cure: string };

export function notAllowed({ username, to }: Attempt, { what, cure }: AdminsWork, code?: string): PrivilegeError {
  return new PrivilegeError(
    `The admin "${username}" of PostgreSQL at ${to.host} may not ${what}; nothing was changed. A superuser has to run: ${cure}.`,
    { user: username, host: to.host, code },
  );
}

/** In a transaction that began with READ WRITE it is the server that does not write, not the user's settings. */
function readOnly(error: Answer, attempt: Attempt): RotationError {
  return new ReadOnlyServerError(
    `PostgreSQL at ${attempt.to.host} takes no writes from user "${attempt.username}", for it is a replica or a reader ` +
      `endpoint: give the writer's in the secret's "host".`,
    about(error, attempt),
  );
}

function serverFailure(error: Answer, attempt: Attempt): RotationError {
  const details = about(error, attempt);
  const server = `PostgreSQL at ${attempt.to.host}`;
  const user = `user "${attempt.username}"`;
  switch (error.code) {
    case '57014':
      return new DeadlineError(
        `${server} stopped a statement of ${user} at its time limit: nothing was changed.`,
        details,
      );
    case '55P03':
      return new DeadlineError(
        `Another session of ${server} held a lock on ${user} for too long: nothing was changed.`,
        details,
      );
    case '25P03':
      return new DeadlineError(
        `${server} ended the session of ${user}, which had waited too long: nothing was changed.`,
        details,
      );
    case '25006':
      return readOnly(error, attempt);
    case '42501':
      return new PrivilegeError(`${server} denies ${user} a right that the rotation needs.`, details);
  }
  if (/^(08|57P)/.test(error.code))
    return new ConnectionError(
      `${server} is starting, stopping or not reachable (${error.code}) for ${user}.`,
      details,
    );
  return new DatabaseError(`${server} answered ${user} with error ${error.code}.`, details);
}

function networkFailure(error: unknown, attempt: Attempt): RotationError {
  const { to, username, offersTls, askedForPassword, socket } = attempt;
  const { code } = about(error, attempt);
  return connectionFailure(error, code, {
    to,
    username,
    product: 'PostgreSQL',
    offersTls,
    isInHandshake: offersTls === true && !askedForPassword,
    isMisunderstood: code === undefined && !socket.closed,
    ways: 'scram-sha-256, md5 or password',
  });
}

type Answer = pg.DatabaseError & { code: string };

/** The server's own word, which bears a SQLSTATE. The driver gives its class to bytes that it does not understand, too. */
function isAnswer(error: unknown): error is Answer {
  return error instanceof pg.DatabaseError && /^[0-9A-Z]{5}$/.test(error.code ?? '');
}

function about(error: unknown, { username, to }: Attempt) {
  const code = (error as { code?: unknown } | undefined)?.code;
  const known = typeof code === 'string' && (isAnswer(error) || !(error instanceof pg.DatabaseError));
  return { user: username, host: to.host, code: known ? code : undefined };
}
