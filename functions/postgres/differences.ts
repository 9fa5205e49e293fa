import pg from 'pg';
import type { Difference, Pair } from '../../shared/database/engine.ts';
import { DormantUserError } from '../../shared/database/errors.ts';
import type { Needs } from './admin-rights.ts';
import type { Membership, Picture } from './description.ts';
import { SINCE_16 } from './session.ts';

/** With neither `sql` nor `holdingsIn`, only a person can settle the difference. */
export type PostgresDifference = Difference & {
  /** The statement that settles the difference. */
  sql?: string;
  /** What the admin needs for this statement. */
  needs?: Needs;
  /** The setting of the base that the statement copies. */
  copies?: { database: string; key: string };
  /**
   * The database in which the twin's holdings are handed over to the base; '' for those that belong
   * to none.
   */
  holdingsIn?: string;
};

const { escapeIdentifier: name, escapeLiteral: literal } = pg;

/**
 * What differs between base and twin. Pure: works on what the catalogs say.
 * @param user whose session has looked. In the twin's own session, whether it acts as the base
 * counts, too.
 * @throws {DormantUserError} if one of the two is gone
 */
export function differencesIn(picture: Picture, { base, twin }: Pair, user: string): PostgresDifference[] {
  const seen = { picture, base: base.username, twin: twin.username };
  for (const user of [seen.base, seen.twin])
    if (picture.roles[user] === undefined) throw new DormantUserError(`There is no role "${user}" any more.`, { user });
  return [
    ...membership(seen),
    ...memberships(seen),
    ...members(seen),
    ...attributes(seen),
    ...settings(seen),
    ...holdings(seen),
    ...(user === seen.twin ? identity(seen) : []),
  ];
}

type Seen = { picture: Picture; base: string; twin: string };

/** The twin's membership in the base, without which it has none of the base's rights. */
function membership(seen: Seen): PostgresDifference[] {
  const { picture, base, twin } = seen;
  const own = picture.memberships.filter(({ role }) => role === base);
  const found: PostgresDifference[] = [];
  const isSince16 = picture.version >= SINCE_16;
  const giving = `GRANT ${name(base)} TO ${name(twin)}${isSince16 ? ' WITH INHERIT TRUE, SET TRUE' : ''}`;
  // The server allows no circle of memberships. So first revokes the twin from its members: the
  // base may be one.
  const grant = [...members(seen).map(({ sql }) => sql), giving].join('; ');
  // SET lets the twin act as the base. INHERIT gives it the base's rights before that: a login
  // needs CONNECT.
  const isMember = ['inherit_option', 'set_option'].every((option) =>
    own.some(({ options }) => options[option] !== false),
  );
  if (!isMember && isSince16 && picture.circle !== null)
    found.push({
      kind: 'less',
      what: `membership in "${base}", which is itself a member of the admin and so cannot be granted by it`,
      remedies: [revoked(picture, picture.circle, base)],
      isForPerson: true,
    });
  else if (!isMember)
    found.push({
      kind: 'less',
      what: `membership in "${base}"`,
      remedies: [grant],
      sql: grant,
      needs: picture.roles[base]?.['rolsuper'] === true ? { attribute: 'SUPERUSER' } : { role: base },
    });
  for (const { grantor } of own.filter(({ options }) => options['admin_option'])) {
    const revoke = `REVOKE ADMIN OPTION FOR ${name(base)} FROM ${name(twin)}${grantedBy(picture, grantor)}`;
    found.push({ kind: 'more', what: `ADMIN OPTION on "${base}"`, remedies: [revoke], sql: revoke });
  }
  return found;
}

/**
 * Memberships of the twin in other roles than the base. The twin needs none: it acts as the base.
 */
function memberships({ picture, base, twin }: Seen): PostgresDifference[] {
  return picture.memberships
    .filter(({ role }) => role !== base)
    .map(({ role, grantor, heldByBase, administeredByBase, options }) => {
      const revoke = revoked(picture, { role, grantor }, twin);
      const mayAdminister = options['admin_option'] === true;
      const isMore = !heldByBase || (mayAdminister && !administeredByBase);
      const grant = `GRANT ${name(role)} TO ${name(base)}${mayAdminister ? ' WITH ADMIN OPTION' : ''}`;
      return {
        kind: isMore ? 'more' : 'setting',
        what: `membership in "${role}"${mayAdminister ? ' with ADMIN OPTION' : ''}`,
        remedies: [...(isMore ? [grant] : []), revoke],
        sql: revoke,
      };
    });
}

/** Roles that are members of the twin. The twin is to have none, but for its creator. */
function members({ picture, twin }: Seen): PostgresDifference[] {
  return picture.members
    .filter((member) => !isCreators(member))
    .map(({ role, grantor }) => {
      const revoke = `REVOKE ${name(twin)} FROM ${name(role)}${grantedBy(picture, grantor)}`;
      return { kind: 'setting', what: `"${role}" as a member of "${twin}"`, remedies: [revoke], sql: revoke };
    });
}

/**
 * The membership of whoever made the twin. Since PostgreSQL 16, whoever makes a role gets ADMIN
 * OPTION on it: https://www.postgresql.org/docs/current/sql-createrole.html
 */
function isCreators({ options }: Membership): boolean {
  return options['admin_option'] === true && options['inherit_option'] === false && options['set_option'] === false;
}

function revoked(picture: Picture, { role, grantor }: Pick<Membership, 'role' | 'grantor'>, from: string): string {
  return `REVOKE ${name(role)} FROM ${name(from)}${grantedBy(picture, grantor)}`;
}

function grantedBy({ version }: Picture, grantor: string | null): string {
  return version < SINCE_16 || grantor === null ? '' : ` GRANTED BY ${name(grantor)}`;
}

/** Attributes that a role has or has not, by the column of pg_roles. */
const FLAGS: Readonly<Record<string, string>> = {
  rolsuper: 'SUPERUSER',
  rolcreaterole: 'CREATEROLE',
  rolcreatedb: 'CREATEDB',
  rolreplication: 'REPLICATION',
  rolbypassrls: 'BYPASSRLS',
  rolinherit: 'INHERIT',
};

/**
 * Names only the attributes that differ: to name an attribute, the admin may need a right that it
 * lacks.
 */
function attributes({ picture, base, twin }: Seen): PostgresDifference[] {
  const [ofBase = {}, present = {}] = [picture.roles[base], picture.roles[twin]];
  // Before PostgreSQL 16, a twin with NOINHERIT would have the base's rights only once it acts as
  // the base. That is too late: the login itself needs CONNECT.
  const wanted = picture.version < SINCE_16 ? { ...ofBase, rolinherit: true } : ofBase;
  const alter = (role: string, what: string) => `ALTER ROLE ${name(role)} ${what}`;
  const flags = Object.entries(FLAGS)
    .filter(([key]) => wanted[key] !== present[key])
    .map(([key, word]): PostgresDifference => {
      const sql = alter(twin, wanted[key] ? word : `NO${word}`);
      if (key === 'rolinherit') return { kind: 'setting', what: word, remedies: [sql], sql, needs: { role: twin } };
      if (wanted[key]) return { kind: 'less', what: word, remedies: [sql], sql, needs: { attribute: word } };
      return { kind: 'more', what: word, remedies: [alter(base, word), sql], sql };
    });
  const values: [string, string, string][] = [
    ['rolconnlimit', 'CONNECTION LIMIT', String(wanted['rolconnlimit'])],
    ['rolvaliduntil', 'VALID UNTIL', literal(String(wanted['rolvaliduntil'] ?? 'infinity'))],
  ];
  const valid = (value: unknown) => value ?? 'infinity';
  return [
    ...flags,
    ...values
      .filter(([key]) => valid(wanted[key]) !== valid(present[key]))
      .map(([, word, value]): PostgresDifference => {
        const sql = alter(twin, `${word} ${value}`);
        return { kind: 'setting', what: word, remedies: [sql], sql, needs: { role: twin } };
      }),
  ];
}

/** Settings whose value is a list of names: variable_is_guc_list_quote() in the server's source. */
const LISTS = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
]);

/**
 * The twin has the base's settings. Its `role` is the role as which a session of the base acts, in
 * every database in which that is another one.
 */
function settings({ picture, base, twin }: Seen): PostgresDifference[] {
  const [wanted, present] = [settingsOf(picture, base), settingsOf(picture, twin)];
  for (const [place, { key }] of wanted) if (isRole(key)) wanted.delete(place);
  const everywhere = roleOfBase(picture, base, '');
  for (const database of new Set(['', ...picture.loginRoles.map((each) => each.database)])) {
    const value = roleOfBase(picture, base, database);
    if (database === '' || value !== everywhere)
      wanted.set(placeOf(database, 'role'), { database, key: 'role', value });
  }

  const places = new Set([...wanted.keys(), ...present.keys()]);
  return [...places].flatMap((place): PostgresDifference[] => {
    const [want, have] = [wanted.get(place), present.get(place)];
    const { database, key } = (want ?? have) as Entry;
    if (want !== undefined && have !== undefined && sameValue(key, want.value, have.value)) return [];
    const where = `ALTER ROLE ${name(twin)}${database === '' ? '' : ` IN DATABASE ${name(database)}`}`;
    const sql =
      want === undefined ? `${where} RESET ${name(key)}` : `${where} SET ${name(key)} TO ${written(key, want.value)}`;
    const what = `setting ${key}${database === '' ? '' : ` in database "${database}"`}`;
    const needs = key === 'role' ? { role: twin } : { parameter: key };
    return [{ kind: 'setting', what, remedies: [sql], sql, needs, ...(want && { copies: { database, key } }) }];
  });
}

/**
 * The role as which a session of the base begins in this database. The nearest setting wins: of the
 * base in the database, of the base, of the database, of all. `none` is the base itself.
 */
function roleOfBase({ loginRoles }: Picture, base: string, database: string): string {
  for (const forAll of [false, true])
    for (const place of [database, '']) {
      const found = loginRoles.find((each) => each.forAll === forAll && each.database === place);
      if (found !== undefined) return found.role === 'none' ? base : found.role;
    }
  return base;
}

function isRole(key: string): boolean {
  return key.toLowerCase() === 'role';
}

type Entry = { database: string; key: string; value: string };
type Settings = Map<string, Entry>;

function settingsOf(picture: Picture, role: string): Settings {
  return new Map(
    picture.settings
      .filter((setting) => setting.role === role)
      .map(({ database, entry }) => {
        const at = entry.indexOf('=');
        const key = entry.slice(0, at);
        return [placeOf(database, key), { database, key, value: entry.slice(at + 1) }];
      }),
  );
}

function placeOf(database: string, key: string): string {
  return `${database}\0${key.toLowerCase()}`;
}

function sameValue(key: string, one: string, other: string): boolean {
  return LISTS.has(key) ? namesListed(key, one).join('\0') === namesListed(key, other).join('\0') : one === other;
}

function written(key: string, value: string): string {
  if (!LISTS.has(key)) return literal(value);
  const names = namesListed(key, value);
  return names.length === 0 ? "''" : names.map(literal).join(', ');
}

/** Lists of SQL identifiers: without quotes, `Abc` means `abc`. The other lists name files. */
const IDENTIFIERS = new Set(['search_path', 'temp_tablespaces']);

/**
 * The names in such a list. `a, "B c"` gives `a` and `B c`; an empty name is left out. Works as
 * SplitIdentifierString() and SplitDirectoriesString() in the server's source. One list can be
 * written in several ways: SET adds quotes where they are needed, but set_config() and SET … FROM
 * CURRENT store the text that they are given.
 */
function namesListed(key: string, text: string): string[] {
  const found = [...text.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,"]*))\s*(?:,|$)/g)];
  const plain = (bare: string) =>
    IDENTIFIERS.has(key) ? bare.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()) : bare;
  return found
    .map(([, quoted, bare = '']) => quoted?.replaceAll('""', '"') ?? plain(bare.trim()))
    .filter((each) => each !== '');
}

/**
 * What the twin may have of its own, by pg_shdepend's deptype. A second letter marks what neither
 * REASSIGN OWNED nor REVOKE settles.
 */
const HOLDINGS: Readonly<Record<string, string>> = {
  o: 'objects',
  od: 'default privileges',
  om: 'user mappings',
  a: 'grants',
  ad: 'grants in default privileges',
  i: 'initial privileges of extensions',
  r: 'row security policies',
};

/** What `handOver` settles. REASSIGN OWNED also puts the base in the twin's place in initial privileges. */
const HANDED_OVER = new Set(['o', 'a', 'i']);

/**
 * The twin's sessions act as the base, so they could not use what the twin itself owns or was
 * granted.
 */
function holdings({ picture, base, twin }: Seen): PostgresDifference[] {
  // One hand-over settles all that the twin has in a database.
  const settled = new Set<string>();
  return picture.holdings.map(({ database, kind, count, examples }) => {
    const place = database === '' ? '' : ` in database "${database}"`;
    const known = examples.filter((example) => example !== null);
    const shown = known.length === 0 ? '' : `: ${known.join(', ')}${count > known.length ? ', …' : ''}`;
    const isHandedOver = HANDED_OVER.has(kind);
    const settlesIt = isHandedOver && !settled.has(database);
    if (settlesIt) settled.add(database);
    return {
      kind: 'more',
      what: `${count} ${HOLDINGS[kind] ?? 'dependencies'} of its own${place}${shown}`,
      remedies: remediesFor(kind, name(base), name(twin), place),
      ...(settlesIt && { holdingsIn: database }),
      ...(kind in HOLDINGS && !isHandedOver && { isForPerson: true }),
      outsideTransaction: database !== '' && database !== picture.database,
    };
  });
}

function remediesFor(kind: string, base: string, twin: string, place: string): string[] {
  switch (kind) {
    case 'o':
    case 'i':
      return [`REASSIGN OWNED BY ${twin} TO ${base}${place}`];
    case 'od':
      return [
        `ALTER DEFAULT PRIVILEGES FOR ROLE ${twin} … REVOKE …${place}, after a GRANT … FOR ROLE ${base} of what is to stay`,
      ];
    case 'om':
      return [`DROP USER MAPPING FOR ${twin} …${place}, after CREATE USER MAPPING FOR ${base} …`];
    case 'a':
      return [`REVOKE … FROM ${twin}${place}, after a GRANT to ${base} of what is to stay`];
    case 'ad':
      return [`ALTER DEFAULT PRIVILEGES … REVOKE … FROM ${twin}${place}, after a GRANT to ${base} of what is to stay`];
    case 'r':
      return [`ALTER POLICY … TO ${base}${place}`];
    default:
      return [];
  }
}

/**
 * Whether the twin's session acts as the base's does. If the membership is missing at login, the server
 * only warns that it cannot set the role, and the session acts as the twin.
 */
function identity({ picture, base, twin }: Seen): PostgresDifference[] {
  const expected = roleOfBase(picture, base, picture.database);
  if (picture.actsAs === expected) return [];
  const what = `a session of "${twin}" acts as "${picture.actsAs}" and not as "${expected}"`;
  const mended = losesRoleUntil(picture.version);
  if (mended === undefined) return [{ kind: 'less', what, remedies: [`GRANT ${name(base)} TO ${name(twin)}`] }];
  const present = `${Math.floor(picture.version / 10_000)}.${picture.version % 10_000}`;
  return [
    {
      kind: 'less',
      what: `${what} once it is reset by DISCARD ALL, as poolers do: PostgreSQL ${present} loses the role, so update it to ${mended}`,
      remedies: [],
    },
  ];
}

/**
 * The first minor version of each major one in which a session keeps the role of `ALTER ROLE … SET role`
 * when it is reset. All before lose it: https://www.postgresql.org/docs/release/17.2/
 */
const KEEPS_ROLE: readonly (readonly [major: number, minor: number])[] = [
  [12, 22],
  [13, 18],
  [14, 15],
  [15, 10],
  [16, 6],
  [17, 2],
];

/** The version to which a server has to be updated to keep the role: `17.2`. Undefined if it keeps it. */
function losesRoleUntil(version: number): string | undefined {
  const [found] = KEEPS_ROLE.filter(([major]) => major >= Math.floor(version / 10_000));
  return found !== undefined && version < found[0] * 10_000 + found[1] ? found.join('.') : undefined;
}
