import pg from 'pg';
import type { Pair } from '../../shared/database/engine.ts';
import { type PostgresSession, SINCE_16 } from './session.ts';

const { escapeLiteral: literal } = pg;

/** What the server's catalogs say of base and twin. Every role may read these catalogs. */
export type Picture = {
  database: string;
  /**
   * The role with which the session acts, after `ALTER ROLE … SET role`. In the twin's own session also
   * after a reset, as by a pooler.
   */
  actsAs: string;
  /** server_version_num */
  version: number;
  /** Attributes by role, without LOGIN: the twin gets LOGIN together with the password. */
  roles: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** The roles of which the twin is a member. */
  memberships: readonly (Membership & { heldByBase: boolean; administeredByBase: boolean })[];
  /** The roles that are members of the twin. */
  members: readonly Membership[];
  /**
   * By which membership the base is a member of the admin, who therefore cannot get ADMIN OPTION on it:
   * the server allows no circle. Null if there is none, or if the admin has ADMIN OPTION.
   */
  circle: { role: string; grantor: string | null } | null;
  settings: readonly Setting[];
  /**
   * The settings of `role` that a login of the base may meet. Only those that work: the role exists, and
   * the base may act as it. The server warns of any other, and goes on without it.
   */
  loginRoles: readonly LoginRole[];
  /** What the twin has of its own, in all databases of the server. */
  holdings: readonly Holding[];
};

export type Membership = { role: string; grantor: string | null; options: Readonly<Record<string, boolean>> };
type Setting = { role: string; database: string; entry: string };
/** `forAll`: by ALTER ROLE ALL or ALTER DATABASE. Without a database it is ''. */
type LoginRole = { role: string; database: string; forAll: boolean };
type Holding = {
  /** '' for what belongs to no database. */
  database: string;
  /** A key of HOLDINGS in differences.ts, or another deptype of pg_shdepend. */
  kind: string;
  count: number;
  /**
   * At most three. Null in another database: the catalogs here do not say what an object there is
   * called.
   */
  examples: readonly (string | null)[];
};

/**
 * The datconnlimit of a database whose DROP DATABASE was interrupted. Nobody can connect to it, and it
 * can only be dropped. So nothing in it is of use to anybody.
 */
const INVALID = -2;

/**
 * Resets a session as DISCARD ALL does, which poolers send before they give a session to another
 * client. DISCARD ALL itself is not allowed beside other statements in one message.
 */
const RESET = 'SET SESSION AUTHORIZATION DEFAULT; RESET ALL; ';

/**
 * One statement, so that everything is of one moment. The twin's own session is reset before: its next
 * user has to find it as it was after the login.
 */
export async function pictureOf(session: PostgresSession, pair: Pair): Promise<Picture> {
  const before = session.account.username === pair.twin.username ? RESET : '';
  const [row] = await session.rows<{ picture: Picture }>(pictureQuery(session, pair), before);
  return (row as { picture: Picture }).picture;
}

/** Returns one row: `{ picture: Picture }`. */
export function pictureQuery(session: PostgresSession, pair: Pair): string {
  const [base, twin] = [literal(pair.base.username), literal(pair.twin.username)];
  const oid = (role: string) => `(SELECT oid FROM pg_roles WHERE rolname = ${role})`;
  const list = (select: string) => `(SELECT coalesce(json_agg(x), '[]') FROM (${select}) x)`;
  const options = `to_jsonb(m) - array['oid', 'roleid', 'member', 'grantor'] AS options`;
  const grantorName = '(SELECT rolname FROM pg_roles WHERE oid = m.grantor)';
  const grantor = `${grantorName} AS grantor`;
  const mayBecome = `CASE WHEN current_setting('server_version_num')::int < ${SINCE_16} THEN 'MEMBER' ELSE 'SET' END`;
  const isAdmins = ![pair.base.username, pair.twin.username].includes(session.account.username);
  return `SELECT json_build_object(
      'database', current_database(), 'actsAs', current_user, 'version', current_setting('server_version_num')::int,
      'roles', (SELECT json_object_agg(rolname, to_jsonb(r) - array['oid', 'rolname', 'rolpassword', 'rolconfig', 'rolcanlogin'])
        FROM pg_roles r WHERE rolname IN (${base}, ${twin})),
      'memberships', ${list(`SELECT g.rolname AS role, ${grantor}, ${options},
        pg_has_role(${oid(base)}, g.oid, 'MEMBER') AS "heldByBase",
        pg_has_role(${oid(base)}, g.oid, 'MEMBER WITH ADMIN OPTION') AS "administeredByBase"
        FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = ${oid(twin)}`)},
      'members', ${list(`SELECT g.rolname AS role, ${grantor}, ${options}
        FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.member WHERE m.roleid = ${oid(twin)}`)},
      'circle', (SELECT json_build_object('role', g.rolname, 'grantor', ${grantorName}) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
        WHERE ${isAdmins} AND m.member = ${oid(base)} AND NOT g.rolsuper AND pg_has_role(g.oid, current_user, 'MEMBER')
        AND NOT pg_has_role(${oid(base)}, 'MEMBER WITH ADMIN OPTION') LIMIT 1),
      'settings', ${list(`SELECT r.rolname AS role, coalesce(d.datname, '') AS database, entry
        FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase,
        unnest(s.setconfig) entry WHERE r.rolname IN (${base}, ${twin})`)},
      'loginRoles', ${list(`SELECT * FROM (SELECT substr(entry, strpos(entry, '=') + 1) AS role, coalesce(d.datname, '') AS database,
            s.setrole = 0 AS "forAll" FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase,
            unnest(s.setconfig) entry WHERE s.setrole IN (0, ${oid(base)}) AND lower(split_part(entry, '=', 1)) = 'role') l
        WHERE role = 'none' OR EXISTS (SELECT FROM pg_roles g WHERE g.rolname = role AND pg_has_role(${oid(base)}, g.oid, ${mayBecome}))`)},
      'holdings', ${list(`SELECT coalesce(d.datname, '') AS database, count(*)::int AS count,
        concat(s.deptype, CASE s.classid WHEN 'pg_default_acl'::regclass THEN 'd' WHEN 'pg_user_mapping'::regclass THEN 'm' END) AS kind,
        (array_agg(CASE WHEN s.dbid = 0 OR d.datname = current_database()
          THEN pg_describe_object(s.classid, s.objid, s.objsubid) END))[1:3] AS examples
        FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
        WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = ${oid(twin)}
          AND d.datconnlimit IS DISTINCT FROM ${INVALID} GROUP BY database, kind`)}) AS picture`;
}
