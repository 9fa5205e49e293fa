import { escape as literal } from 'mysql2';
import { RotationError } from '../../shared/core/errors.ts';
import type { Secret } from '../../shared/core/secret.ts';
import type { Account, Pair, PairState, Twins } from '../../shared/database/engine.ts';
import { DormantUserError, ForeignUserError, PrivilegeError, TwinRightsError } from '../../shared/database/errors.ts';
import { ownersOf } from '../../shared/database/mark.ts';
import { accountOf, mayNotSee, quoted } from './accounts.ts';
import { type Description, describe, described, grantsOf } from './description.ts';
import { createUser, differencesIn, type MySqlDifference } from './differences.ts';
import { type Failure, passwordFailure, statementFailure } from './errors.ts';
import { holdsEverywhere } from './grants.ts';
import { attributeOf, marksAbout } from './mark.ts';
import { identifiedBy } from './password.ts';
import type { MySqlSession } from './session.ts';

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
    await requireMayKeepHold(admin, pair);
    const twin = quoted(pair.twin);
    // The pending password would be in the history already when it is set. MariaDB has no mark: there that password is what proves the twin ours.
    const statement = admin.isMariaDb
      ? `CREATE USER ${twin} ${identifiedBy(admin, to)} ACCOUNT LOCK`
      : `CREATE USER ${twin} IDENTIFIED BY RANDOM PASSWORD ACCOUNT LOCK ${attributeOf(pair)}`;
    try {
      await admin.change(statement, settingPassword(admin, pair.twin, `make the account ${twin}`));
      return 'created';
    } catch (error) {
      if (error instanceof RotationError && error.code === EXISTS && (await isThere(admin, pair.twin)))
        return 'conflict';
      throw error;
    }
  },

  async adopt(admin, pair) {
    if (admin.isMariaDb) return;
    const twin = quoted(pair.twin);
    const failure = denied(admin, `mark ${twin}`, createUser(quoted(admin.account)));
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

  async apply(admin, pair, { what, statements, cure, shutsOut, parts, ifGone }: MySqlDifference) {
    if (shutsOut) await requireMayKeepHold(admin, pair);
    const failure = denied(admin, `settle ${what} of ${quoted(pair.twin)}`, cure(quoted(admin.account)));
    const run = async (all: readonly string[]) => {
      for (const statement of all) await admin.change(statement, failure);
    };
    try {
      await run(statements);
    } catch (error) {
      if (error instanceof PrivilegeError) for (const part of parts ?? []) await twins.apply(admin, pair, part);
      if (ifGone === undefined || !(error instanceof RotationError && GONE.includes(error.code ?? ''))) throw error;
      if (ifGone.statements.length > 0) return run(ifGone.statements);
      throw new TwinRightsError(
        `The base "${pair.base.username}" holds ${what}, which is gone, so its twin cannot have it: run ${ifGone.remedy}. ` +
          'AWSCURRENT works, and has not changed.',
        { user: pair.twin.username },
      );
    }
  },

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

/** ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR */
const GONE = ['1146', '1054'];

/** What cannot be passed on must not be found out half way. */
async function requireMayKeepHold(admin: MySqlSession, pair: Pair): Promise<void> {
  const base = required(await described(admin, pair.base), pair.base);
  const [own, by] = [await grantsOf(admin), quoted(admin.account)];
  const lacks = (what: string, cure: string) =>
    new PrivilegeError(
      `The base "${pair.base.username}" holds ${what}, which the admin "${admin.account.username}" cannot give to its twin: let somebody ` +
        `who may, run ${cure}. Nothing was changed.`,
      { user: admin.account.username },
    );
  if (base.grants.dynamic.has('SYSTEM_USER') && !own.dynamic.has('SYSTEM_USER'))
    throw lacks('SYSTEM_USER', `GRANT SYSTEM_USER ON *.* TO ${by} WITH GRANT OPTION`);
  const mayProxy = [...own.proxies].filter(([, grantable]) => grantable).map(([proxied]) => proxied);
  const isForAll = (proxied: string) => /^(?:``|'')@/.test(proxied);
  for (const proxied of base.grants.proxies.keys())
    if (!mayProxy.some((each) => each === proxied || isForAll(each)))
      throw lacks(`PROXY on ${proxied}`, `GRANT PROXY ON ${proxied} TO ${by} WITH GRANT OPTION`);
}

async function isThere(admin: MySqlSession, account: Account): Promise<boolean> {
  return (await accountOf(admin, account.username)) !== undefined;
}

async function both(session: MySqlSession, { base, twin }: Pair) {
  return { base: await describe(session, base), twin: await describe(session, twin) };
}

function required(found: Description | undefined, account: Account): Description {
  if (found !== undefined) return found;
  throw new DormantUserError(`There is no account ${quoted(account)} any more.`, { user: account.username });
}

/** A client may know only the plugin of the base. */
async function withPlugin(admin: MySqlSession, pair: Pair, which: 'base' | 'twin', to: Secret): Promise<string> {
  if (admin.isMariaDb || which === 'base') return identifiedBy(admin, to);
  const { base, twin } = await both(admin, pair);
  return identifiedBy(admin, to, base?.plugin === twin?.plugin ? undefined : base?.plugin);
}

function denied(admin: MySqlSession, what: string, cure: string, failureOf: Failure = statementFailure): Failure {
  return (error, attempt) => {
    const failure = failureOf(error, attempt);
    if (!(failure instanceof PrivilegeError)) return failure;
    return new PrivilegeError(
      `The admin "${admin.account.username}" at ${failure.host} may not ${what} (${failure.code}): let somebody who may, run ${cure}. ` +
        'AWSCURRENT works, and has not changed.',
      failure,
    );
  };
}

function settingPassword(admin: MySqlSession, account: Account, what: string): Failure {
  const by = quoted(admin.account);
  const cure = `${createUser(by)}${admin.isMariaDb ? '' : `, and GRANT SYSTEM_USER ON *.* TO ${by} where that account holds SYSTEM_USER`}`;
  return denied(admin, what, cure, (error, attempt) => passwordFailure(error, attempt, admin, account.username));
}

async function state(admin: MySqlSession, pair: Pair): Promise<PairState> {
  for (const account of [pair.base, pair.twin]) await requireSameHost(admin, account);
  const base = await described(admin, pair.base);
  const twin = await described(admin, pair.twin);
  const owners = ownersOf(pair, await marksAbout(admin, [pair.base.username, pair.twin.username]));
  return {
    base: base && { owner: owners.base, inert: false, barred: base.barred },
    twin: twin && { owner: owners.twin, inert: await isInert(admin, { base, twin }), barred: twin.barred },
  };
}

/** A pair is of one host: a name alone says whom a secret means. */
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

async function isInert(admin: MySqlSession, { base, twin }: Both): Promise<boolean> {
  if (base === undefined || twin === undefined || !twin.isLocked) return false;
  if (differencesIn(base, twin, admin.isMariaDb).some(({ kind }) => kind === 'more')) return false;
  return !(await isInUse(admin, twin.account));
}

/** Without these, information_schema is silent on who defined what: https://dev.mysql.com/doc/refman/9.7/en/information-schema-introduction.html#information-schema-privileges */
const TO_SEE_DEFINERS = ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT'];

/** Locked accounts serve as definers, as whom others act (PROXY), and on MySQL as roles. What the admin cannot see may be so. */
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
