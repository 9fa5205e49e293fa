import pg from 'pg';
import type { Account, Endpoint, Outlook } from '../../shared/database/engine.ts';
import { markAt } from './mark.ts';
import { DEFAULT_DATABASE } from './names.ts';
import type { PostgresSession } from './session.ts';

const { escapeLiteral: literal } = pg;

/**
 * Asks in one query whose mark the user has, and how many connections are left for the proof of a new
 * password: on the server, for the user, and in the database. The limits:
 * https://www.postgresql.org/docs/current/runtime-config-connection.html. The setting rds.… is that of
 * RDS.
 *
 * The query rather counts too much than too little: without pg_read_all_stats, a parallel worker of
 * another user looks as a session does.
 * @throws {UnsupportedHostError} if the session passes a pooler
 */
export async function outlook(session: PostgresSession, account: Account, to: Endpoint): Promise<Outlook> {
  const query = outlookQuery(account, to);
  const [found] = (session.answerWithLock(query) ?? (await session.rows(query))) as Found[];
  if (found === undefined) return { hasRoom: false };
  session.requireDirect(found.process);
  return { hasRoom: found.left > 0, owners: found.pairs.flatMap(ownersIn) };
}

type Found = { process: number; left: number; pairs: Commented[] };

/** Returns one row: a `Found`. */
export function outlookQuery(account: Account, to: Endpoint): string {
  const [user, database] = [literal(account.username), literal(to.database ?? DEFAULT_DATABASE)];
  const reserved = (setting: string) => `coalesce(nullif(current_setting(${literal(setting)}, true), '')::int, 0)`;
  return `
    SELECT pg_backend_pid() AS process, coalesce((SELECT json_agg(json_build_object(
        'name', t.rolname, 'comment', shobj_description(t.oid, 'pg_authid'), 'base', b.rolname))
        FROM pg_auth_members m JOIN pg_roles b ON b.oid = m.roleid JOIN pg_roles t ON t.oid = m.member
        WHERE r.oid IN (m.roleid, m.member)), '[]') AS pairs, least(
        current_setting('max_connections')::int - used.everywhere - CASE WHEN r.rolsuper THEN 0 ELSE
          ${reserved('superuser_reserved_connections')} + ${reserved('rds.rds_superuser_reserved_connections')} + CASE
            WHEN EXISTS (SELECT FROM pg_roles p WHERE p.rolname = 'pg_use_reserved_connections' AND pg_has_role(r.oid, p.oid, 'USAGE')) THEN 0
            ELSE ${reserved('reserved_connections')} END END,
        CASE WHEN r.rolconnlimit >= 0 AND NOT r.rolsuper THEN r.rolconnlimit - used.by_user END,
        CASE WHEN d.datconnlimit >= 0 AND r.rolsuper IS NOT TRUE THEN d.datconnlimit - used.in_database END)::int AS left
      FROM (SELECT count(*) AS everywhere, count(*) FILTER (WHERE usename = ${user}) AS by_user,
          count(*) FILTER (WHERE datname = ${database}) AS in_database
        FROM pg_stat_activity WHERE usesysid IS NOT NULL AND datid IS NOT NULL
        AND coalesce(backend_type, 'client backend') = 'client backend') used
      LEFT JOIN pg_roles r ON r.rolname = ${user} LEFT JOIN pg_database d ON d.datname = ${database}`;
}

/** A role that is a member of `base`, with its comment. */
type Commented = { name: string; comment: string | null; base: string };

/** A mark counts only at a member of the base that it names: state.ts says why. */
function ownersIn(member: Commented): string[] {
  return markAt(member).flatMap(({ base, secret }) => (base === member.base ? [secret] : []));
}
