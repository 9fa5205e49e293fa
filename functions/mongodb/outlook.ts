import { BlockList, isIP, isIPv4 } from 'node:net';
import type { Document } from 'mongodb';
import type { Account, Outlook } from '../../shared/database/engine.ts';
import { unlessUnknown } from './errors.ts';
import type { MongoSession } from './session.ts';

/**
 * Asks for the addresses to which authentication restrictions bind another account than the session's
 * own, and, if there are any, for the address by which the server knows this function: two commands
 * at most. The session's own account has just logged in from here.
 *
 * A server that is not the primary has been refused at the login, and takes no writes from anybody.
 * How many connections are left is told to operators only.
 */
export async function outlook(session: MongoSession, { username, realm }: Account): Promise<Outlook> {
  const possible = { hasRoom: true };
  if (session.account.username === username && session.account.realm === realm) return possible;
  const query = { usersInfo: { user: username, db: realm }, showAuthenticationRestrictions: true };
  const [user] = (await unlessUnknown(session.read(query, realm)))?.['users'] ?? [];
  const restrictions = user === undefined ? [] : restrictionsOf(user);
  if (restrictions.length === 0) return possible;
  const client = String((await unlessUnknown(session.read({ whatsmyip: 1 }, 'admin')))?.['you']).replace(/:\d+$/, '');
  const unmet = isIP(client) === 0 ? undefined : restrictions.find((sources) => !isWithin(client, sources));
  if (unmet === undefined) return possible;
  return {
    ...possible,
    unprovable: `may log in from ${unmet.join(', ')} only (authenticationRestrictions), and the server knows this function as ${client}`,
  };
}

/**
 * Ranges of addresses, each list of which has to have the client's: that of the user, and those of its
 * roles. Within a list one range is enough. A list with a restriction that says nothing of clients
 * lets all in.
 * https://www.mongodb.com/docs/manual/reference/command/usersInfo/
 */
function restrictionsOf({ authenticationRestrictions, inheritedAuthenticationRestrictions }: Document): string[][] {
  const lists = [...listsIn(authenticationRestrictions), ...listsIn(inheritedAuthenticationRestrictions)];
  return lists
    .filter((list) => list.every(({ clientSource = [] }) => clientSource.length > 0))
    .map((list) => list.flatMap(({ clientSource }) => clientSource));
}

/** The innermost lists of documents: servers nest them differently deep. */
function listsIn(nested: unknown): Document[][] {
  if (!Array.isArray(nested) || nested.length === 0) return [];
  return nested.some(Array.isArray) ? nested.flatMap(listsIn) : [nested];
}

function isWithin(client: string, ranges: readonly string[]): boolean {
  const family = isIPv4(client) ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  for (const range of ranges) {
    const [net = '', bits] = range.split('/');
    if (isIP(net) === 0 || isIPv4(net) !== isIPv4(client)) continue;
    list.addSubnet(net, Number(bits ?? (family === 'ipv4' ? 32 : 128)), family);
  }
  return list.check(client, family);
}
