/** What brings a twin in line on MongoDB, in a model of the commands: no server. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Document } from 'mongodb';
import { type Role, type User, usersIn } from '../../../../functions/mongodb/description.ts';
import { differencesIn, type MongoDifference } from '../../../../functions/mongodb/differences.ts';
import type { Pair } from '../../../../shared/database/engine.ts';
import { MARK as MARK_KEY } from '../../../../shared/database/mark.ts';

const PAIR: Pair = {
  base: { username: 'app', realm: 'admin' },
  twin: { username: 'app_clone', realm: 'admin' },
  owner: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf',
};
const MARK = { [MARK_KEY]: { secret: PAIR.owner, base: 'app' } };
const MECHANISMS = ['SCRAM-SHA-1', 'SCRAM-SHA-256'];

/** What the manual says that a command does to the user it names: https://www.mongodb.com/docs/manual/reference/command/nav-user-management/ */
function applied(user: User, command: Document): User {
  const same = (one: Role) => (other: Role) => one.role === other.role && one.db === other.db;
  const named: Role[] = command['roles'] ?? [];
  if ('grantRolesToUser' in command)
    return { ...user, roles: [...user.roles, ...named.filter((role) => !user.roles.some(same(role)))] };
  if ('revokeRolesFromUser' in command) return { ...user, roles: user.roles.filter((role) => !named.some(same(role))) };
  const { updateUser: _, authenticationRestrictions, mechanisms, customData, ...rest } = command;
  expect(rest).toEqual({});
  // Without a password the mechanisms can only get fewer.
  if (mechanisms) expect(user.mechanisms).toEqual(expect.arrayContaining(mechanisms));
  return {
    ...user,
    ...(authenticationRestrictions && { restrictions: authenticationRestrictions }),
    ...(mechanisms && { mechanisms }),
    ...(customData && { customData }),
  };
}

const differences = (base: User, twin: User) => differencesIn(base, twin, PAIR);

/** In the order in which the core applies them. */
function converged(base: User, twin: User): { twin: User; steps: User[] } {
  const found = differences(base, twin);
  const inOrder = (['less', 'setting', 'more'] as const).flatMap((kind) => found.filter((each) => each.kind === kind));
  const steps: User[] = [];
  for (const { command } of inOrder) steps.push(applied(steps.at(-1) ?? twin, command));
  return { twin: steps.at(-1) ?? twin, steps };
}

const role = fc.record({
  role: fc.constantFrom('read', 'readWrite', 'dbAdmin', 'of our own', '__proto__'),
  db: fc.constantFrom('admin', 'app', 'other', '"quoted"'),
});
const roles = fc.uniqueArray(role, { selector: ({ role, db }) => `${role} ${db}` });
const address = fc.constantFrom('127.0.0.1', '10.0.0.0/8', '::1', '192.0.2.0/24');
const restriction = fc.record(
  { clientSource: fc.array(address), serverAddress: fc.array(address) },
  { requiredKeys: [] },
);
const mechanisms = fc.subarray(MECHANISMS, { minLength: 1 });
/** As JSON: what people keep there may be any document, and none of it is looked at. */
const customData = fc.dictionary(
  fc.string().filter((key) => key !== MARK_KEY && key !== '__proto__'),
  fc.jsonValue(),
);

const base: fc.Arbitrary<User> = fc.record({ roles, restrictions: fc.array(restriction), mechanisms, customData });
const twin = fc.tuple(base, fc.boolean()).map(([user, isMarked]) => ({
  ...user,
  customData: { ...user.customData, ...(isMarked && MARK) },
}));
/** A server that knows neither restrictions nor mechanisms nor customData, as DocumentDB and FerretDB. */
const poor = roles.map(
  (held): User => ({
    roles: held,
    restrictions: undefined,
    mechanisms: undefined,
    customData: {},
  }),
);

const kinds = (found: readonly MongoDifference[]) => found.map(({ kind, what }) => `${kind}: ${what}`);

describe('what the twin differs in', () => {
  test.each([
    ['a server that knows all', base, twin],
    ['a server that knows roles only', poor, poor],
  ])('is settled by the commands, on %s', (_, ofBase, ofTwin) => {
    fc.assert(
      fc.property(ofBase, ofTwin, (one, other) => {
        const { twin: after } = converged(one, other);

        expect(differences(one, after)).toEqual([]);
        expect(new Set(after.roles.map(({ role, db }) => `${role} ${db}`))).toEqual(
          new Set(one.roles.map(({ role, db }) => `${role} ${db}`)),
        );
        if (one.restrictions) expect(after.restrictions?.length === 0).toBe(one.restrictions.length === 0);
        const { [MARK_KEY]: mark, ...rest } = after.customData;
        expect(rest).toEqual(one.customData);
        expect(mark).toEqual(other.customData[MARK_KEY]);
      }),
      { numRuns: 500 },
    );
  });

  test('is nothing where nothing differs, in whatever order it is said', () => {
    fc.assert(
      fc.property(base, (one) => {
        const turned: User = {
          ...one,
          roles: one.roles.toReversed(),
          restrictions: one.restrictions?.toReversed().map(({ clientSource, ...more }) => ({
            ...more,
            ...(clientSource && { clientSource: [...clientSource, ...clientSource].reverse() }),
          })),
          mechanisms: one.mechanisms?.toReversed(),
          customData: { ...one.customData, ...MARK },
        };
        expect(differences(one, turned)).toEqual([]);
      }),
    );
  });

  test('never takes a role from the twin that the base has, on the way', () => {
    fc.assert(
      fc.property(base, twin, (one, other) => {
        const both = other.roles.filter((held) =>
          one.roles.some((has) => has.role === held.role && has.db === held.db),
        );
        for (const { roles: now } of converged(one, other).steps)
          expect(now).toEqual(expect.arrayContaining([...both]));
      }),
    );
  });

  test('is named, with what a person can choose from', () => {
    const has = (...held: Role[]): User => ({ roles: held, restrictions: [], mechanisms: MECHANISMS, customData: {} });
    const reads = { role: 'read', db: 'app' };
    const writes = { role: 'readWrite', db: 'app' };

    expect(differences(has(reads), has(writes))).toEqual([
      {
        kind: 'less',
        what: 'the role "read" of the database "app"',
        remedies: ['db.getSiblingDB("admin").grantRolesToUser("app_clone", [{"role":"read","db":"app"}])'],
        command: { grantRolesToUser: 'app_clone', roles: [reads] },
        needs: { role: 'userAdmin', db: 'app' },
      },
      {
        kind: 'more',
        what: 'the role "readWrite" of the database "app"',
        remedies: [
          'db.getSiblingDB("admin").grantRolesToUser("app", [{"role":"readWrite","db":"app"}])',
          'db.getSiblingDB("admin").revokeRolesFromUser("app_clone", [{"role":"readWrite","db":"app"}])',
        ],
        command: { revokeRolesFromUser: 'app_clone', roles: [writes] },
        needs: { role: 'userAdmin', db: 'app' },
      },
    ]);
  });

  test('is customData without a word of it: anything may stand there', () => {
    const keeping = (kept: Document): User => ({
      roles: [],
      restrictions: [],
      mechanisms: MECHANISMS,
      customData: kept,
    });
    const found = differences(keeping({ token: 'private' }), keeping({ card: 'of a person' }));

    expect(kinds(found)).toEqual(['setting: its customData']);
    for (const { what, remedies } of found) expect([what, ...remedies].join()).not.toMatch(/token|private|card|person/);
  });

  test('is no mechanism that only a password can bring', () => {
    const by = (...held: string[]): User => ({ roles: [], restrictions: [], mechanisms: held, customData: {} });

    expect(differences(by('SCRAM-SHA-256'), by('SCRAM-SHA-1'))).toEqual([]);
    expect(differences(by(...MECHANISMS), by('SCRAM-SHA-1'))).toEqual([]);
    expect(kinds(differences(by('SCRAM-SHA-256'), by(...MECHANISMS)))).toEqual([
      'setting: its mechanisms of authentication',
    ]);
  });
});

describe('an answer to usersInfo', () => {
  test('as MongoDB’s manual shows it', () => {
    // https://www.mongodb.com/docs/manual/reference/command/usersInfo/
    const answer = {
      users: [
        {
          _id: 'products.appAdmin',
          userId: '00000000-0000-4000-8000-000000000000',
          user: 'appAdmin',
          db: 'products',
          mechanisms: MECHANISMS,
          customData: { unit: 'web' },
          roles: [{ role: 'readWrite', db: 'products' }],
          authenticationRestrictions: [{ clientSource: ['192.0.2.0/24'] }],
          inheritedRoles: [{ role: 'readWrite', db: 'products' }],
        },
      ],
      ok: 1,
    };
    expect(usersIn(answer)).toEqual([
      {
        roles: [{ role: 'readWrite', db: 'products' }],
        restrictions: [{ clientSource: ['192.0.2.0/24'] }],
        mechanisms: MECHANISMS,
        customData: { unit: 'web' },
      },
    ]);
  });

  test('as DocumentDB’s guide shows it, without all but roles', () => {
    // https://docs.aws.amazon.com/documentdb/latest/developerguide/role_based_access_control.html
    const answer = {
      ok: 1,
      users: [{ _id: 'sample-user-1', user: 'sample-user-1', db: 'admin', roles: [{ db: 'admin', role: 'root' }] }],
    };
    expect(usersIn(answer)).toEqual([
      { roles: [{ db: 'admin', role: 'root' }], restrictions: undefined, mechanisms: undefined, customData: {} },
    ]);
  });

  test('that names nobody', () => {
    expect(usersIn({ users: [], ok: 1 })).toEqual([]);
    expect(usersIn({ ok: 1 })).toEqual([]); // FerretDB
  });
});
