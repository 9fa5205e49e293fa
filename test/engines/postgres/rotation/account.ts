/** What a PostgreSQL server itself keeps of a role. */
import type { Json, Rotating } from '../../../rotation/rotating.ts';

/** Everything that a rotation could have changed of the roles in whose name `part` is: attributes, password, memberships, settings, comment. */
export function stored(rotating: Rotating, part: string): Promise<Json[]> {
  return rotating.sql(
    `SELECT to_jsonb(a) AS role, shobj_description(a.oid, 'pg_authid') AS comment,
       (SELECT json_agg(m ORDER BY roleid, member, grantor) FROM pg_auth_members m WHERE a.oid IN (member, roleid)) AS members,
       (SELECT json_agg(s ORDER BY setdatabase) FROM pg_db_role_setting s WHERE setrole = a.oid) AS settings
      FROM pg_authid a WHERE position($1 in rolname) > 0 ORDER BY rolname`,
    [part],
  );
}
