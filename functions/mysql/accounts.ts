import { escape as literal } from 'mysql2';
import type { Account } from '../../shared/database/engine.ts';
import { PrivilegeError, SeveralAccountsError } from '../../shared/database/errors.ts';
import { mayNotSee } from './admin-rights.ts';
import type { MySqlSession } from './session.ts';

/**
 * The hosts for which there is an account of this name: 'app'@'10.%' and 'app'@'%' are two
 * accounts. A session sees its own account. It sees all accounts with CREATE USER on MySQL
 * (information_schema.USER_ATTRIBUTES), with SELECT on mysql.user on MariaDB.
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

/** @throws {SeveralAccountsError} if the session can see another account of this name */
export async function requireOneAccount(session: MySqlSession, username: string): Promise<void> {
  const hosts = await hostsOf(session, username);
  if (hosts !== 'not visible') onlyHostOf(hosts, username);
}

function onlyHostOf(hosts: readonly string[], username: string): string | undefined {
  if (hosts.length > 1)
    throw new SeveralAccountsError(
      `There are ${hosts.length} accounts of the user "${username}" (for the hosts ${hosts.map((host) => `"${host}"`).join(', ')}), each with a ` +
        'password of its own, and a secret has one: leave one account, or give them names of their own. Nothing was changed.',
      { user: username },
    );
  return hosts[0];
}

/**
 * @returns undefined if there is no such account
 * @throws {PrivilegeError} if the admin may not look
 * @throws {SeveralAccountsError} if there are several accounts of this name
 */
export async function accountOf(admin: MySqlSession, username: string): Promise<Account | undefined> {
  const hosts = await hostsOf(admin, username);
  if (hosts === 'not visible') throw mayNotSee(admin);
  const realm = onlyHostOf(hosts, username);
  return realm === undefined ? undefined : { username, realm };
}
