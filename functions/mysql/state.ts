import { escape as literal } from 'mysql2';
import type { Account, Pair, PairState } from '../../shared/database/engine.ts';
import { ForeignUserError } from '../../shared/database/errors.ts';
import { ownersOf } from '../../shared/database/mark.ts';
import { accountOf } from './accounts.ts';
import { type Description, describeAsAdmin, grantsOf } from './description.ts';
import { differencesIn } from './differences.ts';
import { holdsEverywhere } from './grants.ts';
import { marksAbout } from './mark.ts';
import { quoted } from './names.ts';
import type { MySqlSession } from './session.ts';

export async function state(admin: MySqlSession, pair: Pair): Promise<PairState> {
  for (const account of [pair.base, pair.twin]) await requireSameHost(admin, account);
  const base = await describeAsAdmin(admin, pair.base);
  const twin = await describeAsAdmin(admin, pair.twin);
  const owners = ownersOf(pair, await marksAbout(admin, [pair.base.username, pair.twin.username]));
  return {
    base: base && { owner: owners.base, inert: false, barred: base.barred },
    twin: twin && { owner: owners.twin, inert: await isInert(admin, { base, twin }), barred: twin.barred },
  };
}

/**
 * Both users of a pair are for the same host, because a secret names only the user, not the host.
 */
async function requireSameHost(admin: MySqlSession, account: Account): Promise<void> {
  const found = await accountOf(admin, account.username);
  if (found === undefined || found.realm === account.realm) return;
  throw new ForeignUserError(
    `The account ${quoted(found)} is for other hosts than that with which AWSCURRENT logs in, ${quoted(account)} would be for: the two users of a ` +
      'secret have the same host. Rename one of them, or give another name in "alternateusername". Nothing was changed.',
    { user: account.username },
  );
}

type Both = { base: Description | undefined; twin: Description | undefined };

/** Whether the twin is locked, holds nothing that the base lacks, and is used by nobody. */
async function isInert(admin: MySqlSession, { base, twin }: Both): Promise<boolean> {
  if (base === undefined || twin === undefined || !twin.isLocked) return false;
  if (differencesIn(base, twin, admin.isMariaDb).some(({ kind }) => kind === 'more')) return false;
  return !(await isInUse(admin, twin.account));
}

/**
 * Without these, information_schema does not say who defined an object:
 * https://dev.mysql.com/doc/refman/9.7/en/information-schema-introduction.html#information-schema-privileges
 */
const TO_SEE_DEFINERS = ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT'];

/**
 * Whether somebody uses the account although it is locked: as the definer of a view or a routine,
 * as the account as which others act (PROXY), on MySQL as a role. Where the admin cannot see that,
 * the account counts as used.
 */
async function isInUse(admin: MySqlSession, { username, realm }: Account): Promise<boolean> {
  if (!holdsEverywhere(await grantsOf(admin), TO_SEE_DEFINERS)) return true;
  const definer = literal(`${username}@${realm}`);
  const defined = ['ROUTINES', 'VIEWS', 'TRIGGERS', 'EVENTS'].map(
    (table) => `EXISTS (SELECT 1 FROM information_schema.${table} WHERE DEFINER = ${definer})`,
  );
  const asProxied = `EXISTS (SELECT 1 FROM mysql.proxies_priv WHERE Proxied_user = ${literal(username)} AND Proxied_host = ${literal(realm)})`;
  const asRole = `EXISTS (SELECT 1 FROM mysql.role_edges WHERE FROM_USER = ${literal(username)} AND FROM_HOST = ${literal(realm)})`;
  const [row] = await admin.rows<{ used: 0 | 1 }>(
    `SELECT ${[...defined, asProxied, ...(admin.isMariaDb ? [] : [asRole])].join(' OR ')} AS used`,
  );
  return row?.used === 1;
}
