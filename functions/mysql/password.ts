import { createHash } from 'node:crypto';
import { escape as literal } from 'mysql2';
import type { Secret } from '../../shared/core/secret.ts';
import { requireOneAccount } from './accounts.ts';
import { isConflict, passwordFailure } from './errors.ts';
import type { MySqlSession } from './session.ts';

/**
 * MySQL's is compare-and-set, and its logs leave the passwords out (https://dev.mysql.com/doc/refman/9.7/en/password-logging.html). MariaDB has
 * neither: it gets the hash, which is no password.
 */
export async function changeOwnPassword(session: MySqlSession, from: Secret, to: Secret): Promise<'set' | 'conflict'> {
  await requireOneAccount(session, session.account.username);
  const statement = session.isMariaDb
    ? `SET PASSWORD = ${literal(nativeHash(to))}`
    : `ALTER USER USER() IDENTIFIED BY ${literal(to.reveal())} REPLACE ${literal(from.reveal())}`;
  try {
    await session.change(statement, (error, attempt) => passwordFailure(error, attempt, session));
    return 'set';
  } catch (error) {
    if (isConflict(error)) return 'conflict';
    throw error;
  }
}

/**
 * The statement's last part; on MariaDB the hash, as its general log leaves nothing out.
 * @param plugin MySQL's, if it is to be another than the account has
 */
export function identifiedBy({ isMariaDb }: MySqlSession, to: Secret, plugin?: string): string {
  if (isMariaDb) return `IDENTIFIED BY PASSWORD ${literal(nativeHash(to))}`;
  return `IDENTIFIED ${plugin === undefined ? '' : `WITH ${literal(plugin)} `}BY ${literal(to.reveal())}`;
}

/** What mysql_native_password stores, https://mariadb.com/docs/server/reference/plugins/authentication-plugins/authentication-plugin-mysql_native_password */
export function nativeHash(password: Secret): string {
  const once = createHash('sha1').update(password.reveal()).digest();
  return `*${createHash('sha1').update(once).digest('hex').toUpperCase()}`;
}
