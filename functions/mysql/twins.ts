import { RotationError } from '../../shared/core/errors.ts';
import type { Secret } from '../../shared/core/secret.ts';
import type { Pair, Twins } from '../../shared/database/engine.ts';
import { PrivilegeError } from '../../shared/database/errors.ts';
import { accountOf } from './accounts.ts';
import { adminFailure, createUser, mayNotSee, settingPassword } from './admin-rights.ts';
import { apply } from './apply.ts';
import { both, required } from './description.ts';
import { differencesIn } from './differences.ts';
import { requireGrantable } from './grantable.ts';
import { attributeOf } from './mark.ts';
import { quoted } from './names.ts';
import { identifiedBy } from './password.ts';
import type { MySqlSession } from './session.ts';
import { state } from './state.ts';

/**
 * The twin is granted what the base is granted. Not the base itself, although MySQL takes an account as a role: the twin's session would
 * begin with roles that the base's has to choose, SET ROLE to one of them would fail and SET ROLE NONE take all rights away, which a
 * pooler's reset does not bring back; REQUIRE, limits and the like would not come with it, and MariaDB has nothing of it. Views and
 * routines belong to their definer's name either way.
 *
 * Each statement about accounts commits by itself, so each must leave a state from which the next attempt goes on: a new twin is locked
 * until the last one, and what it is to hold comes before what it is to lose.
 *
 * MariaDB has no place for a mark. There the dormant user is this secret's if its password is known to it, so two secrets that start with the same
 * user and password are told apart only once one of them has changed it.
 */
export const twins: Twins<MySqlSession> = {
  state,

  async create(admin, pair, to) {
    await requireGrantable(admin, pair);
    const twin = quoted(pair.twin);
    // The pending password would be in the history already when it is set. MariaDB has no mark: there that password is what proves the twin ours.
    const statement = admin.isMariaDb
      ? `CREATE USER ${twin} ${identifiedBy(admin, to)} ACCOUNT LOCK`
      : `CREATE USER ${twin} IDENTIFIED BY RANDOM PASSWORD ACCOUNT LOCK ${attributeOf(pair)}`;
    try {
      await admin.change(statement, settingPassword(admin, pair.twin, `make the account ${twin}`));
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
      const { base, twin } = await both(session, pair);
      return differencesIn(required(base, pair.base), required(twin, pair.twin), session.isMariaDb);
    } catch (error) {
      if (!(error instanceof PrivilegeError)) throw error;
      if (isOfPair) return 'not visible';
      throw mayNotSee(session);
    }
  },

  apply,

  async enable(admin, pair, which, to) {
    const account = pair[which];
    const failure = settingPassword(admin, account, `set the password of ${quoted(account)}`);
    const clause = await withPlugin(admin, pair, which, to);
    // Else a password that was retained beside it would stay valid.
    if (!admin.isMariaDb) await admin.change(`ALTER USER ${quoted(account)} DISCARD OLD PASSWORD`, failure);
    await admin.change(`ALTER USER ${quoted(account)} ${clause}${which === 'twin' ? ' ACCOUNT UNLOCK' : ''}`, failure);
  },
};

/** ER_CANNOT_USER */
const EXISTS = '1396';

/** A client may know only the plugin of the base. */
async function withPlugin(admin: MySqlSession, pair: Pair, which: 'base' | 'twin', to: Secret): Promise<string> {
  if (admin.isMariaDb || which === 'base') return identifiedBy(admin, to);
  const { base, twin } = await both(admin, pair);
  return identifiedBy(admin, to, base?.plugin === twin?.plugin ? undefined : base?.plugin);
}
