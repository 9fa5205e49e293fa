import { escape as literal } from 'mysql2';
import type { Account, AccountFacts, ByAdmin } from '../../shared/engine.ts';
import { PrivilegeError, SeveralAccountsError } from '../../shared/errors.ts';
import type { Secret } from '../../shared/secret.ts';
import { type Description, describe, grantsOf } from './description.ts';
import { passwordFailure } from './errors.ts';
import { type Grants, powerIn } from './grants.ts';
import { marksAbout } from './mark.ts';
import { type MySqlSession, nativeHash } from './session.ts';

/** 'user'@'host', as statements and messages name an account. */
export function quoted({ username, realm }: Account): string {
  return `${literal(username)}@${literal(realm)}`;
}

/**
 * The hosts for which there is an account of this name, as far as the session can see: its own, and all with CREATE USER (MySQL's
 * information_schema.USER_ATTRIBUTES) or SELECT on mysql.user (MariaDB).
 */
async function hostsOf(session: MySqlSession, username: string): Promise<string[] | 'not visible'> {
  const table = session.isMariaDb ? 'mysql.user' : 'information_schema.USER_ATTRIBUTES';
  try {
    const rows = await session.rows<{ host: string }>(
      `SELECT Host AS host FROM ${table} WHERE User = ${literal(username)} ORDER BY 1`,
    );
    return rows.map(({ host }) => host);
  } catch (error) {
    if (error instanceof PrivilegeError) return 'not visible';
    throw error;
  }
}

/** @throws {SeveralAccountsError} where the session can see another account of this name */
export async function requireOneAccount(session: MySqlSession, username: string): Promise<void> {
  const hosts = await hostsOf(session, username);
  if (hosts !== 'not visible' && hosts.length > 1)
    throw new SeveralAccountsError(
      `There are ${hosts.length} accounts of the user "${username}" (for the hosts ${hosts.map((host) => `"${host}"`).join(', ')}), each with a ` +
        'password of its own, and a secret has one: leave one account, or give them names of their own. Nothing was changed.',
      { user: username },
    );
}

/** @returns undefined if there is none. @throws {PrivilegeError | SeveralAccountsError} */
export async function accountOf(admin: MySqlSession, username: string): Promise<Account | undefined> {
  await requireOneAccount(admin, username);
  const hosts = await hostsOf(admin, username);
  if (hosts === 'not visible') throw mayNotSee(admin);
  const [realm] = hosts;
  return realm === undefined ? undefined : { username, realm };
}

export function mayNotSee({ account }: MySqlSession): PrivilegeError {
  return new PrivilegeError(
    `The admin "${account.username}" may not see what accounts there are and what they hold: run GRANT SELECT ON mysql.* TO ${quoted(account)}.`,
    { user: account.username },
  );
}

export const byAdmin: ByAdmin<MySqlSession> = {
  setPassword: (admin, account, to) => setPassword(admin, account, to),
  facts,
};

/**
 * The statement's last part; on MariaDB the hash, as its general log leaves nothing out.
 * @param plugin MySQL's, if it is to be another than the account has
 */
export function identifiedBy({ isMariaDb }: MySqlSession, to: Secret, plugin?: string): string {
  if (isMariaDb) return `IDENTIFIED BY PASSWORD ${literal(nativeHash(to))}`;
  return `IDENTIFIED ${plugin === undefined ? '' : `WITH ${literal(plugin)} `}BY ${literal(to.reveal())}`;
}

async function setPassword(admin: MySqlSession, account: Account, to: Secret): Promise<void> {
  await admin.change(`ALTER USER ${quoted(account)} ${identifiedBy(admin, to)}`, (error, attempt) =>
    passwordFailure(error, attempt, admin, account.username),
  );
}

async function facts(admin: MySqlSession, username: string): Promise<AccountFacts | undefined> {
  const account = await accountOf(admin, username);
  const found = account && (await described(admin, account));
  if (found === undefined) return undefined;
  const privileged = await powerOf(admin, found.grants);
  return {
    account: found.account,
    ...(privileged !== undefined && { privileged }),
    ...(found.barred !== undefined && { barred: found.barred }),
    owners: (await marksAbout(admin, [username])).map(({ secret }) => secret),
  };
}

/** @throws {PrivilegeError} that says how the admin comes to see it */
export async function described(admin: MySqlSession, account: Account): Promise<Description | undefined> {
  try {
    return await describe(admin, account);
  } catch (error) {
    throw error instanceof PrivilegeError ? mayNotSee(admin) : error;
  }
}

/** Its own, or that of a role that it could take. */
async function powerOf(admin: MySqlSession, grants: Grants): Promise<string | undefined> {
  const own = powerIn(grants);
  if (own !== undefined) return `holds ${own}`;
  const seen = new Set<string>();
  const roles = [...grants.roles.keys()];
  for (let role = roles.shift(); role !== undefined; role = roles.shift()) {
    if (seen.has(role)) continue;
    seen.add(role);
    const inherited = await grantsOf(admin, role);
    const power = powerIn(inherited);
    if (power !== undefined) return `has the role ${role}, which holds ${power}`;
    roles.push(...inherited.roles.keys());
  }
  return undefined;
}
