import { isDeepStrictEqual } from 'node:util';
import type { Document } from 'mongodb';
import type { Difference, Pair } from '../../shared/database/engine.ts';
import { MARK } from '../../shared/database/mark.ts';
import type { Restriction, Role, User } from './description.ts';
import { shell } from './shell.ts';

export type MongoDifference = Difference & {
  /** Settles the difference. */
  command: Document;
  /** The role that lets the admin settle it. */
  needs: Role;
};

type Names = { base: string; twin: string; realm: string };

/**
 * What differs between base and twin. Pure: works on what the server says of both. A mechanism that
 * the twin lacks is no difference, because it can only be set together with the password.
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

/** Roles that `one` has and `other` lacks, each with the command that grants it to the twin. */
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

/** A role that the twin has and the base lacks. */
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

/** Sorted, because the order of addresses means nothing. */
function asText({ clientSource = [], serverAddress = [] }: Restriction): string {
  return JSON.stringify([[...new Set(clientSource)].sort(), [...new Set(serverAddress)].sort()]);
}

/**
 * Takes mechanisms from the twin that the base lacks. Without a password, mechanisms can only be
 * taken, and not all of them.
 */
function mechanisms(base: User, twin: User, names: Names): MongoDifference[] {
  const wanted = base.mechanisms ?? [];
  const kept = (twin.mechanisms ?? []).filter((each) => wanted.includes(each));
  if (kept.length === 0 || kept.length === twin.mechanisms?.length) return [];
  return setting('its mechanisms of authentication', { mechanisms: kept }, names);
}

/** Compares all but the mark, which is the twin's own. */
function customData(base: User, twin: User, names: Names): MongoDifference[] {
  const { [MARK]: _, ...wanted } = base.customData;
  const { [MARK]: mark, ...has } = twin.customData;
  if (isDeepStrictEqual(wanted, has)) return [];
  const merged = { ...wanted, ...(mark !== undefined && { [MARK]: mark }) };
  // No statement for a person: customData may hold anything, and would show in the error.
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
