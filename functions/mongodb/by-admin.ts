import type { Document } from 'mongodb';
import type { AccountFacts, ByAdmin, Endpoint } from '../../shared/database/engine.ts';
import { PrivilegeError } from '../../shared/database/errors.ts';
import { adminFailure, mayNotSee } from './admin-rights.ts';
import { passwordFailure, unlessUnknown } from './errors.ts';
import { hasCustomData, marksAbout } from './mark.ts';
import { mechanismsOf, setPassword } from './password.ts';
import { powerIn } from './power.ts';
import { type MongoSession, realmOf } from './session.ts';

export const byAdmin: ByAdmin<MongoSession> = {
  facts,

  async setPassword(admin, account, to) {
    const { username, realm } = account;
    const needs = [{ role: 'userAdmin', db: realm }];
    const mechanisms = await mechanismsOf(admin, account);
    const failure = adminFailure(admin, `set the password of "${username}"`, needs, (error, connection) =>
      passwordFailure(error, connection, username),
    );
    await setPassword(admin, account, to, mechanisms, failure);
  },
};

async function facts(admin: MongoSession, username: string, to: Endpoint): Promise<AccountFacts | undefined> {
  const realm = realmOf(to);
  const found = await userWithPrivileges(admin, username, realm);
  if (found === undefined) return undefined;
  const marks = (await hasCustomData(admin, realm)) ? await marksAbout(admin, realm, [username]) : [];
  return {
    account: { username, realm },
    privileged: powerIn(found),
    owners: marks.map(({ secret }) => secret),
  };
}

/** As usersInfo gives the user, with its privileges where the server lists them. */
async function userWithPrivileges(admin: MongoSession, user: string, db: string): Promise<Document | undefined> {
  try {
    const query = { usersInfo: { user, db } };
    const detailed = await unlessUnknown(admin.read({ ...query, showPrivileges: true }, db));
    const { users = [] } = detailed ?? (await admin.read(query, db));
    return users[0];
  } catch (error) {
    throw error instanceof PrivilegeError ? mayNotSee(admin, db) : error;
  }
}
