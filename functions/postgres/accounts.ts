import pg from 'pg';
import { type PostgresSession, SINCE_16 } from './session.ts';

const { escapeLiteral: literal } = pg;

/** What the server says of a role. */
export type Role = {
  name: string;
  comment: string | null;
  /** Why the role could not log in even with the right password, as the end of a sentence. */
  barred: string | null;
  /**
   * The role cannot log in, owns nothing, holds nothing and is granted to nobody but its creator.
   */
  inert: boolean;
};

/** Oldest first. A name that no role has is left out. */
export function rolesNamed(session: PostgresSession, names: readonly string[]): Promise<Role[]> {
  return session.rows<Role>(rolesQuery(names));
}

/** Returns a `Role` for each. */
export function rolesQuery(names: readonly string[]): string {
  return `
    SELECT r.rolname AS name, shobj_description(r.oid, 'pg_authid') AS comment,
      CASE WHEN NOT r.rolcanlogin THEN 'has no LOGIN' WHEN r.rolvaliduntil <= now() THEN 'has expired (VALID UNTIL)'
        WHEN NOT r.rolsuper AND EXISTS (SELECT FROM pg_roles i WHERE i.rolname = 'rds_iam' AND pg_has_role(r.oid, i.oid, 'MEMBER'))
        THEN (SELECT 'is a member of rds_iam, so RDS lets it log in with IAM tokens only (run ' || string_agg(format('REVOKE rds_iam FROM %I', h.rolname)
            || CASE WHEN current_setting('server_version_num')::int < ${SINCE_16} THEN '' ELSE format(' GRANTED BY %I', b.rolname) END, '; ') || ')'
          FROM pg_auth_members m JOIN pg_roles i ON i.oid = m.roleid JOIN pg_roles h ON h.oid = m.member LEFT JOIN pg_roles b ON b.oid = m.grantor
          WHERE i.rolname = 'rds_iam' AND pg_has_role(r.oid, h.oid, 'MEMBER')) END AS barred,
      NOT r.rolcanlogin AND NOT (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls)
        AND NOT EXISTS (SELECT FROM pg_shdepend s WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid)
        AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)
        AND NOT EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.member
          WHERE m.roleid = r.oid AND g.rolname <> current_user) AS inert
    FROM pg_roles r WHERE r.rolname IN (${names.map(literal).join(', ')}) ORDER BY r.oid`;
}
