import type { Account } from '../../shared/database/engine.ts';

/**
 * In characters. https://dev.mysql.com/doc/refman/9.7/en/user-names.html
 * https://mariadb.com/docs/server/reference/sql-structure/sql-language-structure/identifier-names
 */
const LONGEST_NAME = { mariaDb: 128, mySql: 32 };

/**
 * Refuses a name that the server would store as another name: the statement would reach somebody
 * else's account.
 */
export function usernameProblem(name: string, engineKey: string): string | undefined {
  const longest = engineKey === 'mariadb' ? LONGEST_NAME.mariaDb : LONGEST_NAME.mySql;
  if (name.includes('\0')) return 'has a NUL character, which ends a name where it is sent';
  if ([...name].length > longest) return `is longer than ${longest} characters, the most that the server keeps`;
  if (name.trim() !== name) return 'begins or ends with a space, which the server leaves out';
  // Both servers do so for old clients:
  // https://github.com/mysql/mysql-server/blob/trunk/sql/auth/sql_authentication.cc
  if (/^'.*'$/s.test(name)) return "begins and ends with ', which the server takes off when the user logs in";
  // The grant tables are in utf8mb3.
  return /[\u{10000}-\u{10FFFF}]/u.test(name)
    ? 'has a character beyond the Basic Multilingual Plane, which the server stores as "?"'
    : undefined;
}

/**
 * A text in quotes, for a statement that a person may run, too: without a backslash in the text, any
 * sql_mode reads it alike. The driver's `escape` writes \' for a quote, which
 * NO_BACKSLASH_ESCAPES takes for the end.
 */
export function literal(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** 'user'@'host', as this function's statements and messages name an account. */
export function quoted({ username, realm }: Account): string {
  return `${literal(username)}@${literal(realm)}`;
}

/** `user`@`host`, as SHOW GRANTS names an account. */
export function holderOf({ username, realm }: Account): string {
  return [username, realm].map((name) => `\`${name.replaceAll('`', '``')}\``).join('@');
}
