import type { Secret } from '../../shared/core/secret.ts';
import type { Account, AccountFacts, ByAdmin } from '../../shared/database/engine.ts';
import { accountOf } from './accounts.ts';
import { adminPasswordFailure } from './admin-rights.ts';
import { describeAsAdmin } from './description.ts';
import { marksAbout } from './mark.ts';
import { quoted } from './names.ts';
import { passwordClause } from './password.ts';
import { powerOf } from './power.ts';
import { requireAcceptable, requireCreateUser } from './rehearsal.ts';
import type { MySqlSession } from './session.ts';

export const byAdmin: ByAdmin<MySqlSession> = { setPassword, facts };

/**
 * Discards the account's second password, too, where dual password has left one. Only after the
 * change: the second password may be AWSCURRENT's, and must not stop working before the first one
 * does.
 */
async function setPassword(admin: MySqlSession, account: Account, to: Secret): Promise<void> {
  const what = `set the password of ${quoted(account)}`;
  await requireCreateUser(admin, what);
  await requireAcceptable(admin, account.username, to);
  const failure = adminPasswordFailure(admin, account, what);
  await admin.change(`ALTER USER ${quoted(account)} ${passwordClause(admin, to)}`, failure);
  if (!admin.isMariaDb) await admin.change(`ALTER USER ${quoted(account)} DISCARD OLD PASSWORD`, failure);
}

async function facts(admin: MySqlSession, username: string): Promise<AccountFacts | undefined> {
  const account = await accountOf(admin, username);
  // On MySQL, an admin without rights sees no other account. The question says so then.
  const found = await describeAsAdmin(admin, account ?? { username, realm: '%' });
  if (found === undefined) return undefined;
  return {
    account: found.account,
    privileged: await powerOf(admin, found.grants),
    barred: found.barred,
    owners: (await marksAbout(admin, [username])).map(({ secret }) => secret),
  };
}
