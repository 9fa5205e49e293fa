import pg from 'pg';
import type { Pair } from '../../shared/database/engine.ts';
import { adminFailure } from './admin-rights.ts';
import { type PostgresSession, SINCE_16 } from './session.ts';

const { escapeIdentifier: name, escapeLiteral: literal } = pg;

/** How long an admin waits for objects that somebody uses, in milliseconds: whoever comes after it waits too. */
const BRIEFLY = 2000;

/**
 * In one database: what the twin owns goes to the base, and what was granted to it alone is revoked. An admin that is no superuser needs
 * the rights of both for a moment. Never DROP OWNED: it drops policies that name the twin alone.
 */
export async function handOver(there: PostgresSession, pair: Pair, database: string): Promise<void> {
  const [base, twin] = [name(pair.base.username), name(pair.twin.username)];
  const place = database === '' ? '' : ` in database "${database}"`;
  // `own` is what the admin has granted itself (createrole_self_grant, since PostgreSQL 16): the loan takes its place.
  const borrowed = await there.rows<{ role: string; own: string | null }>(`
    SELECT rolname AS role, (SELECT concat('INHERIT FALSE, SET ', to_jsonb(m)->>'set_option') FROM pg_auth_members m
        WHERE m.roleid = r.oid AND m.grantor = m.member AND m.member = (SELECT oid FROM pg_roles WHERE rolname = current_user)) AS own
      FROM pg_roles r WHERE rolname IN (${literal(pair.base.username)}, ${literal(pair.twin.username)})
      AND NOT pg_has_role(r.oid, 'USAGE')`);
  const isSince16 = there.opened.version >= SINCE_16;
  const borrowing = {
    what: `have the rights of "${pair.base.username}" and "${pair.twin.username}" for a moment${place}`,
    cure: `REASSIGN OWNED BY ${twin} TO ${base}${place}, by a superuser`,
  };
  for (const { role } of borrowed)
    await there.change(
      `GRANT ${name(role)} TO CURRENT_USER${isSince16 ? ' WITH INHERIT TRUE, SET TRUE' : ''}`,
      adminFailure(borrowing),
    );
  const reassigning = {
    what: `hand what "${pair.twin.username}" owns${place} to "${pair.base.username}"`,
    cure: `REASSIGN OWNED BY ${twin} TO ${base}${place}, by a superuser, or GRANT CREATE ON the SCHEMA TO ${base}`,
  };
  await there.change(`REASSIGN OWNED BY ${twin} TO ${base}`, adminFailure(reassigning), BRIEFLY);
  for (const { revoke, revoking } of await grantsTo(there, pair.twin.username, place))
    await there.change(revoke, adminFailure(revoking), BRIEFLY);
  // Who may not revoke, or what somebody else has granted, is answered with a warning.
  const [left] = await grantsTo(there, pair.twin.username, place);
  if (left !== undefined) throw there.notAllowed(left.revoking);
  for (const { role, own } of borrowed)
    await there.change(
      own !== null && isSince16
        ? `GRANT ${name(role)} TO CURRENT_USER WITH ${own}`
        : `REVOKE ${name(role)} FROM CURRENT_USER${isSince16 ? ' GRANTED BY CURRENT_USER' : ''}`,
      adminFailure(borrowing),
    );
}

/** What is to be called how in REVOKE, by pg_identify_object's word for it. */
const REVOKABLE: Readonly<Record<string, string>> = {
  table: 'TABLE',
  view: 'TABLE',
  'materialized view': 'TABLE',
  'foreign table': 'TABLE',
  sequence: 'SEQUENCE',
  schema: 'SCHEMA',
  function: 'ROUTINE',
  procedure: 'ROUTINE',
  aggregate: 'ROUTINE',
  type: 'TYPE',
  language: 'LANGUAGE',
  'foreign-data wrapper': 'FOREIGN DATA WRAPPER',
  server: 'FOREIGN SERVER',
  database: 'DATABASE',
  tablespace: 'TABLESPACE',
  'large object': 'LARGE OBJECT',
  'parameter ACL': 'PARAMETER',
};

/** Of this database and of none; a column's grants go with its table's. */
async function grantsTo(there: PostgresSession, twin: string, place: string) {
  const grants = await there.rows<{ type: string; identity: string }>(`
    SELECT DISTINCT i.type, i.identity FROM pg_shdepend s, pg_identify_object(s.classid, s.objid, 0) i
      WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'a' AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = ${literal(twin)})
      AND s.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))`);
  return grants
    .filter(({ type }) => type in REVOKABLE)
    .map(({ type, identity }) => {
      const revoke = `REVOKE ALL ON ${REVOKABLE[type]} ${identity} FROM ${name(twin)}`;
      const cure = `${revoke}${place}, by who granted it, and what "${twin}" has granted on it to others likewise`;
      return { revoke, revoking: { what: `revoke what "${twin}" was granted on ${identity}${place}`, cure } };
    });
}
