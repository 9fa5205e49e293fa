import { escape as literal } from 'mysql2';
import type { Account } from '../../shared/database/engine.ts';
import { PrivilegeError, SeveralAccountsError } from '../../shared/database/errors.ts';
import { mayNotSee } from './admin-rights.ts';
import type { MySqlSession } from './session.ts';

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
  if (hosts !== 'not visible') oneOf(hosts, username);
}

function oneOf(hosts: readonly string[], username: string): string | undefined {
  if (hosts.length > 1)
    throw new SeveralAccountsError(
      `There are ${hosts.length} accounts of the user "${username}" (for the hosts ${hosts.map((host) => `"${host}"`).join(', ')}), each with a ` +
        'password of its own, and a secret has one: leave one account, or give them names of their own. Nothing was changed.',
      { user: username },
    );
  return hosts[0];
}

/** @returns undefined if there is none. @throws {PrivilegeError | SeveralAccountsError} */
export async function accountOf(admin: MySqlSession, username: string): Promise<Account | undefined> {
  const hosts = await hostsOf(admin, username);
  if (hosts === 'not visible') throw mayNotSee(admin);
  const realm = oneOf(hosts, username);
  return realm === undefined ? undefined : { username, realm };
}
