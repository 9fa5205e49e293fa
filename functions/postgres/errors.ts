import type { Socket } from 'node:net';
import pg from 'pg';
import type { Endpoint, LoginResult } from '../../shared/engine.ts';
import {
  ConnectionError,
  DatabaseError,
  DeadlineError,
  HostNotFoundError,
  LoginBarredError,
  LoginRefusedError,
  PasswordPolicyError,
  PrivilegeError,
  ReadOnlyServerError,
  RotationError,
  TlsError,
} from '../../shared/errors.ts';

/**
 * What a failure of the driver means, decided by SQLSTATE, by the server's `routine` field and by Node's error codes, never by a
 * message: the server translates those. SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

/** What is known of a connection when it fails. */
export type Attempt = {
  readonly to: Endpoint;
  readonly username: string;
  readonly socket: Socket;
  /** the server's answer to the wish for TLS */
  offersTls: boolean | undefined;
  askedForPassword: boolean;
};

type Failure = Exclude<LoginResult<never>, { is: 'accepted' }>;

/** After the password was found right, https://github.com/postgres/postgres/blob/master/src/backend/utils/init/postinit.c */
const BARRED: Record<string, { routine?: string; why: string }> = {
  '28000': { routine: 'InitializeSessionUserId', why: 'has no LOGIN' },
  '53300': { routine: 'InitializeSessionUserId', why: 'is at its CONNECTION LIMIT' },
  '3D000': {
    why: 'is right, but the database does not exist (the secret’s "dbname", or "postgres" where there is none)',
  },
  '55000': { why: 'is right, but the database takes no connections' },
  '42501': { why: 'has no CONNECT right on the database' },
};

export function loginFailure(error: unknown, attempt: Attempt): Failure {
  const details = about(error, attempt);
  if (!(error instanceof pg.DatabaseError)) return { is: 'unknown', why: networkFailure(error, attempt) };
  if (error.code === '28P01')
    return {
      is: 'refused',
      why: new LoginRefusedError(
        `PostgreSQL refuses the password of user "${attempt.username}" (or there is no such user, or it has expired).`,
        details,
      ),
    };
  const barred = BARRED[error.code ?? ''];
  if (barred && (barred.routine === undefined || barred.routine === error.routine))
    return {
      is: 'barred',
      why: new LoginBarredError(`User "${attempt.username}" may not log in: it ${barred.why}.`, details),
    };
  if (error.code === '28000')
    return {
      is: 'unknown',
      why: new LoginBarredError(
        `PostgreSQL lets user "${attempt.username}" not log in from here with a password: look at pg_hba.conf, or for membership ` +
          'in rds_iam.',
        details,
      ),
    };
  return { is: 'unknown', why: serverFailure(error, attempt) };
}

/** The server let the user in without asking for the password, so nothing is known about it. */
export function unproven(attempt: Attempt): Failure {
  return {
    is: 'unknown',
    why: new DatabaseError(
      `PostgreSQL let user "${attempt.username}" in without asking for a password (pg_hba.conf says trust, or the like), so no ` +
        'password can be proven.',
      about(undefined, attempt),
    ),
  };
}

export function statementFailure(error: unknown, attempt: Attempt): RotationError {
  return error instanceof pg.DatabaseError ? serverFailure(error, attempt) : networkFailure(error, attempt);
}

/** BEGIN READ WRITE is not for a server in recovery: a replica, Aurora's reader endpoint. */
export function openingFailure(error: unknown, attempt: Attempt): RotationError {
  return error instanceof pg.DatabaseError && (error.code === '0A000' || error.code === '25006')
    ? new ReadOnlyServerError(
        `${attempt.to.host} is a replica or a reader endpoint and takes no writes: give the writer's in the secret's "host".`,
        about(error, attempt),
      )
    : statementFailure(error, attempt);
}

/** What passwordcheck and its like answer to a password, besides errors of the statement. */
const POLICY = new Set(['22023', '28000', '28P01', '0A000']);

export function passwordFailure(error: unknown, attempt: Attempt): RotationError {
  const details = about(error, attempt);
  if (!(error instanceof pg.DatabaseError)) return networkFailure(error, attempt);
  if (error.code === '42501')
    return new PrivilegeError(
      `User "${attempt.username}" may not change its own password: where rds.restrict_password_commands is on, make it a ` +
        'member of rds_password.',
      details,
    );
  if (POLICY.has(error.code ?? ''))
    return new PasswordPolicyError(
      `A password check on the server refuses the new password of user "${attempt.username}": adapt PASSWORD_LENGTH and ` +
        'EXCLUDE_CHARACTERS to it, or let it accept SCRAM verifiers.',
      details,
    );
  return serverFailure(error, attempt);
}

function serverFailure(error: pg.DatabaseError, attempt: Attempt): RotationError {
  const details = about(error, attempt);
  const { host } = attempt.to;
  switch (error.code) {
    case '57014':
      return new DeadlineError('PostgreSQL stopped the statement at its time limit: nothing was changed.', details);
    case '55P03':
      return new DeadlineError('Another session holds the lock on this user: nothing was changed.', details);
    case '25P03':
      return new DeadlineError(
        'PostgreSQL ended the session, which had waited too long: nothing was changed.',
        details,
      );
    case '42501':
      return new PrivilegeError(`User "${attempt.username}" lacks a right that the rotation needs.`, details);
  }
  if (/^(08|57P)/.test(error.code ?? ''))
    return new ConnectionError(
      `PostgreSQL at ${host} is starting, stopping or not reachable (${error.code}).`,
      details,
    );
  return new DatabaseError(`PostgreSQL at ${host} answered with error ${error.code}.`, details);
}

const DNS = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME']);
const TCP = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

function networkFailure(error: unknown, attempt: Attempt): RotationError {
  if (error instanceof RotationError) return error;
  const details = about(error, attempt);
  const { host, port, tls } = attempt.to;
  const { code } = details;
  if (code !== undefined && DNS.has(code))
    return new HostNotFoundError(`The host ${host} does not resolve (${code}).`, details);
  if (tls !== 'off' && attempt.offersTls === false)
    return new TlsError(
      `PostgreSQL at ${host}:${port} offers no TLS: turn it on there, or say "ssl": false in the secret to do without.`,
      details,
    );
  if (attempt.offersTls && !attempt.askedForPassword && code !== undefined && !TCP.has(code))
    return new TlsError(
      `The certificate of ${host}:${port} does not verify (${code}): give its authority in the secret's "sslca", or its ` +
        'name in "sslservername".',
      details,
    );
  if (code === undefined && !attempt.socket.closed)
    return new DatabaseError(
      `The server at ${host}:${port} does not speak PostgreSQL's protocol, or asks for a way to authenticate other than ` +
        'scram-sha-256, md5 or password.',
      details,
    );
  return new ConnectionError(
    `The connection to ${host}:${port} failed or broke (${code ?? 'closed by the server'}): look at security groups and at ` +
      'whether the server is up. A statement under way may have happened.',
    details,
  );
}

function about(error: unknown, { username, to }: Attempt) {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { user: username, host: to.host, code };
}
