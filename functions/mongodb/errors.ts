import { type Document, MongoError, MongoServerError } from 'mongodb';
import { DeadlineError, RotationError } from '../../shared/core/errors.ts';
import { connectionFailure } from '../../shared/database/connection-failure.ts';
import type { Endpoint, LoginResult } from '../../shared/database/engine.ts';
import {
  ConnectionError,
  DatabaseError,
  HostNotFoundError,
  LoginRefusedError,
  PasswordPolicyError,
  PrivilegeError,
  ReadOnlyServerError,
  TlsError,
} from '../../shared/database/errors.ts';
import { UNRESOLVED_HINT } from './names.ts';

/**
 * What a failure means, decided by the server's code and by Node's error codes, never by a message.
 * Codes: https://www.mongodb.com/docs/manual/reference/error-codes/
 */

/** What is known of a connection, for the errors that it may lead to. */
export type Connection = {
  readonly to: Endpoint;
  readonly username: string;
  /**
   * The server has answered, over TLS if the secret wants TLS. So the handshake is over, and the
   * certificate was good.
   */
  hasAnswered: boolean;
  /** The login is over. */
  isLoggedIn: boolean;
  /** The last command's name: `updateUser`. */
  sent: string;
};

type Unsuccessful = Exclude<LoginResult<never>, { is: 'accepted' }>;

/** Replaces an error of the driver by one of ours. */
export type Failure = (error: unknown, connection: Connection) => RotationError;

export const CODES = {
  badValue: 2,
  userNotFound: 11,
  unauthorized: 13,
  typeMismatch: 14,
  authenticationFailed: 18,
} as const;

/**
 * What servers answer to a field or a command that they do not know: BadValue, FailedToParse,
 * CommandNotFound, InvalidOptions, CommandNotSupported, NotImplemented, 303 of DocumentDB,
 * IDLUnknownField. No other answer means that.
 */
const UNKNOWN = [CODES.badValue, 9, 59, 72, 115, 238, 303, 40_415].map(String);

/** @param error one of ours */
export function isUnknownThere(error: unknown): boolean {
  return error instanceof DatabaseError && error.code !== undefined && UNKNOWN.includes(error.code);
}

/**
 * The answer, or undefined if the server does not know the field or command, as DocumentDB and
 * FerretDB may not.
 */
export async function unlessUnknown<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isUnknownThere(error)) return undefined;
    throw error;
  }
}

/** Only a name of this form goes into the log. A server may answer anything. */
const HOST_AND_PORT = /^[\w.:[\]-]{1,260}$/;

/** The server is not the primary. */
export class NotPrimary extends Error {
  /** Which primary the server names, as the end of a sentence. */
  readonly known: string;
  constructor({ primary }: Document) {
    super('not the primary');
    const isNamed = typeof primary === 'string' && HOST_AND_PORT.test(primary);
    this.known = isNamed ? `it names ${primary} now` : 'it names none now';
  }
}

export function loginFailure(error: unknown, connection: Connection): Unsuccessful {
  const { to, username } = connection;
  const unknown = (why: RotationError): Unsuccessful => ({ is: 'unknown', why });
  if (error instanceof NotPrimary) return unknown(notPrimary(connection, error.known));
  if (isAnswer(error) && error.code === CODES.authenticationFailed) {
    const message =
      `The server at ${to.host} refuses the password of user "${username}" (or there is no such user in the database that "authSource" names, ` +
      'or its authentication restrictions keep it from logging in from here).';
    return { is: 'refused', why: new LoginRefusedError(message, about(error, connection)) };
  }
  return unknown(statementFailure(error, connection));
}

/** For a password that no user who logs in by SCRAM-SHA-256 can have. */
export function impossible(connection: Connection): Unsuccessful {
  const message =
    `The password of user "${connection.username}" in the secret is none that the server at ${connection.to.host} could take: it has a ` +
    'line break, a control character or another character that SCRAM-SHA-256 forbids.';
  return { is: 'refused', why: new LoginRefusedError(message, about(undefined, connection)) };
}

/** For a server that does not count the user as logged in, although it refused nothing. */
export function unproven(connection: Connection): Unsuccessful {
  return {
    is: 'unknown',
    why: new DatabaseError(
      `The server at ${connection.to.host} does not take the session for user "${connection.username}"'s, so no password can be proven.`,
      about(undefined, connection),
    ),
  };
}

function notPrimary(connection: Connection, known: string, code?: string): RotationError {
  return new ReadOnlyServerError(
    `The server at ${connection.to.host} (user "${connection.username}") is not the primary: give the primary's host, or an endpoint that follows it, in the ` +
      `secret's "host" (${known}).`,
    { ...about(undefined, connection), code },
  );
}

/**
 * For a write, or a state that was read, that a majority of the replica set does not have: a
 * failover could undo it.
 */
export function notDurable(connection: Connection, code?: string): RotationError {
  return new ConnectionError(
    `A majority of the replica set of ${connection.to.host} did not confirm in time what user "${connection.username}" relies on: it may have happened, and may be ` +
      'forgotten again in a failover. Look at the set’s members.',
    { ...about(undefined, connection), code },
  );
}

export function statementFailure(error: unknown, connection: Connection): RotationError {
  if (error instanceof RotationError && error.host !== undefined) return error;
  return isAnswer(error) ? serverFailure(error.code, connection) : networkFailure(error, connection);
}

/**
 * What the server says of a password that it does not take:
 * https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
 */
const POLICY = new Set<number>([CODES.badValue, 50_687]);

/** @param user whose password the command sets; the session's own user if there is none */
export function passwordFailure(error: unknown, connection: Connection, user = connection.username): RotationError {
  if (!isAnswer(error) || !POLICY.has(error.code)) return statementFailure(error, connection);
  return new PasswordPolicyError(
    `The server at ${connection.to.host} does not take the password for user "${user}" (${error.code}): adapt PASSWORD_LENGTH and EXCLUDE_CHARACTERS to ` +
      'what it takes.',
    { ...about(error, connection), user },
  );
}

/**
 * For a user that lacks the right to change its own password.
 * @param realm the database in which the user is
 */
export function mayNotChangeOwn(failure: RotationError, { to, username }: Connection, realm: string): RotationError {
  if (!(failure instanceof PrivilegeError)) return failure;
  const db = JSON.stringify(realm);
  return new PrivilegeError(
    `The user "${username}" at ${to.host} may not change its own password: grant it a role that may, ` +
      `db.getSiblingDB(${db}).createRole({ role: "changeOwnPassword", privileges: [{ resource: { db: ${db}, collection: "" }, ` +
      `actions: ["changeOwnPassword"] }], roles: [] }) and db.getSiblingDB(${db}).grantRolesToUser(${JSON.stringify(username)}, ["changeOwnPassword"]), or use the ` +
      'strategy single-user-by-admin. AWSCURRENT works, and nothing was changed.',
    failure,
  );
}

/** For a command that the server does not let the user run. */
export function denied(connection: Connection): PrivilegeError {
  const code = String(CODES.unauthorized);
  return new PrivilegeError(
    `The server at ${connection.to.host} denies user "${connection.username}" a right that the rotation needs (${code}).`,
    { ...about(undefined, connection), code },
  );
}

/** NotWritablePrimary, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary */
const NOT_PRIMARY = new Set([10_107, 13_435, 13_436]);
/** MaxTimeMSExpired, ExceededTimeLimit */
const TIME_IS_UP = new Set([50, 262]);
/**
 * ShutdownInProgress, PrimarySteppedDown, InterruptedAtShutdown, InterruptedDueToReplStateChange,
 * Interrupted. The server's state ended the command.
 */
const PASSING = new Set([91, 189, 11_600, 11_602, 11_601]);
/** WriteConcernTimeout (in older servers WriteConcernFailed), UnsatisfiableWriteConcern */
const NOT_CONFIRMED = new Set([64, 100]);

function serverFailure(code: number, connection: Connection): RotationError {
  const details = { ...about(undefined, connection), code: String(code) };
  const server = `The server at ${connection.to.host}`;
  const user = `user "${connection.username}"`;
  if (NOT_PRIMARY.has(code)) return notPrimary(connection, `error ${code}`, details.code);
  if (NOT_CONFIRMED.has(code)) return notDurable(connection, details.code);
  if (TIME_IS_UP.has(code))
    return new DeadlineError(
      `${server} stopped a command of ${user} at its time limit (${code}); it may have happened.`,
      details,
    );
  if (PASSING.has(code))
    return new ConnectionError(
      `${server} is stopping or changes its role: it ended a command of ${user} (${code}), which may have happened.`,
      details,
    );
  if (code === CODES.unauthorized) return denied(connection);
  return new DatabaseError(`${server} answered ${connection.sent} of ${user} with error ${code}.`, details);
}

function networkFailure(error: unknown, connection: Connection): RotationError {
  const { to, username, hasAnswered } = connection;
  const cause = error instanceof DeadlineError ? error : innermostCause(error);
  const code = codeIn(cause);
  const wantsTls = to.tls !== 'off';
  const details = { user: username, host: to.host, code };
  if (wantsTls && !hasAnswered && code === 'ECONNRESET')
    return new TlsError(
      `The server at ${to.host}:${to.port} (user "${username}") closed the connection before TLS was agreed: it may offer none (turn it on there, or say "ssl": ` +
        'false in the secret to do without), or the connection broke.',
      details,
    );
  const failure = connectionFailure(cause, code, {
    to,
    username,
    product: 'MongoDB',
    offersTls: undefined,
    isInHandshake: wantsTls && !hasAnswered,
    isConnected: hasAnswered || undefined,
    isLoggedIn: connection.isLoggedIn,
    isMisunderstood: code === undefined && isMisunderstanding(error),
    ways: 'SCRAM-SHA-256 or SCRAM-SHA-1',
  });
  if (failure instanceof HostNotFoundError)
    return new HostNotFoundError(`${failure.message} ${UNRESOLVED_HINT}`, failure);
  return failure;
}

/** The driver wraps the error of Node, once or twice. */
function innermostCause(error: unknown): unknown {
  const { cause } = (error ?? {}) as { cause?: unknown };
  return cause === undefined || cause === null ? error : innermostCause(cause);
}

/**
 * Only text: the driver puts numbers of its own into `code`. No instanceof: errors of Node may come
 * from another realm, as under jest.
 */
function codeIn(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/**
 * Whether the driver could not read what the server sent. For failures of the network it has
 * classes of their own.
 */
function isMisunderstanding(error: unknown): boolean {
  return (
    error instanceof MongoError &&
    !/^Mongo(Network|ServerSelection|Pool|TopologyClosed|ClientClosed|NotConnected|ExpiredSession)/.test(error.name)
  );
}

type Answer = MongoServerError & { code: number };

/** An answer of the server has a number as its code. */
function isAnswer(error: unknown): error is Answer {
  return error instanceof MongoServerError && typeof error.code === 'number';
}

function about(error: unknown, { username, to }: Connection) {
  return { user: username, host: to.host, code: isAnswer(error) ? String(error.code) : undefined };
}
