/**
 * Reads what SHOW GRANTS says, and writes the statements that grant and revoke the same. Names stay
 * as the server writes them, with their quotes. So `\_`, `%` and backticks keep their meaning. The
 * session needs sql_mode = '' and sql_quote_show_create = 1.
 */

export type Grants = {
  /** By the object of the grant: `*.*`, `db`.*, `db`.`table`, PROCEDURE `db`.`name`. */
  levels: ReadonlyMap<string, Level>;
  /** MySQL's dynamic privileges, with true for those that have WITH GRANT OPTION. */
  dynamic: ReadonlyMap<string, boolean>;
  /**
   * MySQL's partial revokes. By database, the privileges that are held on *.* but not on this
   * database.
   */
  restrictions: ReadonlyMap<string, ReadonlySet<string>>;
  /** With true for those that have WITH ADMIN OPTION. */
  roles: ReadonlyMap<string, boolean>;
  /**
   * The accounts as which the holder may act (PROXY), with true for those that have WITH GRANT
   * OPTION.
   */
  proxies: ReadonlyMap<string, boolean>;
  /** How many lines of SHOW GRANTS have an unknown form. */
  unread: number;
};

/** A privilege on a column is listed by itself: SELECT (`column`). */
export type Level = { privileges: ReadonlySet<string>; grantable: boolean };

export const EVERYTHING = 'ALL PRIVILEGES';
export const EVERYWHERE = '*.*';

const IDENTIFIER = '`(?:[^`]|``)*`';
/** In backticks. MariaDB 10.11 writes the accounts of PROXY in single quotes. */
const NAME = `(?:${IDENTIFIER}|'(?:[^'\\\\]|\\\\.|'')*')`;
/** A role of MariaDB has no host. */
const ACCOUNT = `${NAME}(?:@${NAME})?`;
const PRIVILEGE = `[A-Z][A-Z0-9_]*(?: [A-Z0-9_]+)*(?: \\(${IDENTIFIER}(?:, ${IDENTIFIER})*\\))?`;
const OBJECT = `(?:[A-Z]+ )*(?:\\*\\.\\*|${IDENTIFIER}\\.(?:\\*|${IDENTIFIER}))`;

const ROLES = new RegExp(`^GRANT (${ACCOUNT}(?:, ?${ACCOUNT})*) TO (${ACCOUNT})( WITH ADMIN OPTION)?$`);
const PROXY = new RegExp(`^GRANT PROXY ON (${ACCOUNT}) TO ${ACCOUNT}( WITH GRANT OPTION)?$`);
const PRIVILEGES = new RegExp(
  `^(GRANT|REVOKE) (${PRIVILEGE}(?:, ?${PRIVILEGE})*) ON (${OBJECT}) (?:TO|FROM) (${ACCOUNT})(.*)$`,
  's',
);
/** Skipped: description.ts reads default roles from the tables. */
const DEFAULT_ROLE = /^SET DEFAULT ROLE /;

/** What may follow the grantee. On *.*, MariaDB adds the account's password hash and options. */
const GRANTABLE = / WITH GRANT OPTION(?: MAX_\w+ -?[\d.]+)*$/;

/**
 * @param holder the account or role whose lines count, as the server names it. For a role, MariaDB
 * also lists what the roles in it hold. Without a holder, all lines count.
 */
export function grantsIn(lines: readonly string[], holder?: string): Grants {
  const levels = new Map<string, { privileges: Set<string>; grantable: boolean }>();
  const dynamic = new Map<string, boolean>();
  const restrictions = new Map<string, Set<string>>();
  const roles = new Map<string, boolean>();
  const proxies = new Map<string, boolean>();
  let unread = 0;
  let others = 0;
  for (const line of lines) {
    const [, listed, heir, withAdminOption] = ROLES.exec(line) ?? [];
    const [, proxied, withGrant] = PROXY.exec(line) ?? [];
    const [, verb, names = '', object = '', grantee = heir, rest = ''] = PRIVILEGES.exec(line) ?? [];
    if (holder !== undefined && grantee !== undefined && grantee !== holder) {
      others++;
      continue;
    }
    if (proxied !== undefined) proxies.set(proxied, withGrant !== undefined);
    else if (listed !== undefined)
      for (const [role] of listed.matchAll(new RegExp(ACCOUNT, 'g'))) roles.set(role, withAdminOption !== undefined);
    else if (verb === 'REVOKE') restrictions.set(object, new Set(privilegesIn(names)));
    else if (verb === 'GRANT') {
      const grantable = GRANTABLE.test(rest);
      const privileges = privilegesIn(names);
      if (object === EVERYWHERE && privileges.every(isDynamic))
        for (const privilege of privileges) dynamic.set(privilege, grantable);
      else levels.set(object, together(levels.get(object), privileges, grantable));
    } else if (!DEFAULT_ROLE.test(line)) unread++;
  }
  // Every holder has a line of its own. If there is none, this function did not recognise the
  // holder's name.
  return { levels, dynamic, restrictions, roles, proxies, unread: others === lines.length ? others : unread };
}

function together(before: Level | undefined, privileges: readonly string[], grantable: boolean) {
  const named = privileges.filter((name) => name !== 'USAGE');
  return {
    privileges: new Set([...(before?.privileges ?? []), ...named]),
    grantable: grantable || before?.grantable === true,
  };
}

/**
 * A dynamic privilege is one word with an underscore, and no other privilege is:
 * https://dev.mysql.com/doc/refman/9.7/en/privileges-provided.html
 *
 * MariaDB has none: its READ_ONLY ADMIN has a space, too.
 * https://mariadb.com/docs/server/reference/sql-statements/account-management-sql-statements/grant#global-privileges
 */
function isDynamic(privilege: string): boolean {
  return /^\w*_\w*$/.test(privilege);
}

/** SELECT (`a`, `b`), UPDATE gives SELECT (`a`), SELECT (`b`) and UPDATE. */
function privilegesIn(list: string): string[] {
  return [...list.matchAll(new RegExp(PRIVILEGE, 'g'))].flatMap(([text]) => {
    const [, privilege = text, columns = ''] = /^(.*?) \((.*)\)$/s.exec(text) ?? [];
    const names = [...columns.matchAll(new RegExp(IDENTIFIER, 'g'))].map(([column]) => `${privilege} (${column})`);
    return names.length === 0 ? [text] : names;
  });
}

export function isOfColumn(privilege: string): boolean {
  return privilege.endsWith(')');
}

/** PROCEDURE, FUNCTION, on MariaDB PACKAGE and the like come before the name. */
export function isRoutine(object: string): boolean {
  return /^[A-Z]/.test(object);
}

/** @param privileges none to give only GRANT OPTION */
export function grant(privileges: readonly string[], object: string, to: string, grantable = false): string {
  const names = privileges.length === 0 ? 'USAGE' : privileges.join(', ');
  return `GRANT ${names} ON ${object} TO ${to}${grantable ? ' WITH GRANT OPTION' : ''}`;
}

export function revoke(privileges: readonly string[], object: string, from: string): string {
  return `REVOKE ${privileges.join(', ')} ON ${object} FROM ${from}`;
}

/**
 * The account for which an admin needs PROXY WITH GRANT OPTION, to give PROXY on this one. The server
 * takes the admin's own grant for every host, and not one for the very host.
 */
export function atEveryHost(proxied: string): string {
  return proxied.replace(/@(?:`[^`]+`|'[^']+')$/, "@'%'");
}

/** Whether all of these are held on *.*, with no partial revoke on any database. */
export function holdsEverywhere({ levels, restrictions }: Grants, privileges: readonly string[]): boolean {
  const held = levels.get(EVERYWHERE)?.privileges;
  const isWithheld = (name: string) => [...restrictions.values()].some((revoked) => revoked.has(name));
  return privileges.every((name) => (held?.has(name) || held?.has(EVERYTHING)) && !isWithheld(name));
}

/**
 * In GRANT, the database is a pattern: `%` and `_` match as in LIKE, unless a `\` stands before
 * them.
 */
export function databasesOf(object: string, flags = 's'): RegExp {
  const pattern = databaseIn(object).replaceAll(/\\[%_\\]|[%_]|[^\w]/g, (part) => {
    if (part === '%') return '.*';
    return part === '_' ? '.' : `\\${part.at(-1)}`;
  });
  return new RegExp(`^${pattern}$`, flags);
}

function databaseIn(object: string): string {
  const [, quotedName = ''] = /`((?:[^`]|``)*)`\./.exec(object) ?? [];
  return quotedName.replaceAll('``', '`');
}

/**
 * Whether the privilege is held, also by a grant on more: on the table for a column, on the
 * database, on *.*.
 */
export function isHeld({ levels, restrictions }: Grants, object: string, privilege: string): boolean {
  const holds = (level: string) => {
    const { privileges, grantable } = levels.get(level) ?? { privileges: new Set(), grantable: false };
    if (privilege === 'GRANT OPTION') return grantable;
    return privileges.has(EVERYTHING) || privileges.has(privilege.replace(/ \(.*/s, '')) || privileges.has(privilege);
  };
  if (holds(object)) return true;
  if (restrictions.size === 0 && holds(EVERYWHERE)) return true;
  if (object.endsWith('.*')) return false;
  // If several patterns match the database, the server uses one of them. So only a single match
  // counts here.
  const onDatabase = [...levels.keys()].filter(
    (level) => level !== EVERYWHERE && level.endsWith('.*') && databasesOf(level).test(databaseIn(object)),
  );
  return onDatabase.length === 1 && onDatabase.every(holds);
}

/** What ALL PRIVILEGES on a table is made of, and what it is made of on a database beside that. */
const OF_TABLES = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'REFERENCES', 'INDEX', 'ALTER'];
const OF_VIEWS = ['CREATE VIEW', 'SHOW VIEW', 'TRIGGER'];
const OF_DATABASES = ['CREATE TEMPORARY TABLES', 'LOCK TABLES', 'CREATE ROUTINE', 'ALTER ROUTINE', 'EXECUTE', 'EVENT'];
/** On MariaDB also this one, of rows in tables with system versioning. */
const OF_HISTORY = 'DELETE HISTORY';

/**
 * Whether `own` may hold all of `wanted`, as far as SHOW GRANTS tells. Where grants on several patterns
 * or partial revokes decide, the answer is yes.
 */
export function mayHold(own: Grants, wanted: Grants, isMariaDb: boolean): boolean {
  if (wanted.unread > 0 || own.unread > 0) return true;
  const holdsLevels = [...wanted.levels].every(([object, { privileges, grantable }]) => {
    const covering = [...own.levels].filter(([level]) => covers(level, object)).map(([, level]) => level);
    const holds = (privilege: string) =>
      [privilege, privilege.replace(/ \(.*/s, ''), EVERYTHING].some((name) =>
        covering.some((level) => level.privileges.has(name)),
      );
    const all = [...privileges].flatMap((name) => (name === EVERYTHING ? partsOfAll(object, isMariaDb) : [name]));
    return all.every(holds) && (!grantable || covering.some((level) => level.grantable));
  });
  // Whoever may write the grant tables may grant dynamic privileges that it does not hold:
  // https://dev.mysql.com/doc/refman/9.7/en/grant.html
  const holdsDynamic = [...wanted.dynamic].every(
    ([name, grantable]) =>
      (grantable && isHeld(own, '`mysql`.*', 'UPDATE')) ||
      (own.dynamic.has(name) && (!grantable || own.dynamic.get(name) === true)),
  );
  const holdsRoles = own.dynamic.has('ROLE_ADMIN') || [...wanted.roles.keys()].every((role) => own.roles.get(role));
  return holdsLevels && holdsDynamic && holdsRoles;
}

/** Whether a grant on `level` may be one on `object`, too. */
function covers(level: string, object: string): boolean {
  if (level === EVERYWHERE || level === object) return true;
  return object !== EVERYWHERE && level.endsWith('.*') && databasesOf(level, 'is').test(databaseIn(object));
}

function partsOfAll(object: string, isMariaDb: boolean): readonly string[] {
  // MySQL lists them on *.*, where there are too many for MariaDB.
  if (object === EVERYWHERE) return [EVERYTHING];
  if (isRoutine(object)) return ['ALTER ROUTINE', 'EXECUTE'];
  const more = [...(object.endsWith('.*') ? OF_DATABASES : []), ...(isMariaDb ? [OF_HISTORY] : [])];
  return [...OF_TABLES, ...OF_VIEWS, ...more];
}
