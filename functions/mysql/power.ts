import { grantsOf } from './description.ts';
import { databasesOf, EVERYWHERE, type Grants } from './grants.ts';
import type { MySqlSession } from './session.ts';

/**
 * What makes these grants too powerful for an admin to set the password: a privilege of the
 * account, or of a role that it can take.
 */
export async function powerOf(admin: MySqlSession, grants: Grants): Promise<string | undefined> {
  const own = powerIn(grants);
  if (own !== undefined) return `holds ${own}`;
  const seen = new Set<string>();
  const roles = [...grants.roles.keys()];
  for (let role = roles.shift(); role !== undefined; role = roles.shift()) {
    if (seen.has(role)) continue;
    seen.add(role);
    const inherited = await grantsOf(admin, role);
    const power = powerIn(inherited);
    if (power !== undefined) return `has the role ${role}, which holds ${power}`;
    roles.push(...inherited.roles.keys());
  }
  return undefined;
}

/**
 * Privileges that do no harm on *.* or on the database mysql. Any other one leads to the rights of
 * others, or can stop the server.
 *
 * SELECT is harmless, although it reads the password hashes: users for reports and exports hold it,
 * and nobody can log in with a hash. EXECUTE is not: a routine runs with the rights of its definer,
 * and on RDS the routines mysql.rds_* belong to the owner of the server.
 * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.MySQL.SQLRef.html
 */
const HARMLESS = new Set([
  'SELECT',
  'SHOW DATABASES',
  'SHOW VIEW',
  'SHOW CREATE ROUTINE',
  'PROCESS',
  'LOCK TABLES',
  'CREATE TEMPORARY TABLES',
  'REPLICATION CLIENT',
  'BINLOG MONITOR',
  'SLAVE MONITOR',
  'FLUSH_OPTIMIZER_COSTS',
  'FLUSH_STATUS',
  'FLUSH_TABLES',
  'SHOW_ROUTINE',
  'XA_RECOVER_ADMIN',
]);

/**
 * The first right that is more than an application's right on its data; undefined if there is none.
 */
export function powerIn({ levels, dynamic, roles, proxies, unread }: Grants): string | undefined {
  if (unread > 0) return 'something that this function cannot read in SHOW GRANTS';
  for (const [object, { privileges, grantable }] of levels) {
    if (object !== EVERYWHERE && !coversMysql(object)) continue;
    const power = [...privileges].find((name) => !HARMLESS.has(name.replace(/ \(.*/s, '')));
    if (power !== undefined || grantable) return `${power ?? 'GRANT OPTION'} on ${object}`;
  }
  const power = [...dynamic.keys()].find((name) => !HARMLESS.has(name));
  if (power !== undefined) return `${power} on *.*`;
  const [administered] = [...roles].find(([, withAdminOption]) => withAdminOption) ?? [];
  if (administered !== undefined) return `ADMIN OPTION on the role ${administered}`;
  const [proxied] = proxies.keys();
  return proxied === undefined ? undefined : `PROXY on ${proxied}`;
}

/** Whether the object is, or a pattern matches, the database mysql or something in it. */
function coversMysql(object: string): boolean {
  return databasesOf(object, 'is').test('mysql');
}
