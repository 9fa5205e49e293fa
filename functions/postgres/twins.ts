import pg from 'pg';
import type { Secret } from '../../shared/core/secret.ts';
import type { AccountFacts, ByAdmin, Pair, PairState, Twins, UserState } from '../../shared/database/engine.ts';
import { type Borne, MARK, markOf, ownersOf } from '../../shared/database/mark.ts';
import { differencesIn, type Picture, type PostgresDifference, SINCE_16 } from './differences.ts';
import { scramVerifier } from './scram.ts';
import type { PostgresSession } from './session.ts';

const { escapeIdentifier: name, escapeLiteral: literal } = pg;

/**
 * The twin is a member of the base, and its sessions begin with SET ROLE base: what it makes belongs to the base, and what is granted to the
 * base is granted to it. What a membership does not carry (attributes, settings) is copied. All of it fits into the transaction of
 * `exclusively`, so a crash leaves nothing.
 */
export const twins: Twins<PostgresSession> = {
  state,

  async create(admin, pair) {
    const { username } = pair.twin;
    if ((await rolesNamed(admin, [username])).length > 0) return 'conflict';
    await admin.change(`CREATE ROLE ${name(username)} NOLOGIN`, {
      what: `make the role "${username}"`,
      cure: createRole(admin),
    });
    await twins.adopt(admin, pair);
    return 'created';
  },

  /** What people wrote in the comment stays in it. */
  async adopt(admin, pair) {
    const { username } = pair.twin;
    const [found] = await rolesNamed(admin, [username]);
    if (found?.comment?.split('\n').includes(lineOf(pair))) return;
    const comment = [found?.comment, lineOf(pair)].filter(Boolean).join('\n');
    await admin.change(`COMMENT ON ROLE ${name(username)} IS ${literal(comment)}`, {
      what: `comment on the role "${username}"`,
      cure: adminOption(admin, username),
    });
  },

  /** Beside the mark the membership without which that does not count. */
  adoption: (_, pair) => {
    const [base, twin] = [name(pair.base.username), name(pair.twin.username)];
    return `GRANT ${base} TO ${twin}; COMMENT ON ROLE ${twin} IS ${literal(lineOf(pair))}`;
  },

  differences: async (session, pair) => differencesIn(await picture(session, pair), pair, session.account.username),

  async apply(admin, pair, { what, sql, needs, holdingsIn }: PostgresDifference) {
    if (holdingsIn !== undefined)
      return admin.inDatabase(holdingsIn, entering(admin, pair, holdingsIn), (there) =>
        handOver(there, pair, holdingsIn),
      );
    // What nothing is known against stays, and is found again by whoever looks whether all is in line.
    if (sql === undefined) return;
    await admin.change(sql, {
      what: `settle ${what} of "${pair.twin.username}"`,
      cure: needs === undefined ? sql : cureFor(admin, pair, needs),
    });
  },

  enable: (admin, pair, which, to) => setPassword(admin, pair[which].username, to, which === 'twin' ? 'LOGIN ' : ''),
};

export const byAdmin: ByAdmin<PostgresSession> = {
  setPassword: (admin, { username }, to) => setPassword(admin, username, to),
  facts,
};

async function setPassword(admin: PostgresSession, username: string, to: Secret, options = ''): Promise<void> {
  const verifier = literal(await scramVerifier(to));
  await admin.change(`ALTER ROLE ${name(username)} ${options}PASSWORD ${verifier}`, {
    what: `set the password of "${username}"`,
    cure: `${adminOption(admin, username)}; and where rds.restrict_password_commands is on, membership in rds_password`,
    passwordOf: username,
  });
}

/** Of the admin alone: a twin that was made in this transaction is gone when a person reads it. */
function cureFor(admin: PostgresSession, { twin }: Pair, needs: NonNullable<PostgresDifference['needs']>): string {
  if ('role' in needs) return adminOption(admin, needs.role);
  if ('parameter' in needs) return `GRANT SET ON PARAMETER ${name(needs.parameter)} TO ${name(admin.opened.role)}`;
  const { role, version } = admin.opened;
  if (version >= SINCE_16)
    return `ALTER ROLE ${name(role)} ${needs.attribute}; and if it has that, ${adminOption(admin, twin.username)}`;
  return GIVEN_BY_CREATEROLE.has(needs.attribute) ? createRole(admin) : `ALTER ROLE ${name(role)} SUPERUSER`;
}

/** Before PostgreSQL 16, where superusers alone give the others. Since then whoever gives one has to have it. */
const GIVEN_BY_CREATEROLE = new Set(['CREATEDB', 'CREATEROLE']);

/** What a superuser has to run: since PostgreSQL 16 CREATEROLE covers only the roles that one made oneself. */
function adminOption(admin: PostgresSession, username: string): string {
  const { role, version } = admin.opened;
  return version < SINCE_16
    ? createRole(admin)
    : `GRANT ${name(username)} TO ${name(role)} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`;
}

function createRole(admin: PostgresSession): string {
  return `ALTER ROLE ${name(admin.opened.role)} CREATEROLE`;
}

/** One line of a role's comment, so that it can stand beside what people write there. */
const LINE = new RegExp(`^${MARK}: (\\{.*\\})$`, 'm');

function lineOf(pair: Pair): string {
  return `${MARK}: ${JSON.stringify(markOf(pair))}`;
}

type Commented = { name: string; comment: string | null };

function markAt({ name: username, comment }: Commented): Borne[] {
  try {
    const { secret, base } = JSON.parse(LINE.exec(comment ?? '')?.[1] ?? '{}');
    return typeof secret === 'string' && typeof base === 'string' ? [{ username, secret, base }] : [];
  } catch {
    return [];
  }
}

type Role = Commented & { barred: string | null; inert: boolean };

/** In the order in which they were made; names that no role has are left out. */
function rolesNamed(session: PostgresSession, names: readonly string[]): Promise<Role[]> {
  return session.rows<Role>(`
    SELECT r.rolname AS name, shobj_description(r.oid, 'pg_authid') AS comment,
      CASE WHEN NOT r.rolcanlogin THEN 'has no LOGIN' WHEN r.rolvaliduntil <= now() THEN 'has expired (VALID UNTIL)'
        WHEN NOT r.rolsuper AND EXISTS (SELECT FROM pg_roles i WHERE i.rolname = 'rds_iam' AND pg_has_role(r.oid, i.oid, 'MEMBER'))
        THEN 'is a member of rds_iam, so RDS lets it log in with IAM tokens only: REVOKE rds_iam' END AS barred,
      NOT r.rolcanlogin AND NOT (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls)
        AND NOT EXISTS (SELECT FROM pg_shdepend s WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid)
        AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)
        AND NOT EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.member
          WHERE m.roleid = r.oid AND g.rolname <> current_user) AS inert
    FROM pg_roles r WHERE r.rolname IN (${names.map(literal).join(', ')}) ORDER BY r.oid`);
}

/**
 * A mark that says that the pair is this secret's counts only at a member of the base: whoever may make roles may write anything on those, but not
 * make them members of other people's.
 */
async function state(admin: PostgresSession, pair: Pair): Promise<PairState> {
  const [base, twin] = [pair.base.username, pair.twin.username];
  const roles = await rolesNamed(admin, [base, twin]);
  const others = roles.flatMap(markAt).filter((mark) => mark.secret !== pair.owner || mark.base !== base);
  const owners = ownersOf(pair, [...others, ...(await claimsOn(admin, base))]);
  const found = (username: string, owner: string | undefined): UserState | undefined => {
    const role = roles.find((each) => each.name === username);
    return role && { owner, inert: role.inert, barred: role.barred ?? undefined };
  };
  return { base: found(base, owners.base), twin: found(twin, owners.twin) };
}

/** The marks of its members that name this base. */
async function claimsOn(session: PostgresSession, base: string): Promise<Borne[]> {
  const members = await session.rows<Commented>(`
    SELECT t.rolname AS name, shobj_description(t.oid, 'pg_authid') AS comment
      FROM pg_auth_members m JOIN pg_roles b ON b.oid = m.roleid JOIN pg_roles t ON t.oid = m.member
      WHERE b.rolname = ${literal(base)}`);
  return members.flatMap(markAt).filter((mark) => mark.base === base);
}

/** One statement, so that it is one moment. What an object in another database is called can only be known there. */
async function picture(session: PostgresSession, pair: Pair): Promise<Picture> {
  const [base, twin] = [literal(pair.base.username), literal(pair.twin.username)];
  const oid = (role: string) => `(SELECT oid FROM pg_roles WHERE rolname = ${role})`;
  const list = (select: string) => `(SELECT coalesce(json_agg(x), '[]') FROM (${select}) x)`;
  const options = `to_jsonb(m) - array['oid', 'roleid', 'member', 'grantor'] AS options`;
  const grantor = '(SELECT rolname FROM pg_roles WHERE oid = m.grantor) AS grantor';
  const [row] = await session.rows<{ picture: Picture }>(`
    SELECT json_build_object(
      'database', current_database(), 'actsAs', current_user, 'version', current_setting('server_version_num')::int,
      'roles', (SELECT json_object_agg(rolname, to_jsonb(r) - array['oid', 'rolname', 'rolpassword', 'rolconfig', 'rolcanlogin'])
        FROM pg_roles r WHERE rolname IN (${base}, ${twin})),
      'memberships', ${list(`SELECT g.rolname AS role, ${grantor}, ${options},
        pg_has_role(${oid(base)}, g.oid, 'MEMBER') AS "heldByBase",
        pg_has_role(${oid(base)}, g.oid, 'MEMBER WITH ADMIN OPTION') AS "administeredByBase"
        FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = ${oid(twin)}`)},
      'members', ${list(`SELECT g.rolname AS role, ${grantor}, ${options}
        FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.member WHERE m.roleid = ${oid(twin)}`)},
      'settings', ${list(`SELECT r.rolname AS role, coalesce(d.datname, '') AS database, entry
        FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase,
        unnest(s.setconfig) entry WHERE r.rolname IN (${base}, ${twin})`)},
      'holdings', ${list(`SELECT coalesce(d.datname, '') AS database, count(*)::int AS count,
        concat(s.deptype, CASE s.classid WHEN 'pg_default_acl'::regclass THEN 'd' WHEN 'pg_user_mapping'::regclass THEN 'm' END) AS kind,
        (array_agg(CASE WHEN s.dbid = 0 OR d.datname = current_database()
          THEN pg_describe_object(s.classid, s.objid, s.objsubid) END))[1:3] AS examples
        FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
        WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = ${oid(twin)} GROUP BY database, kind`)}) AS picture`);
  return (row as { picture: Picture }).picture;
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

function entering({ account }: PostgresSession, { twin }: Pair, database: string) {
  return {
    what: `enter the database "${database}", in which "${twin.username}" has something of its own`,
    cure:
      `GRANT CONNECT ON DATABASE ${name(database)} TO ${name(account.username)}, and where the database takes no connections ` +
      `ALTER DATABASE ${name(database)} ALLOW_CONNECTIONS true`,
  };
}

/**
 * In one database: what the twin owns goes to the base, and what was granted to it alone is revoked. An admin that is no superuser needs
 * the rights of both for a moment. Never DROP OWNED: it drops policies that name the twin alone.
 */
async function handOver(there: PostgresSession, pair: Pair, database: string): Promise<void> {
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
      borrowing,
    );
  await there.change(`REASSIGN OWNED BY ${twin} TO ${base}`, {
    what: `hand what "${pair.twin.username}" owns${place} to "${pair.base.username}"`,
    cure: `REASSIGN OWNED BY ${twin} TO ${base}${place}, by a superuser, or GRANT CREATE ON the SCHEMA TO ${base}`,
    isBrief: true,
  });
  for (const { revoke, revoking } of await grantsTo(there, pair.twin.username, place))
    await there.change(revoke, { ...revoking, isBrief: true });
  // Who may not revoke, or what somebody else has granted, is answered with a warning.
  const [left] = await grantsTo(there, pair.twin.username, place);
  if (left !== undefined) throw there.notAllowed(left.revoking);
  for (const { role, own } of borrowed)
    await there.change(
      own !== null && isSince16
        ? `GRANT ${name(role)} TO CURRENT_USER WITH ${own}`
        : `REVOKE ${name(role)} FROM CURRENT_USER${isSince16 ? ' GRANTED BY CURRENT_USER' : ''}`,
      borrowing,
    );
}

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

/** Roles that reach beyond the database. */
const POWERFUL = [
  'pg_execute_server_program',
  'pg_write_server_files',
  'pg_read_server_files',
  'rds_superuser',
  'rds_replication',
];

async function facts(admin: PostgresSession, username: string): Promise<AccountFacts | undefined> {
  const [role] = await rolesNamed(admin, [username]);
  if (role === undefined) return undefined;
  const [powerful] = await admin.rows<{ power: string }>(`
    SELECT CASE WHEN p.oid = r.oid THEN 'has ' ELSE 'is a member of "' || p.rolname || '", which has ' END ||
        CASE WHEN p.rolsuper THEN 'SUPERUSER' WHEN p.rolcreaterole THEN 'CREATEROLE' WHEN p.rolreplication THEN 'REPLICATION'
          WHEN p.rolbypassrls THEN 'BYPASSRLS' ELSE 'rights beyond the database' END AS power
      FROM pg_roles r JOIN pg_roles p ON pg_has_role(r.oid, p.oid, 'MEMBER')
      WHERE r.rolname = ${literal(username)} AND (p.rolsuper OR p.rolcreaterole OR p.rolreplication
        OR p.rolbypassrls OR p.rolname IN (${POWERFUL.map(literal).join(', ')}))
      ORDER BY p.oid <> r.oid LIMIT 1`);
  return {
    account: { username, realm: '' },
    privileged: powerful?.power,
    barred: role.barred ?? undefined,
    owners: [...markAt(role), ...(await claimsOn(admin, username))].map(({ secret }) => secret),
  };
}
