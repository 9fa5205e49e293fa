import type { Secret } from '../../shared/core/secret.ts';
import type { Account, AccountFacts, ByAdmin } from '../../shared/database/engine.ts';
import { accountOf } from './accounts.ts';
import { describeAsAdmin } from './description.ts';
import { type Failure, passwordFailure } from './errors.ts';
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
  await requireCreateUser(admin, `set the password of ${quoted(account)}`);
  await requireAcceptable(admin, account.username, to);
  const failure: Failure = (error, connection) => passwordFailure(error, connection, admin, account.username);
  await admin.change(`ALTER USER ${quoted(account)} ${passwordClause(admin, to)}`, failure);
  if (!admin.isMariaDb) await admin.change(`ALTER USER ${quoted(account)} DISCARD OLD PASSWORD`, failure);
}

async function facts(admin: MySqlSession, username: string): Promise<AccountFacts | undefined> {
  const account = await accountOf(admin, username);
  const found = account && (await describeAsAdmin(admin, account));
  if (found === undefined) return undefined;
  return {
    account: found.account,
    privileged: await powerOf(admin, found.grants),
    barred: found.barred,
    owners: (await marksAbout(admin, [username])).map(({ secret }) => secret),
  };
}
