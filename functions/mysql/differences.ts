import type { Difference } from '../../shared/database/engine.ts';
import { createUser } from './admin-rights.ts';
import type { Description } from './description.ts';
import {
  atEveryHost,
  EVERYTHING,
  EVERYWHERE,
  type Grants,
  grant,
  isHeld,
  isOfColumn,
  isRoutine,
  type Level,
  revoke,
} from './grants.ts';
import { holderOf, quoted } from './names.ts';

export type MySqlDifference = Difference & {
  /** These settle the difference, in this order. If there are none, only a person can. */
  statements: readonly string[];
  /** For a right on a routine that only the twin has: gives it to the base, if the twin made it. */
  toBase?: { routine: string; statement: string };
  /** Partial revokes that follow the statements, where these have not brought them along. */
  withheld?: readonly Withheld[];
  /** The statements that let the admin of this name settle the difference, with `; ` between them. */
  cure(adminName: string): string;
  /**
   * Once the twin holds this privilege, an admin that does not hold it can no longer change the
   * twin.
   */
  shutsOut?: boolean;
  /** The same with one privilege each. They show which of several privileges the server denies. */
  parts?: readonly MySqlDifference[];
  /**
   * For a grant on a table, a column or a routine that no longer exists: what settles the difference
   * then, and what a person may run if there is nothing.
   */
  ifGone?: { statements: readonly string[]; remedy: string };
};

/** Privileges that are held on *.*, but not on this database. */
export type Withheld = { object: string; privileges: readonly string[] };

/**
 * What differs between base and twin. Pure: works on what the server says of both. The rights that
 * an admin often lacks come first, so that a failure comes before the first change.
 */
export function differencesIn(base: Description, twin: Description, isMariaDb: boolean): MySqlDifference[] {
  const seen = { base, twin, isMariaDb, names: { base: quoted(base.account), twin: quoted(twin.account) } };
  return [
    ...proxies(seen),
    ...dynamic(seen),
    ...roles(seen),
    ...levels(seen),
    ...restrictions(seen),
    ...defaultRoles(seen),
    ...options(seen),
    ...unread(seen),
  ];
}

type Seen = { base: Description; twin: Description; isMariaDb: boolean; names: { base: string; twin: string } };

const NOTHING: Level = { privileges: new Set(), grantable: false };

function levels(seen: Seen): MySqlDifference[] {
  const { base, twin, names } = seen;
  const objects = union(base.grants.levels, twin.grants.levels);
  return objects.flatMap((object) => {
    const [want, have] = [base.grants.levels.get(object) ?? NOTHING, twin.grants.levels.get(object) ?? NOTHING];
    return [...less(object, want, have, seen), ...more(object, base.grants, have, names)];
  });
}

/** Privileges on this object that the base has and the twin lacks. */
function less(object: string, want: Level, have: Level, seen: Seen): MySqlDifference[] {
  const missing = [...want.privileges].filter(
    (name) => !have.privileges.has(name) && (isOfColumn(name) || !have.privileges.has(EVERYTHING)),
  );
  const grantable = want.grantable && !have.grantable;
  if (missing.length === 0 && !grantable) return [];
  const all = lacking(object, missing, grantable, seen);
  const parts = missing.map((privilege) => lacking(object, [privilege], grantable, seen));
  return [parts.length > 1 ? { ...all, parts } : all];
}

function lacking(object: string, privileges: string[], grantable: boolean, { base, names }: Seen): MySqlDifference {
  const statements = [grant(privileges, object, names.twin, grantable)];
  const withheld = object === EVERYWHERE ? withheldFrom(base, privileges) : [];
  const revokes = withheld.map((each) => revoke(each.privileges, each.object, names.twin));
  // On a table that no longer exists, a privilege can only be granted together with CREATE:
  // https://dev.mysql.com/doc/refman/9.7/en/grant.html
  const beside = [
    grant(['CREATE', ...privileges], object, names.twin, grantable),
    revoke(['CREATE'], object, names.twin),
  ];
  const ifGone = !object.endsWith('.*') && {
    statements: privileges.some(isOfColumn) || isRoutine(object) ? [] : beside,
    remedy: revoke(privileges.length === 0 ? ['GRANT OPTION'] : privileges, object, names.base),
  };
  const remedies = [...statements, ...revokes];
  return {
    kind: 'less',
    ...on(object, privileges, grantable),
    remedies,
    statements,
    withheld,
    ...(ifGone && { ifGone }),
  };
}

/**
 * The partial revokes that go with privileges on *.*. They follow the grant at once: if a later
 * difference cannot be settled, the twin still has no more than the base.
 */
function withheldFrom({ grants }: Description, privileges: readonly string[]): Withheld[] {
  return [...grants.restrictions].flatMap(([object, revoked]) => {
    const listed = privileges.filter((name) => revoked.has(name));
    return listed.length === 0 ? [] : [{ object, privileges: listed }];
  });
}

/** Privileges on this object that the twin has and the base lacks. */
function more(object: string, base: Grants, have: Level, names: Seen['names']): MySqlDifference[] {
  const want = base.levels.get(object) ?? NOTHING;
  const excess = [...have.privileges].filter(
    (name) => !want.privileges.has(name) && (isOfColumn(name) || !want.privileges.has(EVERYTHING)),
  );
  const grantable = have.grantable && !want.grantable;
  if (excess.length === 0 && !grantable) return [];
  const revokes = [
    ...(excess.length === 0 ? [] : [revoke(excess, object, names.twin)]),
    ...(grantable ? [revoke(['GRANT OPTION'], object, names.twin)] : []),
  ];
  // Revoking a privilege on a table also revokes the same privilege on its columns, and revoking
  // ALL PRIVILEGES revokes everything. So what the twin is to keep is granted again.
  const lost = [...want.privileges].filter((name) => isOfColumn(name) || excess.includes(EVERYTHING));
  const regrants = lost.length === 0 || excess.every(isOfColumn) ? [] : [grant(lost, object, names.twin)];
  const statements = [...revokes, ...regrants];
  const remedies = [grant(excess, object, names.base, grantable), statements.join('; ')];
  const isMore = [...excess, ...(grantable ? ['GRANT OPTION'] : [])].some((name) => !isHeld(base, object, name));
  const toBase = { routine: object, statement: grant(excess, object, names.base) };
  return [
    {
      kind: isMore ? 'more' : 'setting',
      ...on(object, excess, grantable),
      remedies,
      statements,
      ...(isRoutine(object) && !grantable && excess.every((name) => OF_CREATOR.has(name)) && { toBase }),
    },
  ];
}

/**
 * The rights on a routine that the server gives to whoever creates it:
 * https://dev.mysql.com/doc/refman/9.7/en/stored-routines-privileges.html
 */
const OF_CREATOR = new Set(['EXECUTE', 'ALTER ROUTINE']);

function on(object: string, privileges: readonly string[], grantable: boolean): Pick<MySqlDifference, 'what' | 'cure'> {
  const all = [...privileges, ...(grantable ? ['GRANT OPTION'] : [])].join(', ');
  return { what: `${all} on ${object}`, cure: (adminName) => grant(privileges, object, adminName, true) };
}

/**
 * MySQL cannot take only GRANT OPTION from a dynamic privilege. So the privilege is revoked and
 * granted again without it.
 */
function dynamic({ base, twin, names }: Seen): MySqlDifference[] {
  return union(base.grants.dynamic, twin.grants.dynamic).flatMap((privilege): MySqlDifference[] => {
    const [want, have] = [base.grants.dynamic.get(privilege), twin.grants.dynamic.get(privilege)];
    if (want === have) return [];
    const give = (to: string, grantable = false) => grant([privilege], EVERYWHERE, to, grantable);
    // Whoever gives it WITH GRANT OPTION needs GRANT OPTION on *.*, too.
    const passing = (adminName: string) => (want ? [grant([], EVERYWHERE, adminName, true)] : []);
    const common = {
      cure: (adminName: string) => [give(adminName, true), ...passing(adminName)].join('; '),
      ...(privilege === 'SYSTEM_USER' && { shutsOut: true }),
    };
    const what = `${privilege} on *.*`;
    if (have === undefined || want === true) {
      const statement = give(names.twin, want);
      const missing = want === true ? `${what} WITH GRANT OPTION` : what;
      return [{ kind: 'less', what: missing, remedies: [statement], statements: [statement], ...common }];
    }
    const statements = [revoke([privilege], EVERYWHERE, names.twin), ...(want === undefined ? [] : [give(names.twin)])];
    const excess = have ? `${what} WITH GRANT OPTION` : what;
    return [
      { kind: 'more', what: excess, remedies: [give(names.base, have), statements.join('; ')], statements, ...common },
    ];
  });
}

/**
 * Where only the base has a partial revoke, the twin holds a right that the base lacks. Compared
 * only for privileges that both have on *.*: of any other privilege, the partial revoke comes and
 * goes with the privilege itself.
 */
function restrictions({ base, twin, names }: Seen): MySqlDifference[] {
  const isOfBoth = (name: string) =>
    [base, twin].every(({ grants }) => grants.levels.get(EVERYWHERE)?.privileges.has(name));
  return union(base.grants.restrictions, twin.grants.restrictions).flatMap((object) => {
    const revoked = ({ grants }: Description) => [...(grants.restrictions.get(object) ?? [])].filter(isOfBoth);
    const [want, have] = [revoked(base), revoked(twin)];
    const excess = want.filter((name) => !have.includes(name));
    const missing = have.filter((name) => !want.includes(name));
    const lift = (privileges: string[], of: string) => grant(privileges, object, of);
    const found: MySqlDifference[] = [];
    if (missing.length > 0) {
      const statement = lift(missing, names.twin);
      found.push({ kind: 'less', ...on(object, missing, false), remedies: [statement], statements: [statement] });
    }
    if (excess.length > 0) {
      const statement = revoke(excess, object, names.twin);
      found.push({
        kind: 'more',
        ...on(object, excess, false),
        remedies: [lift(excess, names.base), statement],
        statements: [statement],
      });
    }
    return found;
  });
}

function roles({ base, twin, isMariaDb, names }: Seen): MySqlDifference[] {
  return union(base.grants.roles, twin.grants.roles).flatMap((role): MySqlDifference[] => {
    const [want, have] = [base.grants.roles.get(role), twin.grants.roles.get(role)];
    if (want === have) return [];
    const give = (to: string, grantable = false) => `GRANT ${role} TO ${to}${grantable ? ' WITH ADMIN OPTION' : ''}`;
    const cure = (adminName: string) => give(adminName, true);
    if (have === undefined || want === true) {
      const statement = give(names.twin, want);
      const what = `the role ${role}${want ? ' WITH ADMIN OPTION' : ''}`;
      return [{ kind: 'less', what, cure, remedies: [statement], statements: [statement] }];
    }
    const take = `REVOKE ${role} FROM ${names.twin}`;
    // On MySQL, a grant without the option takes the option away.
    const takeOption = isMariaDb ? `REVOKE ADMIN OPTION FOR ${role} FROM ${names.twin}` : give(names.twin);
    const statement = want === undefined ? take : takeOption;
    const what = `the role ${role}${have ? ' WITH ADMIN OPTION' : ''}`;
    // A twin that has the base as a role holds nothing that the base lacks.
    if (role === holderOf(base.account)) return [{ kind: 'setting', what, cure, remedies: [take], statements: [take] }];
    return [{ kind: 'more', what, cure, remedies: [give(names.base, have), statement], statements: [statement] }];
  });
}

/** The roles with which a session begins. MariaDB has at most one. */
function defaultRoles({ base, twin, isMariaDb, names }: Seen): MySqlDifference[] {
  const [want, have] = [base.defaultRoles, twin.defaultRoles];
  const missing = want.filter((role) => !have.includes(role));
  const excess = have.filter((role) => !want.includes(role));
  const set = (of: string, roles: readonly string[]) =>
    `SET DEFAULT ROLE ${roles.length === 0 ? 'NONE' : roles.join(', ')} ${isMariaDb ? 'FOR' : 'TO'} ${of}`;
  const difference = (kind: 'more' | 'less', roles: readonly string[], statement: string, remedies = [statement]) => ({
    kind,
    what: `the default role ${roles.join(', ')}`,
    remedies,
    statements: [statement],
    cure: isMariaDb ? (adminName: string) => `GRANT UPDATE ON mysql.* TO ${adminName}` : createUser,
  });
  // The active twin may lack a role that the base has been granted since.
  const heldByTwin = want.filter((role) => twin.grants.roles.has(role));
  const choice = [set(names.base, isMariaDb ? have : [...want, ...excess]), set(names.twin, heldByTwin)];
  const kept = isMariaDb ? [] : excess;
  return [
    ...(missing.length === 0 ? [] : [difference('less', missing, set(names.twin, [...want, ...kept]))]),
    ...(excess.length === 0 ? [] : [difference('more', excess, set(names.twin, want), choice)]),
  ];
}

function proxies({ base, twin, names }: Seen): MySqlDifference[] {
  return union(base.grants.proxies, twin.grants.proxies).flatMap((proxied): MySqlDifference[] => {
    const [want, have] = [base.grants.proxies.get(proxied), twin.grants.proxies.get(proxied)];
    if (want === have) return [];
    const give = (to: string, grantable = false) =>
      `GRANT PROXY ON ${proxied} TO ${to}${grantable ? ' WITH GRANT OPTION' : ''}`;
    const cure = (adminName: string) => `GRANT PROXY ON ${atEveryHost(proxied)} TO ${adminName} WITH GRANT OPTION`;
    const what = (grantable = false) => `PROXY on ${proxied}${grantable ? ' WITH GRANT OPTION' : ''}`;
    if (have === undefined || want === true) {
      const statement = give(names.twin, want);
      return [{ kind: 'less', what: what(want), cure, remedies: [statement], statements: [statement] }];
    }
    const statements = [
      `REVOKE PROXY ON ${proxied} FROM ${names.twin}`,
      ...(want === undefined ? [] : [give(names.twin)]),
    ];
    const remedies = [give(names.base, have), statements.join('; ')];
    return [{ kind: 'more', what: what(have), cure, remedies, statements }];
  });
}

/** TLS requirement, limits and password rules. */
function options({ base, twin, names }: Seen): MySqlDifference[] {
  const [want, have] = [base.options, twin.options];
  const differing = (kind: 'limits' | 'passwords') => want[kind].filter((clause) => !have[kind].includes(clause));
  const limits = differing('limits');
  const clauses = [
    ...(want.requirement === have.requirement ? [] : [want.requirement]),
    ...(limits.length === 0 ? [] : [`WITH ${limits.join(' ')}`]),
    ...differing('passwords'),
  ];
  if (clauses.length === 0) return [];
  const statements = [`ALTER USER ${names.twin} ${clauses.join(' ')}`];
  return [{ kind: 'setting', what: clauses.join(' '), remedies: statements, statements, cure: createUser }];
}

/** A line that cannot be read may be a right, so it counts as a difference. */
function unread({ base, twin }: Seen): MySqlDifference[] {
  const of = ({ account, grants }: Description, kind: 'less' | 'more'): MySqlDifference[] => {
    const what = `${grants.unread} lines that this function cannot read in SHOW GRANTS FOR ${quoted(account)}`;
    return grants.unread === 0
      ? []
      : [{ kind, what, remedies: [], statements: [], isForPerson: true, cure: createUser }];
  };
  return [...of(base, 'less'), ...of(twin, 'more')];
}

function union(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): string[] {
  return [...new Set([...one.keys(), ...other.keys()])];
}
