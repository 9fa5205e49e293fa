import { escape as literal } from 'mysql2';
import type { Account, Pair } from '../../shared/database/engine.ts';
import { DormantUserError, PrivilegeError } from '../../shared/database/errors.ts';
import { mayNotSee } from './admin-rights.ts';
import { type Grants, grantsIn } from './grants.ts';
import { holderOf, quoted } from './names.ts';
import type { MySqlSession } from './session.ts';

/** What the server says of an account, without the hash of its password. */
export type Description = {
  account: Account;
  grants: Grants;
  options: Options;
  /** Of the roles that the account holds, those with which a session begins. In quotes, sorted. */
  defaultRoles: readonly string[];
  plugin: string;
  isLocked: boolean;
  /** Why the account could not log in even with the right password, as the end of a sentence. */
  barred?: string | undefined;
};

/**
 * Clauses of ALTER USER that the twin is to have from the base. Not the password, the lock and the
 * expiry, which each account has for itself. Not COMMENT and ATTRIBUTE, where people keep notes.
 */
export type Options = { requirement: string; limits: readonly string[]; passwords: readonly string[] };

/**
 * Reads what the server says of this account.
 * @returns undefined if there is no such account
 * @throws {PrivilegeError} if the session lacks SELECT on mysql.*
 */
export async function describe(session: MySqlSession, account: Account): Promise<Description | undefined> {
  const [row] = await session.rows<MySqlRow | MariaDbRow>(query(session, account));
  if (row === undefined) return undefined;
  const grants = await grantsOf(session, holderOf(account));
  return {
    account,
    grants,
    options: options(row),
    // MariaDB keeps the default role when that role is revoked. A session then begins without it.
    defaultRoles: (row.roles ?? []).filter((role) => grants.roles.has(role)).sort(),
    plugin: row.plugin,
    isLocked: row.locked === 1,
    barred: barredBy(session, row),
  };
}

/**
 * As `describe`, in a session of an admin.
 * @throws {PrivilegeError} that says which statement lets the admin look
 */
export async function describeAsAdmin(admin: MySqlSession, account: Account): Promise<Description | undefined> {
  try {
    return await describe(admin, account);
  } catch (error) {
    throw error instanceof PrivilegeError ? mayNotSee(admin) : error;
  }
}

/**
 * @param holder an account or a role, as SHOW GRANTS names it. Without a holder: all that the
 * session itself may do, its active roles included.
 */
export async function grantsOf(session: MySqlSession, holder?: string): Promise<Grants> {
  const rows = await session.rows<Record<string, string>>(`SHOW GRANTS${holder === undefined ? '' : ` FOR ${holder}`}`);
  return grantsIn(
    rows.map((row) => Object.values(row)[0] ?? ''),
    holder,
  );
}

type Row = {
  plugin: string;
  severalWays: 0 | 1;
  locked: 0 | 1;
  expired: 0 | 1;
  /** Comes as JSON, because GROUP_CONCAT would cut the list at group_concat_max_len. */
  roles: readonly string[] | null;
  tls: string;
  issuer: string;
  subject: string;
  cipher: string;
  queries: number;
  updates: number;
  connections: number;
  userConnections: number;
  lifetime: number | null;
};
type MySqlRow = Row & {
  history: number | null;
  reuse: number | null;
  requireCurrent: 'Y' | 'N' | null;
  attempts: number | null;
  lockDays: number | null;
};
type MariaDbRow = Row & { statementTime: number };

/**
 * Reads the grant tables, not SHOW CREATE USER: that statement does not escape quotes in the names
 * of a certificate, and on MySQL it hides the lifetime of a password that has expired.
 * https://dev.mysql.com/doc/refman/9.7/en/grant-tables.html
 * https://mariadb.com/docs/server/reference/system-tables/the-mysql-database-tables/mysql-global_priv-table
 */
function query(session: MySqlSession, { username, realm }: Account): string {
  const text = (column: string) => `CONVERT(${column} USING utf8mb4)`;
  const common = `u.plugin, u.password_expired = 'Y' AS expired, u.ssl_type AS tls, ${text('u.x509_issuer')} AS issuer,
    ${text('u.x509_subject')} AS subject, ${text('u.ssl_cipher')} AS cipher, u.max_questions AS queries, u.max_updates AS updates,
    u.max_connections AS connections, u.max_user_connections AS userConnections`;
  const where = `u.User = ${literal(username)} AND u.Host = ${literal(realm)}`;
  if (session.isMariaDb)
    return `SELECT ${common}, u.max_statement_time + 0 AS statementTime,
        JSON_EXISTS(g.Priv, '$.auth_or') AS severalWays, JSON_CONTAINS(g.Priv, 'true', '$.account_locked') AS locked,
        CAST(JSON_VALUE(g.Priv, '$.password_lifetime') AS INT) AS lifetime,
        IF(u.default_role = '', NULL, JSON_ARRAY(CONCAT('\`', REPLACE(u.default_role, '\`', '\`\`'), '\`'))) AS roles
      FROM mysql.user u JOIN mysql.global_priv g ON g.User = u.User AND g.Host = u.Host WHERE ${where}`;
  const name = (column: string) => `'\`', REPLACE(${column}, '\`', '\`\`'), '\`'`;
  const attribute = (path: string) => `CAST(u.User_attributes->'$.Password_locking.${path}' AS SIGNED)`;
  return `SELECT ${common}, u.account_locked = 'Y' AS locked, u.password_lifetime AS lifetime, u.Password_reuse_history AS history,
      u.Password_reuse_time AS reuse, u.Password_require_current AS requireCurrent,
      ${attribute('failed_login_attempts')} AS attempts, ${attribute('password_lock_time_days')} AS lockDays,
      COALESCE(JSON_CONTAINS_PATH(u.User_attributes, 'one', '$.multi_factor_authentication'), 0) AS severalWays,
      (SELECT JSON_ARRAYAGG(CONCAT(${name('d.DEFAULT_ROLE_USER')}, '@', ${name('d.DEFAULT_ROLE_HOST')}))
        FROM mysql.default_roles d WHERE d.USER = u.User AND d.HOST = u.Host) AS roles
    FROM mysql.user u WHERE ${where}`;
}

function options(row: MySqlRow | MariaDbRow): Options {
  const limits = [
    `MAX_QUERIES_PER_HOUR ${row.queries}`,
    `MAX_UPDATES_PER_HOUR ${row.updates}`,
    `MAX_CONNECTIONS_PER_HOUR ${row.connections}`,
    `MAX_USER_CONNECTIONS ${row.userConnections}`,
  ];
  const common = {
    requirement: `REQUIRE ${requirement(row)}`,
    passwords: [`PASSWORD EXPIRE ${lifetime(row.lifetime)}`],
  };
  if ('statementTime' in row) return { ...common, limits: [...limits, `MAX_STATEMENT_TIME ${row.statementTime}`] };
  return { ...common, limits, passwords: [...common.passwords, ...passwordRules(row)] };
}

function requirement({ tls, issuer, subject, cipher }: Row): string {
  if (tls === '') return 'NONE';
  if (tls === 'ANY') return 'SSL';
  if (tls === 'X509') return 'X509';
  const named = Object.entries({ SUBJECT: subject, ISSUER: issuer, CIPHER: cipher }).filter(
    ([, value]) => value !== '',
  );
  return named.map(([key, value]) => `${key} ${literal(value)}`).join(' AND ');
}

function lifetime(days: number | null): string {
  if (days === null || days < 0) return 'DEFAULT';
  return days === 0 ? 'NEVER' : `INTERVAL ${days} DAY`;
}

function passwordRules({ history, reuse, requireCurrent, attempts, lockDays }: MySqlRow): string[] {
  const required = requireCurrent === null ? ' DEFAULT' : requireCurrent === 'N' ? ' OPTIONAL' : '';
  return [
    `PASSWORD HISTORY ${history ?? 'DEFAULT'}`,
    `PASSWORD REUSE INTERVAL ${reuse === null ? 'DEFAULT' : `${reuse} DAY`}`,
    `PASSWORD REQUIRE CURRENT${required}`,
    `FAILED_LOGIN_ATTEMPTS ${attempts ?? 0} PASSWORD_LOCK_TIME ${lockDays === -1 ? 'UNBOUNDED' : (lockDays ?? 0)}`,
  ];
}

/**
 * The authentication plugins by which the driver can log in and for which the function can set a
 * password. On MariaDB the function sends a hash, and can make the hash of this one plugin only; ''
 * means the same plugin.
 */
const PLUGINS = {
  mySql: ['caching_sha2_password', 'sha256_password', 'mysql_native_password'],
  mariaDb: ['mysql_native_password', ''],
};

function barredBy({ isMariaDb }: MySqlSession, { plugin, severalWays, locked, expired }: Row): string | undefined {
  if (plugin === 'AWSAuthenticationPlugin')
    return 'authenticates by AWSAuthenticationPlugin, so RDS lets it log in with IAM tokens only, and it has no password';
  if (!(isMariaDb ? PLUGINS.mariaDb : PLUGINS.mySql).includes(plugin))
    return `authenticates by the plugin "${plugin}", for which this function has no password`;
  if (severalWays === 1) return 'has several ways to authenticate, which a new password would change';
  if (locked === 1) return 'is locked (ACCOUNT LOCK)';
  // A password past its lifetime does not bar the account: a new password is what it needs.
  return expired === 1 ? 'was made to change its password (PASSWORD EXPIRE)' : undefined;
}

/** The base and the twin, each undefined if there is no such account. */
export async function describeBoth(session: MySqlSession, { base, twin }: Pair) {
  return { base: await describe(session, base), twin: await describe(session, twin) };
}

/** @throws {DormantUserError} if the account is gone */
export function requireFound(found: Description | undefined, account: Account): Description {
  if (found !== undefined) return found;
  throw new DormantUserError(`There is no account ${quoted(account)} any more.`, { user: account.username });
}
