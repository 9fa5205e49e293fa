import { randomUUID } from 'node:crypto';
import type { Document } from 'mongodb';
import type { Account } from '../../shared/engine.ts';
import { DatabaseError, PrivilegeError, RotationError } from '../../shared/errors.ts';
import type { Secret } from '../../shared/secret.ts';
import { CODES } from './errors.ts';
import type { Failure, MongoSession } from './session.ts';

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
  return user && { ...user, restrictions: await restrictionsOf(session, query, realm) };
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

/** Asked for by themselves: an answer with them need not have the mechanisms. DocumentDB and FerretDB do not know them. */
async function restrictionsOf(session: MongoSession, query: Document, realm: string): Promise<User['restrictions']> {
  try {
    const reply = await session.read({ ...query, showAuthenticationRestrictions: true }, realm);
    return usersIn(reply)[0]?.restrictions;
  } catch (error) {
    if (error instanceof DatabaseError && error.code !== undefined) return undefined;
    throw error;
  }
}

/**
 * Whether users have customData here, where a mark can be: asked by changing that of a user who is not there. DocumentDB and FerretDB have none.
 * @throws {PrivilegeError} where this session may not change users
 */
export async function hasCustomData(session: MongoSession, realm: string): Promise<boolean> {
  try {
    await session.write({ updateUser: `secret-rotation-${randomUUID()}`, customData: {} }, realm);
    return true;
  } catch (error) {
    if (error instanceof PrivilegeError || !(error instanceof RotationError) || error.code === undefined) throw error;
    return error.code === String(CODES.userNotFound);
  }
}

/**
 * The command that sets a password and leaves the mechanisms as they are: without them the server would take both, also for a user that is to have
 * the stronger one only.
 */
export async function setPassword(
  session: MongoSession,
  account: Account,
  to: Secret,
  failure: Failure,
  mechanisms?: readonly string[],
): Promise<void> {
  const kept = mechanisms ?? (await mechanismsOf(session, account));
  const command = { updateUser: account.username, pwd: to.reveal(), ...(kept && { mechanisms: kept }) };
  await session.write(command, account.realm, failure);
}

async function mechanismsOf(session: MongoSession, account: Account): Promise<readonly string[] | undefined> {
  try {
    return (await userOf(session, account))?.mechanisms;
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
