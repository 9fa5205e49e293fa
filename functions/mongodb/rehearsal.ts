/** What stands in for the server's checks in a rehearsal, in which no change is sent. */

import type { Document } from 'mongodb';
import type { Account } from '../../shared/database/engine.ts';
import type { Role } from './description.ts';
import { unlessUnknown } from './errors.ts';
import { mechanismsOf } from './password.ts';
import { type MayRun, type MongoSession, USERS_DATABASE } from './session.ts';

/**
 * Asks the server for the privileges of the session's own user, and judges commands by them. Every user
 * may ask for its own: https://www.mongodb.com/docs/manual/reference/command/connectionStatus/
 *
 * A server that does not list privileges lets every command pass. So does one that does not tell the
 * user's mechanisms: it is no MongoDB, and FerretDB's extension lists privileges without those over
 * users, although its users have them.
 */
export async function mayRunIn(session: MongoSession): Promise<MayRun> {
  const isMongoDb = (await mechanismsOf(session, session.account)) !== undefined;
  const query = { connectionStatus: 1, showPrivileges: true };
  const answer = isMongoDb ? await unlessUnknown(session.read(query, USERS_DATABASE)) : undefined;
  const privileges: Privilege[] | undefined = answer?.['authInfo']?.authenticatedUserPrivileges;
  if (privileges === undefined) return () => true;
  return (command, database) =>
    needsOf(command, database, session.account).every((actions) => actions.some((each) => isHeld(privileges, each)));
}

/** https://www.mongodb.com/docs/manual/reference/resource-document/ */
type Privilege = { resource: { db?: string; collection?: string; anyResource?: true }; actions: string[] };

type Action = { action: string; db: string };

/** What a command takes: of each list one action. */
function needsOf(command: Document, database: string, own: Account): Action[][] {
  const here = (...actions: string[]) => actions.map((action) => ({ action, db: database }));
  const onRoles = (action: string): Action[][] => command['roles'].map(({ db }: Role) => [{ action, db }]);
  const isOwn = command['updateUser'] === own.username && database === own.realm;
  const restrictions = 'authenticationRestrictions' in command ? [here('setAuthenticationRestriction')] : [];
  if ('grantRolesToUser' in command) return onRoles('grantRole');
  if ('revokeRolesFromUser' in command) return onRoles('revokeRole');
  if ('createUser' in command) return [here('createUser'), ...onRoles('grantRole'), ...restrictions];
  return [
    ...('pwd' in command ? [here('changePassword', ...(isOwn ? ['changeOwnPassword'] : []))] : []),
    ...('customData' in command ? [here('changeCustomData')] : []),
    ...restrictions,
  ];
}

/** An empty name of a database stands for all, and only a whole database's privilege is one over its users. */
function isHeld(privileges: readonly Privilege[], { action, db }: Action): boolean {
  return privileges.some(({ resource, actions }) => {
    const isThere = resource.anyResource || (resource.collection === '' && ['', db].includes(resource.db ?? db));
    return isThere && (actions.includes(action) || actions.includes('anyAction'));
  });
}
