import pg from 'pg';
import type { PostgresSession } from './session.ts';

const { escapeLiteral: literal } = pg;

/** Roles whose rights reach beyond the database. */
const POWERFUL = [
  'pg_execute_server_program',
  'pg_write_server_files',
  'pg_read_server_files',
  'rds_superuser',
  'rds_replication',
];

/**
 * What makes this role too powerful for an admin to set its password: an attribute such as
 * SUPERUSER, or a role in POWERFUL. It counts, too, where the role only is a member of a role that
 * has it.
 */
export async function powerOf(admin: PostgresSession, username: string): Promise<string | undefined> {
  const [powerful] = await admin.rows<{ power: string }>(`
    SELECT CASE WHEN p.oid = r.oid THEN 'has ' ELSE 'is a member of "' || p.rolname || '", which has ' END ||
        CASE WHEN p.rolsuper THEN 'SUPERUSER' WHEN p.rolcreaterole THEN 'CREATEROLE' WHEN p.rolreplication THEN 'REPLICATION'
          WHEN p.rolbypassrls THEN 'BYPASSRLS' ELSE 'rights beyond the database' END AS power
      FROM pg_roles r JOIN pg_roles p ON pg_has_role(r.oid, p.oid, 'MEMBER')
      WHERE r.rolname = ${literal(username)} AND (p.rolsuper OR p.rolcreaterole OR p.rolreplication
        OR p.rolbypassrls OR p.rolname IN (${POWERFUL.map(literal).join(', ')}))
      ORDER BY p.oid <> r.oid LIMIT 1`);
  return powerful?.power;
}
