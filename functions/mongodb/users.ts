import { randomUUID } from 'node:crypto';
import type { Document } from 'mongodb';
import { RotationError } from '../../shared/core/errors.ts';
import type { Secret } from '../../shared/core/secret.ts';
import type { Account } from '../../shared/database/engine.ts';
import { PrivilegeError } from '../../shared/database/errors.ts';
import { CODES, type Failure, isUnknownThere, mayNotChangeOwn, passwordFailure } from './errors.ts';
import type { MongoSession } from './session.ts';

export type Role = { role: string; db: string };
export type Restriction = { clientSource?: string[]; serverAddress?: string[] };

/** What the server says of a user. */
export type User = {
  roles: readonly Role[];
  /** Undefined where the server knows none. */
  restrictions: readonly Restriction[] | undefined;
  /** Undefined where the server does not say. */
  mechanisms: readonly string[] | undefined;
  customData: Readonly<Document>;
};

/** @returns undefined if there is no such user. @throws {PrivilegeError} where this session may not look */
export async function userOf(session: MongoSession, { username, realm }: Account): Promise<User | undefined> {
  const query = { usersInfo: { user: username, db: realm } };
  const [user] = usersIn(await session.read(query, realm));
  if (user === undefined) return undefined;
  // Asked for by themselves: an answer with them need not have the mechanisms.
  const detailed = await unlessUnknown(session.read({ ...query, showAuthenticationRestrictions: true }, realm));
  return { ...user, restrictions: detailed && usersIn(detailed)[0]?.restrictions };
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

/** From an answer to usersInfo, https://www.mongodb.com/docs/manual/reference/command/usersInfo/ */
export function usersIn({ users = [] }: Document): User[] {
  return (users as Document[]).map(({ roles, authenticationRestrictions, mechanisms, customData }) => ({
    roles: roles ?? [],
    restrictions: authenticationRestrictions?.flat(Number.POSITIVE_INFINITY),
    mechanisms,
    customData: customData ?? {},
  }));
}

/**
 * Whether users have customData here, where a mark can be: asked by changing that of a user who is not there, to a document and to what is none.
 * DocumentDB and FerretDB refuse the field; whoever finds no fault in either never looks at it, and would keep nothing.
 * @throws {PrivilegeError} where this session may not change users
 */
export async function hasCustomData(session: MongoSession, realm: string): Promise<boolean> {
  const username = `secret-rotation-${randomUUID()}`;
  const takes = async (customData: unknown): Promise<boolean> => {
    try {
      await session.write({ updateUser: username, customData }, realm);
      return true;
    } catch (error) {
      const code = error instanceof RotationError ? error.code : undefined;
      if (code === String(CODES.userNotFound)) return true;
      if (code === String(CODES.typeMismatch) || isUnknownThere(error)) return false;
      throw error;
    }
  };
  return (await takes({})) && !(await takes('no document'));
}

/** @param mechanisms those that the user is to have: without them the server would take all, also for whoever is to have the stronger one only */
export async function setPassword(
  session: MongoSession,
  { username, realm }: Account,
  to: Secret,
  mechanisms: User['mechanisms'],
  failure: Failure,
): Promise<void> {
  await session.write({ updateUser: username, pwd: to.reveal(), ...(mechanisms && { mechanisms }) }, realm, failure);
}

export async function changeOwnPassword(session: MongoSession, to: Secret): Promise<'set'> {
  const { account } = session;
  const failure: Failure = (error, attempt) => mayNotChangeOwn(passwordFailure(error, attempt), attempt, account.realm);
  await setPassword(session, account, to, await mechanismsOf(session, account), failure);
  return 'set';
}

/** Those that the user has. */
export async function mechanismsOf(session: MongoSession, { username, realm }: Account): Promise<User['mechanisms']> {
  try {
    return usersIn(await session.read({ usersInfo: { user: username, db: realm } }, realm))[0]?.mechanisms;
  } catch (error) {
    if (error instanceof PrivilegeError) return undefined; // MongoDB lets each user look at itself
    throw error;
  }
}

export function mayNotSee({ account, host }: MongoSession, realm: string): PrivilegeError {
  return new PrivilegeError(
    `The admin "${account.username}" at ${host} may not see the users of the database "${realm}": let somebody who may, run ` +
      `${shell(account.realm, 'grantRolesToUser', account.username, [{ role: 'userAdmin', db: realm }])}.`,
    { user: account.username, host },
  );
}

/** A statement for a person, as mongosh takes it. */
export function shell(database: string, method: string, ...values: unknown[]): string {
  return `db.getSiblingDB(${JSON.stringify(database)}).${method}(${values.map((value) => JSON.stringify(value)).join(', ')})`;
}
