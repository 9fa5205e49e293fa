import type { Document } from 'mongodb';
import type { Account } from '../../shared/database/engine.ts';
import { DormantUserError } from '../../shared/database/errors.ts';
import { unlessUnknown } from './errors.ts';
import type { MongoSession } from './session.ts';

export type Role = { role: string; db: string };
export type Restriction = { clientSource?: string[]; serverAddress?: string[] };

/** What the server says of a user. */
export type User = {
  roles: readonly Role[];
  /** Undefined if the server does not know authentication restrictions. */
  restrictions: readonly Restriction[] | undefined;
  /** The ways to authenticate: SCRAM-SHA-256. Undefined if the server does not say. */
  mechanisms: readonly string[] | undefined;
  customData: Readonly<Document>;
};

/**
 * @returns undefined if there is no such user
 * @throws {PrivilegeError} if this session may not look
 */
export async function userOf(session: MongoSession, { username, realm }: Account): Promise<User | undefined> {
  const query = { usersInfo: { user: username, db: realm } };
  const [user] = usersIn(await session.read(query, realm));
  if (user === undefined) return undefined;
  // A second command, because an answer with the restrictions may leave out the mechanisms.
  const detailed = await unlessUnknown(session.read({ ...query, showAuthenticationRestrictions: true }, realm));
  return { ...user, restrictions: detailed && usersIn(detailed)[0]?.restrictions };
}

/**
 * The users in an answer to usersInfo:
 * https://www.mongodb.com/docs/manual/reference/command/usersInfo/
 */
export function usersIn({ users = [] }: Document): User[] {
  return (users as Document[]).map(({ roles, authenticationRestrictions, mechanisms, customData }) => ({
    roles: roles ?? [],
    restrictions: authenticationRestrictions?.flat(Number.POSITIVE_INFINITY),
    mechanisms,
    customData: customData ?? {},
  }));
}

/** @throws {DormantUserError} if the user is gone */
export function requireFound(found: User | undefined, { username, realm }: Account): User {
  if (found !== undefined) return found;
  throw new DormantUserError(`There is no user "${username}" in the database "${realm}" any more.`, { user: username });
}
