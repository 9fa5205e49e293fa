/** What PostgreSQL's catalogs say of users. */
import type { Connection, Names } from '../../../crash-matrix/engine.ts';
import { differing, meddledWith } from '../../../crash-matrix/rights.ts';

type Membership = { role: string; grantor: string; options: Record<string, boolean> };

/** Everything that the server keeps of a role. */
export type Role = {
  attributes: Record<string, unknown>;
  /** Its verifier. */
  password: string | null;
  comment: string | null;
  /** What it is a member of. */
  memberOf: Membership[];
  /** Who is a member of it. */
  members: Membership[];
  /** Database, or '' for all, and `name=value`. */
  settings: [string, string][];
  /** What belongs to it, was granted to it or names it, in this database and in none. */
  holdings: string[];
};

/** All roles whose name begins so, by name. */
export async function rolesCalled(connection: Pick<Connection<string>, 'run'>, beginning: string): Promise<Roles> {
  const memberships = (other: string, own: string) => `(
    SELECT coalesce(json_agg(x ORDER BY x.role, x.grantor), '[]') FROM (
      SELECT o.rolname AS role, g.rolname AS grantor, to_jsonb(m) - array['oid', 'roleid', 'member', 'grantor'] AS options
      FROM pg_auth_members m JOIN pg_roles o ON o.oid = m.${other} JOIN pg_roles g ON g.oid = m.grantor WHERE m.${own} = r.oid) x)`;
  const rows = await connection.run<{ name: string; role: Role }>(`
    SELECT r.rolname AS name, json_build_object(
      'attributes', to_jsonb(r) - array['oid', 'rolname', 'rolpassword'],
      'password', r.rolpassword,
      'comment', shobj_description(r.oid, 'pg_authid'),
      'memberOf', ${memberships('roleid', 'member')},
      'members', ${memberships('member', 'roleid')},
      'settings', (SELECT coalesce(json_agg(json_build_array(coalesce(d.datname, ''), entry) ORDER BY d.datname, entry), '[]')
        FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) entry WHERE s.setrole = r.oid),
      'holdings', (SELECT coalesce(json_agg(h.what ORDER BY h.what), '[]') FROM (
        SELECT concat(s.deptype, ' ', pg_describe_object(s.classid, s.objid, s.objsubid)) AS what FROM pg_shdepend s
        WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid
          AND s.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))) h)) AS role
    FROM pg_authid r WHERE starts_with(r.rolname, '${beginning}')`);
  return new Map(rows.map(({ name, role }) => [name, role]));
}

export type Roles = ReadonlyMap<string, Role>;
/** The twin is a member of the base, PostgreSQL makes whoever creates it its admin, and what it owned goes to the base. */
export function meddling(names: Names, before: Roles, now: Roles, dormant: string): string[] {
  const { twin } = names;
  const handedOver = new Set(before.get(twin)?.holdings.filter((what) => what.startsWith('o ')));
  return meddledWith(names, [before, now], dormant, (role: Role, name) => ({
    ...role,
    password: name === dormant ? null : role.password,
    members: role.members.filter((member) => member.role !== twin),
    memberOf: role.memberOf.filter((membership) => membership.role !== twin),
    holdings: role.holdings.filter((what) => !what.includes(' membership of ') && !handedOver.has(what)),
  }));
}

/** How the twin falls short of the base, or goes beyond it. */
export function outOfLine({ base, twin, admin }: Names, roles: Roles): string[] {
  const [wanted, found] = [roles.get(base), roles.get(twin)];
  if (wanted === undefined || found === undefined) return ['there is no base, or no twin'];
  const expected = {
    attributes: wanted.attributes,
    memberOf: [{ role: base, isAdmin: false }],
    members: [],
    settings: [...wanted.settings, ['', `role=${base}`]],
    holdings: [],
  };
  const actual = {
    attributes: found.attributes,
    memberOf: found.memberOf.map(({ role, options }) => ({ role, isAdmin: options['admin_option'] })),
    members: found.members.filter(
      ({ role, options }) => role !== admin || options['set_option'] || options['inherit_option'],
    ),
    settings: found.settings,
    holdings: found.holdings,
  };
  return differing(expected, actual).map((what) => `the twin is not in line with the base: ${what}`);
}
