import type { Document } from 'mongodb';

/**
 * Actions with which a user rules over other users:
 * https://www.mongodb.com/docs/manual/reference/privilege-actions/
 */
const POWERS = new Set([
  'anyAction',
  'internal',
  'impersonate',
  'applyOps',
  'createUser',
  'dropUser',
  'changePassword',
  'changeCustomData',
  'grantRole',
  'revokeRole',
  'createRole',
  'dropRole',
  'setAuthenticationRestriction',
]);

/**
 * Roles that include such actions, for servers that do not list privileges:
 * https://www.mongodb.com/docs/manual/reference/built-in-roles/
 */
const POWERFUL = new Set(['root', '__system', 'userAdmin', 'userAdminAnyDatabase', 'dbOwner', 'restore']);

/** What makes a user too powerful for an admin to set its password. */
export function powerIn({ roles = [], inheritedRoles = [], inheritedPrivileges = [] }: Document): string | undefined {
  const role = [...roles, ...inheritedRoles].find((each: Document) => POWERFUL.has(each['role']));
  if (role !== undefined) return `has the role ${role['role']}`;
  const action = inheritedPrivileges
    .flatMap(({ actions }: Document) => actions)
    .find((each: string) => POWERS.has(each));
  return action === undefined ? undefined : `may ${action}`;
}
