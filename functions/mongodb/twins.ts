import { isDeepStrictEqual } from 'node:util';
import type { Account, Twins } from '../../shared/database/engine.ts';
import { DatabaseError, PrivilegeError, TwinRightsError } from '../../shared/database/errors.ts';
import { adminFailure, mayNotSee } from './admin-rights.ts';
import { apply } from './apply.ts';
import { type Role, requireFound, type User, userOf } from './description.ts';
import { differencesIn } from './differences.ts';
import { passwordFailure } from './errors.ts';
import { customDataWith } from './mark.ts';
import { mechanismsOf, setPassword } from './password.ts';
import type { MongoSession } from './session.ts';
import { shell } from './shell.ts';
import { state } from './state.ts';

/**
 * The twin is the alternate user. It is granted the roles that the base has, because a user cannot
 * be a role. Documents have no owner, so neither user owns anything.
 *
 * No user can be locked here. So one command makes the twin with all that the base has, and the
 * twin never has less or more. The same command sets the pending password. Where there is no place
 * for a mark, that password shows that the twin is this secret's.
 */
export const twins: Twins<MongoSession> = {
  state,

  async create(admin, pair, to) {
    const { restrictions, mechanisms, roles, customData } = requireFound(await userOf(admin, pair.base), pair.base);
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
    const failure = adminFailure(admin, what, needs, (error, connection) =>
      passwordFailure(error, connection, pair.twin.username),
    );
    try {
      await admin.change(command, pair.twin.realm, failure);
      return 'created';
    } catch (error) {
      if (error instanceof DatabaseError && (await userOf(admin, pair.twin)) !== undefined) return 'conflict';
      throw error;
    }
  },

  async adopt(admin, pair) {
    if (!admin.keepsMarks) return;
    const { customData } = requireFound(await userOf(admin, pair.twin), pair.twin);
    const command = { updateUser: pair.twin.username, customData: customDataWith(customData, pair) };
    const needs = [{ role: 'userAdmin', db: pair.twin.realm }];
    await admin.change(command, pair.twin.realm, adminFailure(admin, `mark the user "${pair.twin.username}"`, needs));
  },

  adoption: (admin, pair) =>
    admin.keepsMarks
      ? shell(pair.twin.realm, 'updateUser', pair.twin.username, { customData: customDataWith({}, pair) })
      : { unsupported: admin.whyNoMarks },

  async differences(session, pair) {
    try {
      const [base, twin] = [await userOf(session, pair.base), await userOf(session, pair.twin)];
      // One command would have made the twin with all that the base has.
      if (session.isRehearsing && twin === undefined) return [];
      return differencesIn(requireFound(base, pair.base), requireFound(twin, pair.twin), pair);
    } catch (error) {
      if (!(error instanceof PrivilegeError)) throw error;
      if ([pair.base, pair.twin].some(({ username }) => username === session.account.username)) return 'not visible';
      throw mayNotSee(session, pair.base.realm);
    }
  },

  apply,

  async enable(admin, pair, which, to) {
    const account = pair[which];
    const needs = [{ role: 'userAdmin', db: account.realm }];
    const failure = adminFailure(admin, `set the password of "${account.username}"`, needs, (error, connection) =>
      passwordFailure(error, connection, account.username),
    );
    const wanted = await mechanismsOf(admin, pair.base);
    await setPassword(admin, account, to, wanted, failure);
    if (which === 'twin' && !admin.isRehearsing) await requireMechanisms(admin, account, wanted);
  },
};

/** Mechanisms are set together with the password, after everything else was compared. */
async function requireMechanisms(admin: MongoSession, twin: Account, wanted: User['mechanisms']): Promise<void> {
  if (wanted === undefined) return;
  const has = await mechanismsOf(admin, twin);
  if (isDeepStrictEqual(new Set(has), new Set(wanted))) return;
  throw new TwinRightsError(
    `The twin "${twin.username}" authenticates by ${has?.join(', ') || 'nothing'}, its base by ${wanted.join(', ')}. AWSCURRENT works, and has not changed.`,
    { user: twin.username },
  );
}
