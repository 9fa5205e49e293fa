import type { Document } from 'mongodb';
import type { AccountFacts, ByAdmin, Endpoint } from '../../shared/database/engine.ts';
import { PrivilegeError } from '../../shared/database/errors.ts';
import { passwordFailure } from './errors.ts';
import { marksAbout } from './mark.ts';
import { type MongoSession, realmOf } from './session.ts';
import { hasCustomData, mayNotSee, mechanismsOf, setPassword, unlessUnknown } from './users.ts';

export const byAdmin: ByAdmin<MongoSession> = {
  facts,

  async setPassword(admin, account, to) {
    const { username } = account;
    const mechanisms = await mechanismsOf(admin, account);
    await setPassword(admin, account, to, mechanisms, (error, attempt) => passwordFailure(error, attempt, username));
  },
};

async function facts(admin: MongoSession, username: string, to: Endpoint): Promise<AccountFacts | undefined> {
  const realm = realmOf(to);
  const found = await described(admin, username, realm);
  if (found === undefined) return undefined;
  const marks = (await hasCustomData(admin, realm)) ? await marksAbout(admin, realm, [username]) : [];
  return {
    account: { username, realm },
    privileged: powerIn(found),
    owners: marks.map(({ secret }) => secret),
  };
}

async function described(admin: MongoSession, user: string, db: string): Promise<Document | undefined> {
  try {
    const query = { usersInfo: { user, db } };
    const detailed = await unlessUnknown(admin.read({ ...query, showPrivileges: true }, db));
    const { users = [] } = detailed ?? (await admin.read(query, db));
    return users[0];
  } catch (error) {
    throw error instanceof PrivilegeError ? mayNotSee(admin, db) : error;
  }
}

/** What makes a user another one's master: https://www.mongodb.com/docs/manual/reference/privilege-actions/ */
const POWERS = new Set([
  'anyAction',
  'internal',
  'impersonate',
  'applyOps',
  'createUser',
  'dropUser',
  'changePassword',
  'changeCustomData',
  'grantRole',
  'revokeRole',
  'createRole',
  'dropRole',
  'setAuthenticationRestriction',
]);

/** For servers that do not list privileges: https://www.mongodb.com/docs/manual/reference/built-in-roles/ */
const POWERFUL = new Set(['root', '__system', 'userAdmin', 'userAdminAnyDatabase', 'dbOwner', 'restore']);

function powerIn({ roles = [], inheritedRoles = [], inheritedPrivileges = [] }: Document): string | undefined {
  const role = [...roles, ...inheritedRoles].find((each: Document) => POWERFUL.has(each['role']));
  if (role !== undefined) return `has the role ${role['role']}`;
  const action = inheritedPrivileges
    .flatMap(({ actions }: Document) => actions)
    .find((each: string) => POWERS.has(each));
  return action === undefined ? undefined : `may ${action}`;
}
