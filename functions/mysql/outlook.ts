import { BlockList, isIP, isIPv4 } from 'node:net';
import { escape as literal } from 'mysql2';
import type { Account, Endpoint, Outlook } from '../../shared/database/engine.ts';
import { MARK } from '../../shared/database/mark.ts';
import type { MySqlSession } from './session.ts';

/** One query. */
export async function outlook(session: MySqlSession, account: Account, to: Endpoint): Promise<Outlook> {
  const isOwn = session.account.username === account.username && session.account.realm === account.realm;
  // The session's own account has just logged in, from here and in this way.
  return isOwn ? ofItself(session) : ofOther(session, account, to);
}

async function ofItself(session: MySqlSession): Promise<Outlook> {
  const [row] = await session.rows<Server & Own>(
    `SELECT ${ofServer(session)}, ${ofOwn(session)}, ${ownerOf(session)} AS owner`,
  );
  if (row === undefined) return { hasRoom: true };
  const isAtLimit = row.mostOwn !== 0 && row.own >= row.mostOwn;
  const owners = row.owner === null ? [] : [row.owner];
  return { readOnly: readOnly(row), hasRoom: row.threads < row.most && !isAtLimit, owners };
}

async function ofOther(session: MySqlSession, account: Account, to: Endpoint): Promise<Outlook> {
  const query = `SELECT ${ofServer(session)}, ${OF_ACCOUNT} ${from(account)}`;
  const [row] = await session.rows<Server & Requirements>(query);
  if (row === undefined) return { hasRoom: true };
  const unprovable = unmet(session, row, to) ?? elsewhere(row, account) ?? full(row);
  return { readOnly: readOnly(row), unprovable, hasRoom: row.threads < row.most };
}

type Server = {
  readOnly: unknown;
  innodbReadOnly: unknown;
  /** How many connections the server takes, and how many are open. */
  most: number;
  threads: number;
};

/**
 * super_read_only is not asked: it turns read_only on with it. transaction_read_only does not count,
 * because the session turns it off for itself.
 */
function ofServer({ isMariaDb }: MySqlSession): string {
  const status = isMariaDb ? 'information_schema.GLOBAL_STATUS' : 'performance_schema.global_status';
  return `@@global.read_only AS readOnly, @@global.innodb_read_only AS innodbReadOnly, @@global.max_connections AS most,
    (SELECT VARIABLE_VALUE + 0 FROM ${status} WHERE VARIABLE_NAME = 'Threads_connected') AS threads`;
}

/** How many connections the account may have (0: as many as it wants), and has. */
type Own = { mostOwn: number; own: number; owner: string | null };

function ofOwn({ account: { username } }: MySqlSession): string {
  return `@@session.max_user_connections AS mostOwn,
    (SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = ${literal(username)}) AS own`;
}

/** A user may read its own mark, and no other user's. */
function ownerOf({ isMariaDb, account: { username, realm } }: MySqlSession): string {
  if (isMariaDb) return 'NULL';
  return `(SELECT ATTRIBUTE->>'$."${MARK}".secret' FROM information_schema.USER_ATTRIBUTES
    WHERE USER = ${literal(username)} AND HOST = ${literal(realm)})`;
}

type Requirements = {
  /** '', ANY, X509 or SPECIFIED. Null if there is no such account yet. */
  requires: string | null;
  cipher: string;
  wantsCertificate: 0 | 1;
  secureTransport: unknown;
  /** The address or the name by which the server knows this function. */
  client: string;
};

const OF_ACCOUNT = `u.ssl_type AS requires, CONVERT(u.ssl_cipher USING utf8mb4) AS cipher,
  u.ssl_type = 'X509' OR LENGTH(u.x509_issuer) + LENGTH(u.x509_subject) > 0 AS wantsCertificate,
  @@global.require_secure_transport AS secureTransport, SUBSTRING_INDEX(USER(), '@', -1) AS client`;

function from({ username, realm }: Account): string {
  return `FROM (SELECT 1) one LEFT JOIN mysql.user u ON u.User = ${literal(username)} AND u.Host = ${literal(realm)}`;
}

/** 'OFF' instead of 0 since MariaDB 12. */
function isOn(variable: unknown): boolean {
  return Number(variable) !== 0 && variable !== 'OFF';
}

function readOnly({ readOnly, innodbReadOnly }: Server): string | undefined {
  const names = [isOn(readOnly) && 'read_only', isOn(innodbReadOnly) && 'innodb_read_only'].filter(Boolean);
  return names.length === 0 ? undefined : `is a replica or a reader endpoint (${names.join(', ')})`;
}

/** What the account or the server asks of a connection, and the function's has not. */
function unmet(
  session: MySqlSession,
  { requires, wantsCertificate, cipher, secureTransport }: Requirements,
  { tls }: Endpoint,
): string | undefined {
  if (wantsCertificate === 1)
    return `has to show a client certificate (REQUIRE ${requires === 'X509' ? requires : 'SUBJECT or ISSUER'}), and this function has none`;
  const who = isOn(secureTransport) ? 'require_secure_transport' : `REQUIRE ${cipher ? 'CIPHER' : 'SSL'}`;
  if (tls === 'off')
    return requires || isOn(secureTransport)
      ? `has to log in over TLS (${who}), and the secret says "ssl": false`
      : undefined;
  return cipher && session.cipher !== undefined && session.cipher !== cipher
    ? `has to log in with the cipher ${cipher} (REQUIRE CIPHER), and connections of this function get ${session.cipher}`
    : undefined;
}

function elsewhere({ client }: Requirements, { realm }: Account): string | undefined {
  return mayBeFrom(realm, client)
    ? undefined
    : `is for connections from "${realm}", and the server knows this function as ${client}`;
}

/** An admin may have the one connection that the server keeps for admins beyond its limit. */
function full({ threads, most }: Server): string | undefined {
  return threads > most ? `would find no connection left (max_connections: ${threads} of ${most} are open)` : undefined;
}

/**
 * Whether an account for this host may be for this client. True, too, if that cannot be told: the
 * server knows the client by its name, and the account is for an address.
 *
 * https://dev.mysql.com/doc/refman/9.7/en/account-names.html
 */
export function mayBeFrom(host: string, client: string): boolean {
  if (host === '') return true;
  const [net = '', mask] = host.split('/');
  const isAddress = isIP(client) !== 0;
  if (mask !== undefined) return !isAddress || isWithin(client, net, mask);
  if (!isAddress && /^[\d.%_:a-f]*$/i.test(host) && /[\d%]/.test(host)) return true;
  const pattern = host.replaceAll(/\\[%_]|[%_]|[^\w]/g, (part) => {
    if (part === '%') return '.*';
    return part === '_' ? '.' : `\\${part.at(-1)}`;
  });
  return new RegExp(`^${pattern}$`, 'is').test(client);
}

/** @param mask `16`, or `255.255.0.0` */
function isWithin(client: string, net: string, mask: string): boolean {
  const bits = isIPv4(mask)
    ? mask.split('.').reduce((all, part) => all + Number(part).toString(2).replaceAll('0', '').length, 0)
    : Number(mask);
  const family = isIPv4(net) ? 'ipv4' : 'ipv6';
  if (isIP(net) === 0 || isIPv4(net) !== isIPv4(client)) return false;
  const list = new BlockList();
  list.addSubnet(net, bits, family);
  return list.check(client, family);
}
