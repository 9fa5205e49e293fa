import { createHash } from 'node:crypto';
import { escape as literal } from 'mysql2';
import type { Secret } from '../../shared/core/secret.ts';
import { requireOneAccount } from './accounts.ts';
import { requireOneWay } from './description.ts';
import { isConflict, passwordFailure } from './errors.ts';
import { requireAcceptable } from './rehearsal.ts';
import type { MySqlSession } from './session.ts';

/**
 * On MySQL, REPLACE makes the change a compare-and-set, and the server keeps the passwords out of
 * its logs: https://dev.mysql.com/doc/refman/9.7/en/password-logging.html
 *
 * MariaDB does neither. So MariaDB is sent the hash, with which nobody can log in.
 */
export async function changeOwnPassword(session: MySqlSession, from: Secret, to: Secret): Promise<'set' | 'conflict'> {
  await requireOneAccount(session, session.account.username);
  await requireOneWay(session);
  await requireAcceptable(session, session.account.username, to);
  const statement = session.isMariaDb
    ? `SET PASSWORD = ${literal(nativeHash(to))}`
    : `ALTER USER USER() IDENTIFIED BY ${literal(to.reveal())} REPLACE ${literal(from.reveal())}`;
  try {
    await session.change(statement, (error, connection) => passwordFailure(error, connection, session));
    return 'set';
  } catch (error) {
    if (isConflict(error)) return 'conflict';
    throw error;
  }
}

/**
 * The part of CREATE USER and ALTER USER that sets the password. On MariaDB a hash, because the
 * general log shows the statement as it is.
 * @param plugin on MySQL: the plugin that the account is to have, if not the one that it has
 */
export function passwordClause({ isMariaDb }: MySqlSession, to: Secret, plugin?: string): string {
  if (isMariaDb) return `IDENTIFIED BY PASSWORD ${literal(nativeHash(to))}`;
  return `IDENTIFIED ${plugin === undefined ? '' : `WITH ${literal(plugin)} `}BY ${literal(to.reveal())}`;
}

/**
 * What mysql_native_password stores for this password:
 * https://mariadb.com/docs/server/reference/plugins/authentication-plugins/authentication-plugin-mysql_native_password
 */
export function nativeHash(password: Secret): string {
  const once = createHash('sha1').update(password.reveal()).digest();
  return `*${createHash('sha1').update(once).digest('hex').toUpperCase()}`;
}
