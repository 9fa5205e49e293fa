/** What cannot be timed on a real server: every place where an attempt can die, and what others do between two of its steps. */
import { describe, expect, test } from '@jest/globals';
import { mysql } from '../../../functions/mysql/engine.ts';
import { Deadline } from '../../../shared/core/deadline.ts';
import { Secret } from '../../../shared/core/secret.ts';
import type { OtherVersions } from '../../../shared/core/versions.ts';
import type { AdminSecret } from '../../../shared/database/admin.ts';
import type { Engine, Overlap, Session } from '../../../shared/database/engine.ts';
import { LoginBarredError, LoginRefusedError } from '../../../shared/database/errors.ts';
import { Logins } from '../../../shared/database/logins.ts';
import { Refusals } from '../../../shared/database/refusals.ts';
import type { Readable } from '../../../shared/database/secret-value.ts';
import { parseSecret } from '../../../shared/database/secret-value.ts';
import { dualPassword } from '../../../shared/database/strategies/dual-password.ts';
import { singleUser } from '../../../shared/database/strategies/single-user.ts';
import type { Work } from '../../../shared/database/work.ts';
import { onto, rotationOf } from './account.ts';

class Died extends Error {}

/** A secret and MySQL's account with its two passwords, in memory. Every call is a place to die at, before it has an effect or after. */
class World {
  primary: string;
  secondary: string | undefined;
  /** Versions, the oldest first; the version `current` has AWSCURRENT, `pending` AWSPENDING. */
  readonly versions = new Map<string, string>();
  current = 'v0';
  previous: string | undefined;
  pending: string | undefined;
  /** What every call passes, by its name. */
  before: (call: string) => void = () => {};
  after: (call: string) => void = () => {};
  readonly refused: string[] = [];
  /** MAX_USER_CONNECTIONS */
  mostSessions = Number.POSITIVE_INFINITY;
  #sessions = new Set<Session>();

  constructor(password = 'p0') {
    this.primary = password;
    this.versions.set('v0', password);
  }

  get valid(): string[] {
    return [...new Set([this.primary, ...(this.secondary === undefined ? [] : [this.secondary])])].sort();
  }

  password(version: string | undefined): string {
    return this.versions.get(version ?? '') ?? '';
  }

  /** RotateSecret and createSecret. */
  begin(token: string): void {
    this.pending = token;
    this.versions.set(token, `password of ${token}`);
  }

  promote(token: string): void {
    this.previous = this.current;
    this.current = token;
    this.pending = undefined;
  }

  #call<T>(name: string, effect: () => T): T {
    this.before(name);
    const answer = effect();
    this.after(name);
    return answer;
  }

  readonly #overlap: Overlap<Session> = {
    changeKeeping: async (_session, keep, to) =>
      this.#call('changeKeeping', () => {
        if (this.primary !== keep.reveal()) return 'conflict';
        this.secondary = this.primary;
        this.primary = to.reveal();
        return 'set';
      }),
    reanchor: async (_session, keep) =>
      this.#call('reanchor', () => {
        this.primary = keep.reveal();
      }),
  };

  readonly #engine: Engine = {
    ...(mysql as unknown as Engine),
    login: async (_to, { username, password }) =>
      this.#call('login', () => {
        if (!this.valid.includes(password.reveal())) {
          this.refused.push(password.reveal());
          return { is: 'refused', why: new LoginRefusedError('refused') };
        }
        if (this.#sessions.size >= this.mostSessions) return { is: 'barred', why: new LoginBarredError('too many') };
        const close = async () => void this.#sessions.delete(session);
        const session: Session = { account: { username, realm: '%' }, close, end: close };
        this.#sessions.add(session);
        return { is: 'accepted', session };
      }),
    exclusively: (_session, _account, work) => work(async () => {}),
    changeOwnPassword: async (_session, from, to) =>
      this.#call('changeOwnPassword', () => {
        if (this.primary !== from.reveal()) return 'conflict';
        this.primary = to.reveal();
        return 'set';
      }),
    overlap: () => this.#overlap,
  };

  #readable(id: string): Readable {
    const secret = { engine: 'mysql', host: 'db', username: 'app', password: this.password(id) };
    const text = new Secret(JSON.stringify(secret));
    return {
      version: { id, arn: 'arn', text, createdAt: new Date(0) },
      value: parseSecret({ text, called: id }, this.#engine),
    };
  }

  #rotation(token: string): Work<Session> {
    const current = this.#readable(this.current);
    return {
      engine: this.#engine,
      versions: {
        newestFirst: async () => [...this.versions.keys()].reverse(),
        byId: async (id: string) => this.#readable(id).version,
      } as unknown as OtherVersions,
      logins: new Logins(this.#engine, new Deadline(60_000), current.value.endpoint, new Refusals()),
      secretArn: 'arn',
      adminSecret: {} as AdminSecret<Session>,
      adminMaySetPasswords: false,
      isRehearsal: false,
      mustHold: async (check) => check(),
      token,
      current,
      pending: async () =>
        this.#call('pending', () => {
          if (this.pending !== token) throw new Error('pending no more');
          return this.#readable(token);
        }),
      requireLabels: async () =>
        this.#call('requireLabels', () => {
          if (this.pending !== token || this.current !== current.version.id) throw new Error('labels moved');
        }),
      lookAhead: async () => ({ hasRoom: true }),
      readyToChange: async () => ({ hasRoom: true }),
      previous: async () => undefined,
      isPendingAlone: async () => true,
      overtaken: async () => undefined,
      release: async () => {},
    };
  }

  /** setSecret, testSecret and finishSecret. */
  async rotate(token: string, strategy: typeof dualPassword = dualPassword): Promise<void> {
    const work = this.#rotation(token);
    const { set, test } = strategy(onto(work));
    await set(rotationOf(work));
    const pending = this.#readable(token).value;
    await test(pending, pending, async () => work.current.value);
    this.promote(token);
  }
}

/** Whatever came before: a rotation that finishes leaves the right two, and no others. */
async function expectWhole(world: World, token: string): Promise<void> {
  const before = world.password(world.current);
  world.begin(token);
  await world.rotate(token);
  expect(world.valid).toEqual([before, world.password(token)].sort());
  expect([world.password(world.previous), world.password(world.current)].sort()).toEqual(world.valid);
}

/** A rotation that dies at its n-th call, before the effect or after it. @returns false if there are not so many */
async function dying(world: World, token: string, at: number, when: 'before' | 'after'): Promise<boolean> {
  let calls = 0;
  world[when] = () => {
    if (calls++ === at) throw new Died();
  };
  try {
    await world.rotate(token);
    return false;
  } catch (error) {
    if (error instanceof Died) return true;
    throw error;
  } finally {
    world[when] = () => {};
  }
}

const WHEN = ['before', 'after'] as const;

test('a rotation that dies anywhere, retried or given up, and the next one that dies anywhere: AWSCURRENT logs in throughout', async () => {
  let deaths = 0;
  for (const secondToken of ['t1', 't2'])
    for (const firstWhen of WHEN)
      for (const secondWhen of WHEN)
        for (let first = 0, isFirst = true; isFirst; first++)
          for (let second = 0, isSecond = true; isSecond && isFirst; second++) {
            const world = new World();
            await expectWhole(world, 't0');
            const current = world.password('t0');
            world.begin('t1');
            isFirst = await dying(world, 't1', first, firstWhen);
            if (!isFirst) break;
            expect(world.valid).toContain(current);
            if (secondToken !== 't1') world.begin(secondToken);
            isSecond = await dying(world, secondToken, second, secondWhen);
            expect(world.valid).toContain(current);
            deaths += Number(isSecond);
            await expectWhole(world, 't3');
          }
  expect(deaths).toBeGreaterThan(100);
});

describe('another password is primary when this rotation comes to change it', () => {
  test.each([Number.POSITIVE_INFINITY, 1])(
    'its own, by an invocation that was faster: done, and nothing is changed, with sessions for %d at a time',
    async (mostSessions) => {
      const world = new World();
      world.mostSessions = mostSessions;
      world.begin('t1');
      world.before = (call) => {
        if (call === 'changeKeeping') [world.primary, world.secondary] = [world.password('t1'), 'p0'];
      };
      const changes = counted(world);
      await world.rotate('t1');
      expect(changes).toEqual([]);
      expect(world.valid).toEqual(['p0', world.password('t1')].sort());
      expect(world.refused).toEqual([]);
    },
  );

  test('that of an attempt given up: AWSCURRENT’s is made primary again, and one login is refused', async () => {
    const world = new World();
    [world.primary, world.secondary] = ['given up', 'p0'];
    world.begin('t1');
    await world.rotate('t1');
    expect(world.valid).toEqual(['p0', world.password('t1')].sort());
    expect(world.refused).toEqual([world.password('t1')]);
  });

  test('that of a person, and AWSCURRENT’s is lost: it is left alone', async () => {
    const world = new World();
    world.begin('t1');
    world.before = (call) => {
      if (call === 'changeKeeping') world.primary = 'of a person';
    };
    await expect(world.rotate('t1')).rejects.toThrow('refused');
    expect(world.valid).toEqual(['of a person']);
  });

  test.each<[string, (world: World) => void]>([
    [
      'AWSCURRENT moved',
      (world) => {
        world.versions.set('edited', 'of a person');
        world.current = 'edited';
      },
    ],
    [
      'AWSPENDING is gone',
      (world) => {
        world.pending = undefined;
      },
    ],
  ])('and %s meanwhile: nothing is changed', async (_, meanwhile) => {
    const world = new World();
    [world.primary, world.secondary] = ['given up', 'p0'];
    world.begin('t1');
    world.before = (call) => {
      if (call === 'requireLabels') meanwhile(world);
    };
    await expect(world.rotate('t1')).rejects.toThrow('labels moved');
    expect(world.valid).toEqual(['given up', 'p0']);
  });

  test('once more after AWSCURRENT’s was made primary: left to the next attempt', async () => {
    const world = new World();
    [world.primary, world.secondary] = ['given up', 'p0'];
    world.begin('t1');
    world.after = (call) => {
      if (call === 'reanchor') [world.primary, world.secondary] = ['given up too', 'p0'];
    };
    await expect(world.rotate('t1')).rejects.toThrow('at this very time');
    expect(world.valid).toContain('p0');
    world.after = () => {};
    await expectWhole(world, 't2');
  });
});

test('a new password that the server takes and then refuses: it stays, as AWSCURRENT’s does', async () => {
  const world = new World();
  world.begin('t1');
  const changes = counted(world);
  let right = '';
  const { after } = world;
  world.after = (call) => {
    after(call);
    if (call !== 'changeKeeping') return;
    right = world.primary;
    world.primary = 'not what was said';
  };
  await expect(world.rotate('t1')).rejects.toThrow(
    /then refused it, and AWSCURRENT still works: .* AWSPENDING was taken off/,
  );
  expect(right).toBe(world.password('t1'));
  expect(changes).toEqual(['changeKeeping']);
  expect(world.valid).toContain('p0');
});

describe('AWSCURRENT is refused', () => {
  test('and the pending password accepted: done, and AWSCURRENT’s is not made valid in passing', async () => {
    const world = new World();
    world.begin('t1');
    [world.primary, world.secondary] = [world.password('t1'), undefined];
    await world.rotate('t1');
    expect(world.valid).toEqual([world.password('t1')]);
  });

  test('and an older one is primary: that one is kept, for it is what works', async () => {
    const world = new World();
    await expectWhole(world, 't0');
    [world.primary, world.secondary] = ['p0', undefined];
    world.begin('t1');
    await world.rotate('t1');
    expect(world.valid).toEqual(['p0', world.password('t1')].sort());
  });

  test('and an older one is secondary: the primary one is a person’s and is left alone', async () => {
    const world = new World();
    await expectWhole(world, 't0');
    world.primary = 'of a person';
    world.begin('t1');
    await expect(world.rotate('t1')).rejects.toThrow('is only the secondary one');
    expect(world.valid).toEqual(['of a person', 'p0']);
  });
});

test('what single-user rotates after an attempt of dual-password was given up', async () => {
  const world = new World();
  [world.primary, world.secondary] = ['given up', 'p0'];
  world.begin('t1');
  await world.rotate('t1', singleUser);
  expect(world.primary).toBe(world.password('t1'));
  expect(world.valid).not.toContain('given up');
});

/** The names of the calls that changed something, from now on. */
function counted(world: World): string[] {
  const changes: string[] = [];
  let before = '';
  const { before: earlier } = world;
  world.before = (call) => {
    earlier(call);
    before = world.valid.join();
  };
  world.after = (call) => {
    if (world.valid.join() !== before) changes.push(call);
  };
  return changes;
}
