import { isDeepStrictEqual } from 'node:util';
import type { Document } from 'mongodb';
import type { Difference, Pair } from '../../shared/database/engine.ts';
import { MARK } from '../../shared/database/mark.ts';
import type { Restriction, Role, User } from './description.ts';
import { shell } from './shell.ts';

export type MongoDifference = Difference & {
  /** Brings the twin in line. */
  command: Document;
  /** What an admin needs for that: a role in this database. */
  needs: Role;
};

type Names = { base: string; twin: string; realm: string };

/**
 * What has to change so that the twin is as the base. Not which mechanisms it lacks: they come with a password only. Pure: from what the server says of the
 * two to the commands.
 */
export function differencesIn(base: User, twin: User, pair: Pair): MongoDifference[] {
  const names = { base: pair.base.username, twin: pair.twin.username, realm: pair.base.realm };
  return [
    ...missingRoles(base, twin, names),
    ...restrictions(base, twin, names),
    ...mechanisms(base, twin, names),
    ...customData(base, twin, names),
    ...missingRoles(twin, base, names).map((missing) => excess(missing, names)),
  ];
}

/** Those of the first that the second lacks, granted to the twin. */
function missingRoles(one: User, other: User, { twin, realm }: Names): MongoDifference[] {
  return one.roles
    .filter((role) => !other.roles.some((has) => isSameRole(has, role)))
    .map(({ role, db }) => ({
      kind: 'less',
      what: `the role "${role}" of the database "${db}"`,
      remedies: [shell(realm, 'grantRolesToUser', twin, [{ role, db }])],
      command: { grantRolesToUser: twin, roles: [{ role, db }] },
      needs: { role: 'userAdmin', db },
    }));
}

function isSameRole(one: Role, other: Role): boolean {
  return one.role === other.role && one.db === other.db;
}

function excess({ what, command: { roles }, needs }: MongoDifference, { base, twin, realm }: Names): MongoDifference {
  return {
    kind: 'more',
    what,
    remedies: [shell(realm, 'grantRolesToUser', base, roles), shell(realm, 'revokeRolesFromUser', twin, roles)],
    command: { revokeRolesFromUser: twin, roles },
    needs,
  };
}

function restrictions(base: User, twin: User, names: Names): MongoDifference[] {
  if (
    base.restrictions === undefined ||
    isSameSet(base.restrictions.map(asText), (twin.restrictions ?? []).map(asText))
  )
    return [];
  return setting('its authentication restrictions', { authenticationRestrictions: base.restrictions }, names);
}

/** The order of addresses, and of the restrictions, means nothing. */
function asText({ clientSource = [], serverAddress = [] }: Restriction): string {
  return JSON.stringify([[...new Set(clientSource)].sort(), [...new Set(serverAddress)].sort()]);
}

/** Without a password they can only get fewer, and not none. */
function mechanisms(base: User, twin: User, names: Names): MongoDifference[] {
  const wanted = base.mechanisms ?? [];
  const kept = (twin.mechanisms ?? []).filter((each) => wanted.includes(each));
  if (kept.length === 0 || kept.length === twin.mechanisms?.length) return [];
  return setting('its mechanisms of authentication', { mechanisms: kept }, names);
}

/** All but the mark, which is the twin's own. */
function customData(base: User, twin: User, names: Names): MongoDifference[] {
  const { [MARK]: _, ...wanted } = base.customData;
  const { [MARK]: mark, ...has } = twin.customData;
  if (isDeepStrictEqual(wanted, has)) return [];
  const merged = { ...wanted, ...(mark !== undefined && { [MARK]: mark }) };
  // It may be anything, and is nobody's business: no statement for a person.
  return setting('its customData', { customData: merged }, names).map((each) => ({ ...each, remedies: [] }));
}

function setting(what: string, fields: Document, { twin, realm }: Names): MongoDifference[] {
  return [
    {
      kind: 'setting',
      what,
      remedies: [shell(realm, 'updateUser', twin, fields)],
      command: { updateUser: twin, ...fields },
      needs: { role: 'userAdmin', db: realm },
    },
  ];
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return isDeepStrictEqual(new Set(one), new Set(other));
}
