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

/**
 * What a failure of the driver means, decided by the server's code and by Node's error codes, never by a message. Codes:
 * https://www.mongodb.com/docs/manual/reference/error-codes/
 */

/** What is known of a connection when it fails. */
export type Attempt = {
  readonly to: Endpoint;
  readonly username: string;
  /** Over TLS, if the secret wants it: so the certificate was good. */
  hasAnswered: boolean;
};

type Unsuccessful = Exclude<LoginResult<never>, { is: 'accepted' }>;

/** What an error of the driver means, in one of ours. */
export type Failure = (error: unknown, attempt: Attempt) => RotationError;

export const CODES = {
  badValue: 2,
  userNotFound: 11,
  unauthorized: 13,
  typeMismatch: 14,
  authenticationFailed: 18,
} as const;

/**
 * What servers say of a field or command that they do not know: BadValue, FailedToParse, CommandNotFound, InvalidOptions, CommandNotSupported,
 * NotImplemented, IDLUnknownField; 303 is DocumentDB's. Whatever else they say is no word about that.
 */
const UNKNOWN = [CODES.badValue, 9, 59, 72, 115, 238, 303, 40_415].map(String);

/** @param error one of ours */
export function isUnknownThere(error: unknown): boolean {
  return error instanceof DatabaseError && error.code !== undefined && UNKNOWN.includes(error.code);
}

/** Undefined where the server does not know what it is asked: DocumentDB and FerretDB are among those. */
export async function unlessUnknown<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isUnknownThere(error)) return undefined;
    throw error;
  }
}

/** Whatever else a server names, a log is no place for it. */
const HOST_AND_PORT = /^[\w.:[\]-]{1,260}$/;

/** What the server that the login met said of itself. */
export class NotPrimary extends Error {
  /** As the end of a sentence. */
  readonly known: string;
  constructor({ primary }: Document) {
    super('not the primary');
    const isNamed = typeof primary === 'string' && HOST_AND_PORT.test(primary);
    this.known = isNamed ? `it names ${primary} now` : 'it names none now';
  }
}

export function loginFailure(error: unknown, attempt: Attempt): Unsuccessful {
  const { to, username } = attempt;
  const unknown = (why: RotationError): Unsuccessful => ({ is: 'unknown', why });
  if (error instanceof NotPrimary) return unknown(notPrimary(attempt, error.known));
  if (isAnswer(error) && error.code === CODES.authenticationFailed) {
    const message =
      `The server at ${to.host} refuses the password of user "${username}" (or there is no such user in the database that "authSource" names, ` +
      'or its authentication restrictions keep it from logging in from here).';
    return { is: 'refused', why: new LoginRefusedError(message, about(error, attempt)) };
  }
  return unknown(statementFailure(error, attempt));
}

export function notItself(attempt: Attempt): Unsuccessful {
  return {
    is: 'unknown',
    why: new DatabaseError(
      `The server at ${attempt.to.host} does not take the session for user "${attempt.username}"'s, so no password can be proven.`,
      about(undefined, attempt),
    ),
  };
}

function notPrimary(attempt: Attempt, known: string, code?: string): RotationError {
  return new ReadOnlyServerError(
    `The server at ${attempt.to.host} (user "${attempt.username}") is not the primary: give the primary's host, or an endpoint that follows it, in the ` +
      `secret's "host" (${known}).`,
    { ...about(undefined, attempt), code },
  );
}

/** Written, or read, where a majority of the replica set does not have it: a failover would forget it. */
export function notDurable(attempt: Attempt, code?: string): RotationError {
  return new ConnectionError(
    `A majority of the replica set of ${attempt.to.host} did not confirm in time what user "${attempt.username}" relies on: it may have happened, and may be ` +
      'forgotten again in a failover. Look at the set’s members.',
    { ...about(undefined, attempt), code },
  );
}

export function statementFailure(error: unknown, attempt: Attempt): RotationError {
  if (error instanceof RotationError && error.host !== undefined) return error;
  return isAnswer(error) ? serverFailure(error.code, attempt) : networkFailure(error, attempt);
}

/** What the server says of a password that it does not take: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml */
const POLICY = new Set<number>([CODES.badValue, 50_687]);

/** @param user whose password it was to be */
export function passwordFailure(error: unknown, attempt: Attempt, user = attempt.username): RotationError {
  if (!isAnswer(error) || !POLICY.has(error.code)) return statementFailure(error, attempt);
  return new PasswordPolicyError(
    `The server at ${attempt.to.host} does not take the password for user "${user}" (${error.code}): adapt PASSWORD_LENGTH and EXCLUDE_CHARACTERS to ` +
      'what it takes.',
    { ...about(error, attempt), user },
  );
}

/** @param realm the database in which the user is */
export function mayNotChangeOwn(failure: RotationError, { to, username }: Attempt, realm: string): RotationError {
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

/** NotWritablePrimary, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary */
const NOT_PRIMARY = new Set([10_107, 13_435, 13_436]);
/** MaxTimeMSExpired, ExceededTimeLimit */
const TIME_IS_UP = new Set([50, 262]);
/** ShutdownInProgress, PrimarySteppedDown, InterruptedAtShutdown, InterruptedDueToReplStateChange, Interrupted: it is the server's state, not ours */
const PASSING = new Set([91, 189, 11_600, 11_602, 11_601]);
/** WriteConcernTimeout (in older servers WriteConcernFailed), UnsatisfiableWriteConcern */
const NOT_CONFIRMED = new Set([64, 100]);

function serverFailure(code: number, attempt: Attempt): RotationError {
  const details = { ...about(undefined, attempt), code: String(code) };
  const server = `The server at ${attempt.to.host}`;
  const user = `user "${attempt.username}"`;
  if (NOT_PRIMARY.has(code)) return notPrimary(attempt, `error ${code}`, details.code);
  if (NOT_CONFIRMED.has(code)) return notDurable(attempt, details.code);
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
  if (code === CODES.unauthorized)
    return new PrivilegeError(`${server} denies ${user} a right that the rotation needs (${code}).`, details);
  return new DatabaseError(`${server} answered ${user} with error ${code}.`, details);
}

function networkFailure(error: unknown, attempt: Attempt): RotationError {
  const { to, username, hasAnswered } = attempt;
  const cause = error instanceof DeadlineError ? error : deepest(error);
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
    isMisunderstood: code === undefined && isMisunderstanding(error),
    ways: 'SCRAM-SHA-256 or SCRAM-SHA-1',
  });
  if (failure instanceof HostNotFoundError)
    return new HostNotFoundError(
      `${failure.message} The name in a mongodb+srv URL is no host's: give the primary's host, or an endpoint that follows it.`,
      failure,
    );
  return failure;
}

/** The driver wraps what Node says, once or twice. */
function deepest(error: unknown): unknown {
  const { cause } = (error ?? {}) as { cause?: unknown };
  return cause === undefined || cause === null ? error : deepest(cause);
}

/** Node's errors need not be instances of this realm's Error; the driver has numbers of its own under the same name. */
function codeIn(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** The driver gave up on what it read. What it says of the network is of a class of its own. */
function isMisunderstanding(error: unknown): boolean {
  return (
    error instanceof MongoError &&
    !/^Mongo(Network|ServerSelection|Pool|TopologyClosed|ClientClosed|NotConnected|ExpiredSession)/.test(error.name)
  );
}

type Answer = MongoServerError & { code: number };

/** The server's own word. */
function isAnswer(error: unknown): error is Answer {
  return error instanceof MongoServerError && typeof error.code === 'number';
}

function about(error: unknown, { username, to }: Attempt) {
  return { user: username, host: to.host, code: isAnswer(error) ? String(error.code) : undefined };
}
