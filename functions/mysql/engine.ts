import type { Engine } from '../../shared/database/engine.ts';
import { UNRESERVED } from '../../shared/database/password.ts';
import { byAdmin } from './by-admin.ts';
import { overlap } from './overlap.ts';
import { changeOwnPassword } from './password.ts';
import { login, type MySqlSession } from './session.ts';
import { twins } from './twins.ts';

/** MySQL and MariaDB: RDS, Aurora and self-managed. */
export const mysql: Engine<MySqlSession> = {
  name: 'MySQL and MariaDB',
  engineKeys: ['mysql', 'aurora-mysql', 'mariadb'],
  defaultPort: 3306,
  optionKeys: [],
  // Without TLS the server's RSA key has room for 214 bytes.
  password: { alphabet: UNRESERVED, longest: 200 },
  usernameProblem,
  login,
  exclusively: (session, account, work) => session.alone(account, work),
  changeOwnPassword,
  byAdmin: () => byAdmin,
  twins: () => twins,
  overlap: (engineKey) =>
    engineKey === 'mariadb'
      ? { unsupported: 'MariaDB keeps one password for a user; alternating-users keeps the old credentials valid, too' }
      : overlap,
};

/** Characters, https://dev.mysql.com/doc/refman/9.7/en/user-names.html and https://mariadb.com/docs/server/reference/sql-structure/sql-language-structure/identifier-names */
const LONGEST_NAME = { mariaDb: 128, mySql: 32 };

/** A name that the server would store as another one is refused: the statement would reach somebody else. */
function usernameProblem(name: string, engineKey: string): string | undefined {
  const longest = engineKey === 'mariadb' ? LONGEST_NAME.mariaDb : LONGEST_NAME.mySql;
  if (name.includes('\0')) return 'has a NUL character, which ends a name where it is sent';
  if ([...name].length > longest) return `is longer than ${longest} characters, the most that the server keeps`;
  if (name.trim() !== name) return 'begins or ends with a space, which the server leaves out';
  // Both servers do, for the sake of old clients: https://github.com/mysql/mysql-server/blob/trunk/sql/auth/sql_authentication.cc
  if (/^'.*'$/s.test(name)) return "begins and ends with ', which the server takes off when the user logs in";
  // The grant tables are utf8mb3.
  return /[\u{10000}-\u{10FFFF}]/u.test(name)
    ? 'has a character beyond the Basic Multilingual Plane, which the server stores as "?"'
    : undefined;
}
