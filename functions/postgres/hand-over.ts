import pg from 'pg';
import type { Pair } from '../../shared/database/engine.ts';
import { adminFailure } from './admin-rights.ts';
import { type PostgresSession, SINCE_16 } from './session.ts';

const { escapeIdentifier: name, escapeLiteral: literal } = pg;

/**
 * How long an admin waits for an object that somebody uses, in milliseconds. Kept short, because
 * whoever asks for the object after the admin waits behind it.
 */
const LONGEST_WAIT = 2000;

/**
 * Gives what the twin owns in one database to the base, and revokes what was granted to the twin
 * alone. Never DROP OWNED: it also drops row security policies that name only the twin.
 * @param there a session of the admin in that database
 * @param database its name; '' for what belongs to no database
 */
export async function handOver(there: PostgresSession, pair: Pair, database: string): Promise<void> {
  const place = database === '' ? '' : ` in database "${database}"`;
  const giveBack = await borrowRights(there, pair, place);
  await reassign(there, pair, place);
  // What follows, and REASSIGN OWNED itself, locks objects that the application may want to use.
  if (there.isRehearsing) return;
  for (const { revoke, revoking } of await grantsTo(there, pair.twin.username, place))
    await there.change(revoke, adminFailure(revoking), LONGEST_WAIT);
  // The server only warns an admin that may not revoke a right, or that revokes a right somebody
  // else has granted.
  const [left] = await grantsTo(there, pair.twin.username, place);
  if (left !== undefined) throw there.notAllowed(left.revoking);
  await giveBack();
}

/**
 * REASSIGN OWNED takes the rights of both roles. An admin without SUPERUSER grants itself those
 * that it lacks.
 * @returns what takes these rights from the admin again
 */
async function borrowRights(there: PostgresSession, pair: Pair, place: string): Promise<() => Promise<void>> {
  const [base, twin] = [name(pair.base.username), name(pair.twin.username)];
  // `own` is a grant of the role that the admin has given itself (createrole_self_grant, since
  // PostgreSQL 16). Borrowing overwrites that grant, so giving back restores it.
  // `through` is a role that makes the borrowed one a member of the admin: the server allows no circle.
  const borrowed = await there.rows<{ role: string; own: string | null; through: string | null }>(`
    SELECT rolname AS role, (SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
        WHERE m.member = r.oid AND g.rolname <> ${literal(pair.base.username)} AND NOT g.rolsuper
        AND pg_has_role(g.oid, current_user, 'MEMBER') LIMIT 1) AS through, (SELECT concat('INHERIT FALSE, SET ', to_jsonb(m)->>'set_option') FROM pg_auth_members m
        WHERE m.roleid = r.oid AND m.grantor = m.member AND m.member = (SELECT oid FROM pg_roles WHERE rolname = current_user)) AS own
      FROM pg_roles r WHERE rolname IN (${literal(pair.base.username)}, ${literal(pair.twin.username)})
      AND NOT pg_has_role(r.oid, 'USAGE')`);
  const isSince16 = there.version >= SINCE_16;
  const what = `have the rights of "${pair.base.username}" and "${pair.twin.username}" for a moment${place}`;
  for (const { role, through } of borrowed)
    if (through !== null) throw there.notAllowed({ what, cure: `REVOKE ${name(through)} FROM ${name(role)}` });
  const failure = adminFailure({ what, cure: `REASSIGN OWNED BY ${twin} TO ${base}${place}, by a superuser` });
  for (const { role } of borrowed)
    await there.change(
      `GRANT ${name(role)} TO CURRENT_USER${isSince16 ? ' WITH INHERIT TRUE, SET TRUE' : ''}`,
      failure,
    );
  return async () => {
    for (const { role, own } of borrowed)
      await there.change(
        own !== null && isSince16
          ? `GRANT ${name(role)} TO CURRENT_USER WITH ${own}`
          : `REVOKE ${name(role)} FROM CURRENT_USER${isSince16 ? ' GRANTED BY CURRENT_USER' : ''}`,
        failure,
      );
  };
}

async function reassign(there: PostgresSession, pair: Pair, place: string): Promise<void> {
  const [base, twin] = [name(pair.base.username), name(pair.twin.username)];
  const forSuperusers = await ownedBySuperusersOnly(there, pair);
  const closed = await schemasClosedToBase(there, pair);
  const opening = closed.length === 0 ? '' : `, or GRANT CREATE ON SCHEMA ${closed.join(', ')} TO ${base}`;
  const task = {
    what: `hand what "${pair.twin.username}" owns${place} to "${pair.base.username}"`,
    cure:
      forSuperusers.length > 0
        ? forSuperusers.join('; ')
        : `REASSIGN OWNED BY ${twin} TO ${base}${place}, by a superuser${opening}`,
  };
  if (!there.isRehearsing)
    return there.change(`REASSIGN OWNED BY ${twin} TO ${base}`, adminFailure(task), LONGEST_WAIT);
  if (forSuperusers.length > 0) throw there.notAllowed(task);
}

/**
 * What the twin owns here and the base, without SUPERUSER, cannot: event triggers, and subscriptions
 * before PostgreSQL 16. REASSIGN OWNED fails at them, whoever runs it.
 * @returns the statements that give them to the superuser who runs them
 */
async function ownedBySuperusersOnly(there: PostgresSession, pair: Pair): Promise<string[]> {
  const [base, twin] = [literal(pair.base.username), literal(pair.twin.username)];
  const subscriptions =
    there.version < SINCE_16
      ? `UNION ALL SELECT 'SUBSCRIPTION', subname, datname, subowner FROM pg_subscription JOIN pg_database d ON d.oid = subdbid`
      : '';
  const owned = await there.rows<{ type: string; name: string; database: string }>(`
    SELECT type, o.name, database FROM (SELECT 'EVENT TRIGGER' AS type, evtname AS name, current_database() AS database, evtowner AS owner
        FROM pg_event_trigger ${subscriptions}) o JOIN pg_roles t ON t.oid = owner
      WHERE t.rolname = ${twin} AND NOT EXISTS (SELECT FROM pg_roles b WHERE b.rolname = ${base} AND b.rolsuper)`);
  return owned.map(
    (each) => `ALTER ${each.type} ${name(each.name)} OWNER TO CURRENT_USER in database "${each.database}"`,
  );
}

/** The schemas here in which the twin owns something and the base may make nothing, quoted as identifiers. */
async function schemasClosedToBase(there: PostgresSession, pair: Pair): Promise<string[]> {
  const [base, twin] = [literal(pair.base.username), literal(pair.twin.username)];
  const found = await there.rows<{ schema: string }>(`
    SELECT DISTINCT i.schema FROM pg_shdepend s, pg_identify_object(s.classid, s.objid, 0) i
      WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o' AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = ${twin})
      AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND i.schema IS NOT NULL
      AND NOT has_schema_privilege(${base}, i.schema::regnamespace, 'CREATE') ORDER BY 1`);
  return found.map(({ schema }) => schema);
}

/** What REVOKE calls a type of object, by what pg_identify_object calls it. */
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

/**
 * What the twin was granted on objects of this database and on objects of no database. A grant on a
 * column counts as one on its table: revoking all rights on a table revokes those on its columns.
 */
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
