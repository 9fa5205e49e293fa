import { isDeepStrictEqual } from 'node:util';
import type { Account, Pair, PairState, Twins, UserState } from '../../shared/database/engine.ts';
import { DatabaseError, DormantUserError, PrivilegeError, TwinRightsError } from '../../shared/database/errors.ts';
import { ownersOf } from '../../shared/database/mark.ts';
import { differencesIn, type MongoDifference } from './differences.ts';
import { type Failure, passwordFailure, statementFailure } from './errors.ts';
import { customDataWith, marksAbout, mayMarkItself } from './mark.ts';
import type { MongoSession } from './session.ts';
import { hasCustomData, mayNotSee, mechanismsOf, type Role, setPassword, shell, type User, userOf } from './users.ts';

/**
 * The twin is granted the base's roles: a user cannot be a role. Who made a document is kept nowhere, so nothing belongs to either.
 *
 * No user can be locked here. A new twin is made in one command with all that the base has, so that it is never less or more than that; and with the
 * pending password, by which it is known as this secret's where there is no place for a mark.
 */
export const twins: Twins<MongoSession> = {
  state,

  async create(admin, pair, to) {
    const { restrictions, mechanisms, roles, customData } = required(await userOf(admin, pair.base), pair.base);
    const command = {
      createUser: pair.twin.username,
      pwd: to.reveal(),
      roles,
      ...(restrictions?.length && { authenticationRestrictions: restrictions }),
      ...(mechanisms && { mechanisms }),
      ...(admin.keepsMarks && { customData: customDataWith(customData, pair) }),
    };
    const databases = new Set([pair.twin.realm, ...roles.map(({ db }) => db)]);
    const needs = [...databases].map((db): Role => ({ role: 'userAdmin', db }));
    const what = `make the user "${pair.twin.username}" with the roles of "${pair.base.username}"`;
    const failure = denied(admin, what, needs, (error, attempt) => passwordFailure(error, attempt, pair.twin.username));
    try {
      await admin.write(command, pair.twin.realm, failure);
      return 'created';
    } catch (error) {
      if (error instanceof DatabaseError && (await userOf(admin, pair.twin)) !== undefined) return 'conflict';
      throw error;
    }
  },

  async adopt(admin, pair) {
    if (!admin.keepsMarks) return;
    const { customData } = required(await userOf(admin, pair.twin), pair.twin);
    const command = { updateUser: pair.twin.username, customData: customDataWith(customData, pair) };
    const needs = [{ role: 'userAdmin', db: pair.twin.realm }];
    await admin.write(command, pair.twin.realm, denied(admin, `mark the user "${pair.twin.username}"`, needs));
  },

  adoption: (admin, pair) =>
    admin.keepsMarks
      ? shell(pair.twin.realm, 'updateUser', pair.twin.username, { customData: customDataWith({}, pair) })
      : { unsupported: admin.whyNoMarks },

  async differences(session, pair) {
    try {
      const [base, twin] = [await userOf(session, pair.base), await userOf(session, pair.twin)];
      return differencesIn(required(base, pair.base), required(twin, pair.twin), pair);
    } catch (error) {
      if (!(error instanceof PrivilegeError)) throw error;
      if ([pair.base, pair.twin].some(({ username }) => username === session.account.username)) return 'not visible';
      throw mayNotSee(session, pair.base.realm);
    }
  },

  async apply(admin, pair, { what, command, needs }: MongoDifference) {
    await admin.write(command, pair.twin.realm, denied(admin, `settle ${what} of "${pair.twin.username}"`, [needs]));
  },

  async enable(admin, pair, which, to) {
    const account = pair[which];
    const needs = [{ role: 'userAdmin', db: account.realm }];
    const failure = denied(admin, `set the password of "${account.username}"`, needs, (error, attempt) =>
      passwordFailure(error, attempt, account.username),
    );
    const wanted = await mechanismsOf(admin, pair.base);
    await setPassword(admin, account, to, wanted, failure);
    if (which === 'twin') await requireMechanisms(admin, account, wanted);
  },
};

/** They come with the password, after all the rest was compared. */
async function requireMechanisms(admin: MongoSession, twin: Account, wanted: User['mechanisms']): Promise<void> {
  if (wanted === undefined) return;
  const has = await mechanismsOf(admin, twin);
  if (isDeepStrictEqual(new Set(has), new Set(wanted))) return;
  throw new TwinRightsError(
    `The twin "${twin.username}" authenticates by ${has?.join(', ') || 'nothing'}, its base by ${wanted.join(', ')}. AWSCURRENT works, and has not changed.`,
    { user: twin.username },
  );
}

function required(found: User | undefined, { username, realm }: Account): User {
  if (found !== undefined) return found;
  throw new DormantUserError(`There is no user "${username}" in the database "${realm}" any more.`, { user: username });
}

function denied(
  admin: MongoSession,
  what: string,
  needs: readonly Role[],
  failureOf: Failure = statementFailure,
): Failure {
  return (error, attempt) => {
    const failure = failureOf(error, attempt);
    if (!(failure instanceof PrivilegeError)) return failure;
    const { username, realm } = admin.account;
    return new PrivilegeError(
      `The admin "${username}" at ${failure.host} may not ${what}: let somebody who may, run ${shell(realm, 'grantRolesToUser', username, needs)}. ` +
        'AWSCURRENT works, and has not changed.',
      failure,
    );
  };
}

/** Who may write its own customData may write there whose twin it is, and of whom: such a mark is believed only where it is another secret's. */
async function state(admin: MongoSession, pair: Pair): Promise<PairState> {
  const { realm } = pair.base;
  const hasPlace = await hasCustomData(admin, realm).catch((error) => {
    throw error instanceof PrivilegeError ? mayNotSee(admin, realm) : error;
  });
  const marksItself = hasPlace && (await mayMarkItself(admin, pair.twin));
  admin.keepsMarks = hasPlace && !marksItself;
  admin.whyNoMarks = marksItself
    ? `"${pair.twin.username}" may change its own customData, so that a mark in it proves nothing`
    : 'this server has no customData for a mark';
  const names = [pair.base.username, pair.twin.username];
  const owners = ownersOf(pair, hasPlace ? await marksAbout(admin, realm, names) : []);
  const ofTwin = marksItself && owners.twin === pair.owner ? undefined : owners.twin;
  return {
    base: stateOf(await userOf(admin, pair.base), owners.base),
    twin: stateOf(await userOf(admin, pair.twin), ofTwin),
  };
}

/** Whoever is there can log in. */
function stateOf(user: User | undefined, owner: string | undefined): UserState | undefined {
  return user && { owner, inert: false };
}
