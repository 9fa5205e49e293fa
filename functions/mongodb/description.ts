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

/** From an answer to usersInfo, https://www.mongodb.com/docs/manual/reference/command/usersInfo/ */
export function usersIn({ users = [] }: Document): User[] {
  return (users as Document[]).map(({ roles, authenticationRestrictions, mechanisms, customData }) => ({
    roles: roles ?? [],
    restrictions: authenticationRestrictions?.flat(Number.POSITIVE_INFINITY),
    mechanisms,
    customData: customData ?? {},
  }));
}

export function required(found: User | undefined, { username, realm }: Account): User {
  if (found !== undefined) return found;
  throw new DormantUserError(`There is no user "${username}" in the database "${realm}" any more.`, { user: username });
}
