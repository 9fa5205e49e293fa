import { RotationError } from '../../shared/core/errors.ts';
import type { Secret } from '../../shared/core/secret.ts';
import type { Pair, Twins } from '../../shared/database/engine.ts';
import { PrivilegeError } from '../../shared/database/errors.ts';
import { accountOf } from './accounts.ts';
import { adminFailure, adminPasswordFailure, createUser, mayNotSee } from './admin-rights.ts';
import { apply } from './apply.ts';
import { describeBoth, requireFound } from './description.ts';
import { differencesIn } from './differences.ts';
import { requireGrantable } from './grantable.ts';
import { attributeOf } from './mark.ts';
import { quoted } from './names.ts';
import { giveToBase, withOwnWork } from './own-work.ts';
import { passwordClause } from './password.ts';
import { asIfMade, requireAcceptable, requireCreateUser } from './rehearsal.ts';
import type { MySqlSession } from './session.ts';
import { state } from './state.ts';

/**
 * The twin is the alternate user: an account that is granted what the base is granted.
 *
 * It is not granted the base itself, although MySQL takes an account as a role. A session of such a
 * twin would begin with roles that a session of the base has to choose. SET ROLE to one of them
 * would fail, and SET ROLE NONE would take all rights away, which the reset of a connection pool
 * does not bring back. REQUIRE and limits would not come with the role, and MariaDB has no such
 * roles. Views and routines belong to the account that defined them in both designs.
 *
 * Each statement about accounts commits by itself. So each must leave a state from which the next
 * attempt can go on: a new twin stays locked until the last statement, and gets what it lacks
 * before it loses what it has in excess.
 *
 * MariaDB has no place for a mark. There the dormant user counts as this secret's if one of the
 * secret's passwords logs in as it. So two secrets that start with the same user and password
 * cannot be told apart before one of them has changed the password.
 */
export const twins: Twins<MySqlSession> = {
  state,

  async create(admin, pair, to) {
    await requireGrantable(admin, pair);
    const twin = quoted(pair.twin);
    await requireCreateUser(admin, `make the account ${twin}`);
    // Not the pending password: the server's password history would refuse it when the twin is
    // enabled. But on MariaDB, which has no mark, the pending password is what shows that the twin
    // is this secret's.
    const statement = admin.isMariaDb
      ? `CREATE USER ${twin} ${passwordClause(admin, to)} ACCOUNT LOCK`
      : `CREATE USER ${twin} IDENTIFIED BY RANDOM PASSWORD ACCOUNT LOCK ${attributeOf(pair)}`;
    try {
      await admin.change(statement, adminPasswordFailure(admin, pair.twin, `make the account ${twin}`));
      return 'created';
    } catch (error) {
      if (
        error instanceof RotationError &&
        error.code === EXISTS &&
        (await accountOf(admin, pair.twin.username)) !== undefined
      )
        return 'conflict';
      throw error;
    }
  },

  async adopt(admin, pair) {
    if (admin.isMariaDb) return;
    const twin = quoted(pair.twin);
    await requireCreateUser(admin, `mark ${twin}`);
    const failure = adminFailure(admin, `mark ${twin}`, createUser(quoted(admin.account)));
    await admin.change(`ALTER USER ${twin} ${attributeOf(pair)}`, failure);
  },

  adoption: (admin, pair) =>
    admin.isMariaDb
      ? { unsupported: 'MariaDB has no place for a mark' }
      : `ALTER USER ${quoted(pair.twin)} ${attributeOf(pair)}`,

  async differences(session, pair) {
    const isOfPair = [pair.base, pair.twin].some(({ username }) => username === session.account.username);
    try {
      const { base, twin } = await describeBoth(session, pair);
      const isToCome = session.isRehearsing && base !== undefined && twin === undefined;
      const found = differencesIn(
        requireFound(base, pair.base),
        isToCome ? asIfMade(pair.twin, base) : requireFound(twin, pair.twin),
        session.isMariaDb,
      );
      return await withOwnWork(session, pair, found);
    } catch (error) {
      if (!(error instanceof PrivilegeError)) throw error;
      if (isOfPair) return 'not visible';
      throw mayNotSee(session);
    }
  },

  apply,
  giveToBase,

  async enable(admin, pair, which, to) {
    const account = pair[which];
    const what = `set the password of ${quoted(account)}`;
    await requireCreateUser(admin, what);
    await requireAcceptable(admin, account.username, to);
    const failure = adminPasswordFailure(admin, account, what);
    const clause = await withPlugin(admin, pair, which, to);
    // Otherwise the account's second password, where dual password has left one, would stay valid.
    if (!admin.isMariaDb) await admin.change(`ALTER USER ${quoted(account)} DISCARD OLD PASSWORD`, failure);
    await admin.change(`ALTER USER ${quoted(account)} ${clause}${which === 'twin' ? ' ACCOUNT UNLOCK' : ''}`, failure);
  },
};

/** ER_CANNOT_USER */
const EXISTS = '1396';

/** Gives the twin the base's plugin, because the application's client may know no other. */
async function withPlugin(admin: MySqlSession, pair: Pair, which: 'base' | 'twin', to: Secret): Promise<string> {
  if (admin.isMariaDb || which === 'base') return passwordClause(admin, to);
  const { base, twin } = await describeBoth(admin, pair);
  return passwordClause(admin, to, base?.plugin === twin?.plugin ? undefined : base?.plugin);
}
