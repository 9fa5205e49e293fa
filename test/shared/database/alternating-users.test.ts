/** Which version follows which: what alternating users put into a pending version, and which ones they accept. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { postgres } from '../../../functions/postgres/engine.ts';
import { Secret } from '../../../shared/core/secret.ts';
import { withKeys } from '../../../shared/core/secret-text.ts';
import type { AdminSecret } from '../../../shared/database/admin.ts';
import type { Engine, Session, Twins } from '../../../shared/database/engine.ts';
import { LoginRefusedError, PairError, ReadOnlyServerError } from '../../../shared/database/errors.ts';
import type { Logins } from '../../../shared/database/logins.ts';
import { parseSecret, type SecretValue } from '../../../shared/database/secret-value.ts';
import { alternatingUsers } from '../../../shared/database/strategies/alternating-users.ts';
import type { Work } from '../../../shared/database/work.ts';
import { onto, rotationOf } from './account.ts';

type Json = Record<string, unknown>;

const GOOD = { engine: 'postgres', host: 'db', password: 'old' };

/** What comparing two values needs of the database. */
const NOTHING = { engine: postgres as Engine } as Work<Session>;

const text = (json: Json) => ({ text: new Secret(JSON.stringify(json)), called: 'AWSCURRENT' });
const parse = (json: Json) => parseSecret(text(json), postgres);
const fits = (current: Json, pending: Json) => alternatingUsers(onto(NOTHING)).fits(parse(current), parse(pending));

/** The successor as createSecret would store it; `guarded` is told whom the admin is asked for. */
async function successor(current: Json, previous?: Json, guarded: (users: readonly string[]) => void = () => {}) {
  const check = {
    engine: postgres,
    current: { value: parse(current) },
    adminSecret: { guarded: async (users: readonly string[]) => guarded(users) } as unknown as AdminSecret<Session>,
    previous: async () => previous && parse(previous),
  } as unknown as Work<Session>;
  const { keys } = await alternatingUsers(onto(check)).successor(rotationOf(check));
  return JSON.parse(withKeys(text(current), keys).reveal()) as Json;
}

/** Few, so that they meet: equal names, names that end in _clone, and names that are too long for a twin's. */
const name = fc.oneof(
  fc.constantFrom('app', 'app_clone', 'app_clone_clone', 'App "x"', 'é'.repeat(29), 'x'.repeat(63)),
  fc
    .string({ minLength: 1, maxLength: 20, unit: 'binary' })
    .filter((text) => !text.includes('\0') && text.isWellFormed()),
);
const optionalName = fc.option(fc.oneof(name, fc.constant('')), { nil: undefined });
const others = fc.dictionary(
  fc
    .string()
    .filter(
      (key) =>
        !(key in GOOD) &&
        !/^(ssl|sslca|sslservername|port|dbname|rotationhost|rotationport|masterarn|authSource|__proto__)$/.test(key),
    ),
  fc.jsonValue({ maxDepth: 1 }),
  { maxKeys: 3 },
);
const secret = fc
  .record({ others, username: name, baseusername: optionalName, alternateusername: optionalName })
  .map(({ others, ...names }): Json => JSON.parse(JSON.stringify({ ...others, ...GOOD, ...names })));

/** Runs for every secret that has a successor; the others have to say why not. */
async function forAll(property: (current: Json, pending: Json, previous: Json) => Promise<void> | void) {
  const seen = { successors: 0, refusals: 0 };
  await fc.assert(
    fc.asyncProperty(secret, name, async (current, username) => {
      const previous = { ...GOOD, username };
      const pending = await successor(current, previous).catch((error) => {
        expect(error).toBeInstanceOf(PairError);
      });
      if (pending === undefined) seen.refusals++;
      else await property(current, pending, previous);
      if (pending !== undefined) seen.successors++;
    }),
    { numRuns: 300 },
  );
  expect(seen.successors).toBeGreaterThan(30);
  expect(seen.refusals).toBeGreaterThan(3);
}

describe('the successor, whatever the names are,', () => {
  test('fits', () => forAll((current, pending) => expect(fits(current, pending)).toBeUndefined()));

  test('names the other of the pair, and both', () =>
    forAll((current, pending) => {
      const pair = [pending['baseusername'], pending['alternateusername']];
      expect(pending['username']).not.toBe(current['username']);
      expect([...pair].sort()).toEqual([current['username'], pending['username']].sort());
    }));

  test('keeps every other key', () =>
    forAll((current, pending) => {
      const names = { username: 0, baseusername: 0, alternateusername: 0, password: 0 };
      expect({ ...pending, ...names }).toEqual({ ...current, ...names });
    }));

  test('has a successor that swaps the users back, and changes no other name', () =>
    forAll(async (current, pending) => {
      const again = await successor(pending);
      expect(again).toEqual({ ...pending, username: current['username'], password: 'new' });
      expect(fits(pending, again)).toBeUndefined();
    }));

  test('fits no more after an edit of any key of AWSCURRENT, but its password', () =>
    forAll((current, pending) => {
      for (const key of [...Object.keys(current), 'baseusername', 'alternateusername', 'added']) {
        const edited = { ...current, [key]: key === 'engine' ? 'postgresql' : 'edited' };
        expect(fits(edited, pending)).toEqual(key === 'password' ? undefined : expect.any(String));
      }
    }));

  test('fits no more if any name in it is another', () =>
    forAll((current, pending) => {
      for (const key of ['username', 'baseusername', 'alternateusername'])
        expect(fits(current, { ...pending, [key]: 'stranger' })).toEqual(expect.any(String));
    }));

  test('fits no more without a name that AWSCURRENT has', () =>
    forAll((current, pending) => {
      for (const key of ['baseusername', 'alternateusername'])
        if (current[key]) expect(fits(current, { ...pending, [key]: undefined })).toMatch(`"${key}"`);
    }));

  test('does not fit itself: its user is the active one', () =>
    forAll((_, pending) => expect(fits(pending, pending)).toMatch(/is not the other of the pair/)));
});

test('the admin is asked for both users', async () => {
  const asked: (readonly string[])[] = [];
  await successor({ ...GOOD, username: 'app' }, undefined, (users) => asked.push(users));
  expect(asked).toEqual([['app', 'app_clone']]);
});

describe('a pending version of AWS’s own functions, which names no pair,', () => {
  test.each([
    ['app', 'app_clone'],
    ['app_clone', 'app'],
  ])('fits from %s to %s', (from, to) => {
    expect(fits({ ...GOOD, username: from }, { ...GOOD, username: to, password: 'new' })).toBeUndefined();
  });

  test.each([
    ['app_clone', 'app_clone_clone'],
    ['app_clone', 'other'],
    ['app', 'app_clone_clone'],
    ['app', 'app'],
    ['app_clone', 'app_clone'],
  ])('does not fit from %s to %s', (from, to) => {
    expect(fits({ ...GOOD, username: from }, { ...GOOD, username: to, password: 'new' })).toEqual(expect.any(String));
  });
});

test('one user under both names is no pair', () => {
  const both = { ...GOOD, username: 'app', baseusername: 'app', alternateusername: 'app' };
  expect(fits(both, both)).toEqual(expect.any(String));
});

test('the reason names the keys, and no values', () => {
  const current = { ...GOOD, username: 'app', note: 'a', port: 1 };
  const pending = { ...GOOD, username: 'app_clone', note: 'p4ss', port: 2 };
  expect(fits(current, pending)).toBe('differs from AWSCURRENT in "note", "port"');
});

describe('where the secret’s host is a replica of the admin’s', () => {
  const session = (username: string): Session => ({
    account: { username, realm: '' },
    close: async () => {},
    end: async () => {},
  });
  const [own, asAdmin] = [session('app'), session('admin')];

  /** @param refusals of the pending password, until the replica has caught up */
  function onReplica(refusals = 0): Work<Session> {
    const twins = {
      state: async () => ({ base: { inert: false }, twin: { owner: 'arn', inert: false } }),
      adoption: () => 'COMMENT',
      differences: async () => [],
      enable: async () => {},
    } as unknown as Twins<Session>;
    const engine = {
      twins: () => twins,
      exclusively: async (by: Session, _account: unknown, work: (stillAlone: () => Promise<void>) => unknown) => {
        if (by !== asAdmin) throw new ReadOnlyServerError('a replica');
        return work(async () => {});
      },
    } as unknown as Engine;
    const logins = {
      logInWithAny: async () => ({ session: own }),
      passwordChanged: () => {},
      logIn: async (as: SecretValue) => {
        if (as.username !== 'app' && refusals-- > 0) throw new LoginRefusedError('refused');
        return as.username === 'app' ? own : session(as.username);
      },
    } as unknown as Logins<Session>;
    const adminSecret = {
      guarded: async () => ({ isAtAnotherHost: true, login: async () => asAdmin }),
    } as unknown as AdminSecret<Session>;
    const pending = { value: parse({ ...GOOD, username: 'app_clone', password: 'new' }) };
    return {
      engine,
      logins,
      adminSecret,
      isRehearsal: false,
      mustHold: async (check: () => unknown) => check(),
      secretArn: 'arn',
      current: { value: parse({ ...GOOD, username: 'app' }) },
      pending: async () => pending,
      requireLabels: async () => {},
      lookAhead: async () => ({ hasRoom: true }),
      readyToChange: async () => ({ hasRoom: true }),
      overtaken: async () => undefined,
    } as unknown as Work<Session>;
  }

  test('the pending version is proven when that has caught up', async () => {
    const set = (work: Work<Session>) => alternatingUsers(onto(work)).set(rotationOf(work));
    await set(onReplica(2));
    await expect(set(onReplica(9))).rejects.toThrow('refused');
  });

  test('a pending version that no longer fits is let go of under the lock at the writer', async () => {
    let isReleased = false;
    const release = async () => {
      isReleased = true;
    };
    const work = { ...onReplica(), release };
    await alternatingUsers(onto(work)).withdraw(rotationOf(work), undefined);
    expect(isReleased).toBe(true);
  });
});
