/** What can come in between: one act of a person, of a second attempt or rotation, of another secret's, or of another function. */
import { lookup } from 'node:dns/promises';
import type { Step } from '../../local/secrets-manager/rotation.ts';
import { STRATEGY_NAMES, type StrategyName } from '../../shared/database/strategies/facts.ts';
import type { Ability } from '../crash-matrix/engine.ts';
import { unsupported } from '../crash-matrix/engines.ts';
import { handsFor } from './engines.ts';
import type { Capability, Hands } from './hands.ts';
import type { Json, Version } from './secret.ts';
import { type Bench, HOST, type World } from './world.ts';

/** What an act has changed, which decides what a rotation may be refused for, and who a lock-out is due to. */
export type Touched =
  /** Keys of the secret beside the password. */
  | 'keys'
  /** What makes it JSON. */
  | 'form'
  /** The user that the secret names. */
  | 'username'
  | 'masterarn'
  /** Which strategy applies. */
  | 'strategy'
  | 'labels'
  /** A user may not log in any more, or is gone. */
  | 'account'
  /** A user's rights, or whose user it is. */
  | 'twin';

export type Act = {
  /** For the report: `AWSCURRENT edited: …` */
  says: string;
  touches: readonly Touched[];
  /** Only for these strategies. */
  strategies?: readonly StrategyName[];
  /** Not before a message, but in place of the function: until after one of these steps. */
  steps?: readonly Step[];
  /** Why it cannot be done on that server at all. */
  absent?(bench: Bench): string | undefined | Promise<string | undefined>;
  /** @throws {Impossible} */
  perform(world: World): Promise<void>;
};

/** The act cannot be done at that place; the message says why. */
export class Impossible extends Error {}

const noReason = () => undefined;

const PAIR = ['alternating-users'] as const;

/** The one of AWSCURRENT; a person knows it. */
function value({ secret }: World): Json {
  return secret.current.value ?? {};
}

function user(world: World): string {
  return String(value(world)['username']);
}

function editing(change: (value: Json, world: World) => Json | string): Act['perform'] {
  return async (world) => world.asPeople(() => world.secret.put(change(value(world), world)));
}

async function giveUp(world: World): Promise<void> {
  const { secret } = world;
  await world.asPeople(() => {
    world.labelsMoved = true;
    secret.cancel();
    if (secret.pending) secret.move('AWSPENDING', undefined);
  });
}

async function moving(world: World, move: () => void): Promise<void> {
  world.labelsMoved = true;
  await world.asPeople(move);
}

function tagging(strategy: StrategyName): Act {
  return {
    says: `the tag rotation-strategy set to ${strategy}`,
    touches: ['strategy'],
    strategies: STRATEGY_NAMES.filter((name) => name !== strategy),
    absent: ({ server }) => unsupported(server.row, strategy),
    async perform(world) {
      world.tagged = strategy;
      await world.asPeople(() => world.secret.tag('rotation-strategy', strategy));
    },
  };
}

/** AWSCURRENT's, or the other one of the pair. */
const users = (whose: string, of: (world: World) => string, only: Pick<Act, 'strategies'>): Record<string, Act> => ({
  [`lock-${whose}`]: {
    says: `${whose}: locked`,
    touches: ['account'],
    ...only,
    absent: (bench) => lacking(handsOf(bench).lock),
    perform: (world) => doTo(world, of(world), supported(world.hands.lock).statements(of(world))),
  },
  [`alter-${whose}`]: {
    says: `${whose}: altered in what is no business of a rotation’s`,
    touches: ['twin'],
    ...only,
    absent: (bench) => lacking(handsOf(bench).alter),
    perform: (world) => doTo(world, of(world), supported(world.hands.alter).statements(of(world))),
  },
  [`drop-${whose}`]: {
    says: `${whose}: dropped`,
    touches: ['account', 'twin'],
    ...only,
    perform: (world) => doTo(world, of(world), world.hands.drop(of(world))),
  },
  [`password-of-${whose}`]: {
    says: `${whose}: another password set in the database, and nowhere else`,
    touches: [],
    ...only,
    async perform(world) {
      if (!(await exists(world, of(world)))) throw new Impossible('there is no such user yet');
      await world.asPeople(() => world.setPassword(of(world)));
    },
  },
});

function handsOf({ server }: Bench): Hands {
  return handsFor(server.row);
}

function lacking(capability: Capability<object>): string | undefined {
  return 'unsupported' in capability ? capability.unsupported : undefined;
}

function supported<T extends object>(capability: Capability<T>): T {
  if ('unsupported' in capability) throw new TypeError(capability.unsupported);
  return capability;
}

async function doTo(world: World, username: string, statements: unknown): Promise<void> {
  if (!(await exists(world, username))) throw new Impossible('there is no such user yet');
  await world.asPeople(() => world.run(statements));
}

async function exists(world: World, username: string): Promise<boolean> {
  return (await world.kept()).has(username);
}

/** The versions of the other user of a pair are of no use to it. */
function versionsOf(world: World, username: string): Version[] {
  return world.secret.versions.filter(({ value }) => value?.['username'] === username);
}

/** The password that this user had before its last change, by the server's word or by the secret's. */
async function putBackPassword(world: World, username: string): Promise<void> {
  const { passwords } = world.hands;
  if (!('unsupported' in passwords)) {
    const before = world.lookout.before(username);
    if (before === undefined) throw new Impossible('this user’s password has not changed yet');
    await world.run(passwords.putBack(username, before));
    return;
  }
  const versions = versionsOf(world, username);
  const verdicts = await Promise.all(versions.map((version) => world.verdictOn(version)));
  const before = versions[verdicts.lastIndexOf('accepted') - 1]?.value?.['password'];
  if (before === undefined) throw new Impossible('this user’s password has not changed yet');
  await world.setPassword(username, String(before));
}

export const acts = {
  'edit-note': {
    says: 'AWSCURRENT edited: a key added',
    touches: ['keys'],
    perform: editing((value) => ({ ...value, note: 'added by a person' })),
  },
  'edit-password': {
    says: 'AWSCURRENT edited: another password, which was set in the database before',
    touches: [],
    perform: (world) =>
      world.asPeople(async () => {
        const password = await world.setPassword(user(world));
        world.secret.put({ ...value(world), password });
      }),
  },
  'edit-wrong-password': {
    says: 'AWSCURRENT edited: a wrong password',
    touches: [],
    perform: editing((value) => ({ ...value, password: `wrong-${value['password']}` })),
  },
  'edit-line-break': {
    says: 'AWSCURRENT edited: a line break after the password, as an editor leaves it',
    touches: [],
    perform: editing((value) => ({ ...value, password: `${value['password']}\n` })),
  },
  'edit-host-letters': {
    says: 'AWSCURRENT edited: the same host in other letters',
    touches: ['keys'],
    perform: editing((value) => ({ ...value, host: String(value['host']).toUpperCase() })),
  },
  'edit-host-dot': {
    says: 'AWSCURRENT edited: the same host with a final dot',
    touches: ['keys'],
    absent: () =>
      lookup(`${HOST}.`).then(noReason, () => `${HOST}. with its final dot does not resolve on this machine`),
    perform: editing((value) => ({ ...value, host: `${value['host']}.` })),
  },
  'edit-rotationhost': {
    says: 'AWSCURRENT edited: the same host as rotationhost, in other letters',
    touches: ['keys'],
    perform: editing((value) => ({ ...value, rotationhost: String(value['host']).toUpperCase() })),
  },
  'edit-explicit': {
    says: 'AWSCURRENT edited: what it means by default, expressly',
    touches: ['keys'],
    perform: editing((value, world) => world.hands.explicit(value)),
  },
  'edit-username': {
    says: 'AWSCURRENT edited: another user and its password',
    touches: ['keys', 'username'],
    perform: (world) =>
      world.asPeople(async () => {
        const { baseusername: _, alternateusername: __, ...rest } = value(world);
        world.secret.put({ ...rest, ...(await world.makeOther()) });
      }),
  },
  'edit-wrong-username': {
    says: 'AWSCURRENT edited: a user that there is not',
    touches: ['keys', 'username'],
    perform: editing((value, { names }) => ({ ...value, username: `${names.base}_nobody` })),
  },
  'edit-somebody-else': {
    says: 'AWSCURRENT edited: somebody else’s user, and a password that is not that user’s',
    touches: ['keys', 'username'],
    // There whoever may edit the secret may have any user, as the documents say.
    strategies: STRATEGY_NAMES.filter((name) => name !== 'single-user-by-admin'),
    perform: (world) =>
      world.asPeople(async () => {
        const { baseusername: _, alternateusername: __, ...rest } = value(world);
        const other = await world.makeOther();
        await world.isStranger(String(other['username']));
        world.secret.put({ ...rest, ...other, password: 'a guess' });
      }),
  },
  'edit-dbname': {
    says: 'AWSCURRENT edited: a database that there is not',
    touches: ['keys', 'account'],
    perform: editing((value) => ({ ...value, dbname: 'no_such_database' })),
  },
  'edit-masterarn': {
    says: 'AWSCURRENT edited: the masterarn of no secret',
    touches: ['keys', 'masterarn', 'strategy'],
    perform: editing((value, { secret }) => ({ ...value, masterarn: `${secret.id}-nothing` })),
  },
  'edit-no-json': {
    says: 'AWSCURRENT edited: no JSON',
    touches: ['form'],
    perform: editing(() => 'postgres://app@db'),
  },

  'current-back': {
    says: 'AWSCURRENT given back to AWSPREVIOUS’s version',
    touches: ['labels'],
    async perform(world) {
      const previous = world.secret.labelled('AWSPREVIOUS');
      if (previous?.value === undefined) throw new Impossible('there is no AWSPREVIOUS');
      await moving(world, () => world.secret.move('AWSCURRENT', previous.id));
    },
  },
  'current-forward': {
    says: 'AWSCURRENT given to the pending version by hand',
    touches: ['labels'],
    async perform(world) {
      const { pending } = world.secret;
      if (pending?.value === undefined) throw new Impossible('there is no pending value');
      await moving(world, () => world.secret.move('AWSCURRENT', pending.id));
    },
  },
  'pending-off': {
    says: 'AWSPENDING taken off',
    touches: ['labels'],
    async perform(world) {
      if (world.secret.pending === undefined) throw new Impossible('there is no AWSPENDING');
      await moving(world, () => world.secret.move('AWSPENDING', undefined));
    },
  },
  'pending-back': {
    says: 'AWSPENDING given to AWSPREVIOUS’s version',
    touches: ['labels'],
    async perform(world) {
      const previous = world.secret.labelled('AWSPREVIOUS');
      if (previous?.value === undefined) throw new Impossible('there is no AWSPREVIOUS');
      await moving(world, () => world.secret.move('AWSPENDING', previous.id));
    },
  },
  'pending-binary': {
    says: 'what is no text put into the pending version, before it has a value',
    touches: [],
    async perform(world) {
      const { pending } = world.secret;
      if (pending === undefined) throw new Impossible('there is no AWSPENDING');
      if (pending.value !== undefined) throw new Impossible('the pending version has a value');
      await world.asPeople(() => world.secret.putBinary(pending.id));
    },
  },
  'previous-off': {
    says: 'AWSPREVIOUS taken off',
    touches: ['labels'],
    async perform(world) {
      if (world.secret.labelled('AWSPREVIOUS') === undefined) throw new Impossible('there is no AWSPREVIOUS');
      await moving(world, () => world.secret.move('AWSPREVIOUS', undefined));
    },
  },

  cancel: {
    says: 'CancelRotateSecret',
    touches: ['labels'],
    perform: (world) => moving(world, () => world.secret.cancel()),
  },
  'cancel-and-restart': {
    says: 'CancelRotateSecret, and RotateSecret again',
    touches: ['labels'],
    perform: (world) =>
      moving(world, () => {
        world.secret.cancel();
        world.secret.begin();
      }),
  },
  'give-up': {
    says: 'CancelRotateSecret, and AWSPENDING taken off',
    touches: ['labels'],
    perform: giveUp,
  },
  'give-up-and-rotate': {
    says: 'CancelRotateSecret, AWSPENDING taken off, and a whole new rotation',
    touches: ['labels'],
    async perform(world) {
      await giveUp(world);
      await rotate(world);
    },
  },
  'give-up-and-begin': {
    says: 'CancelRotateSecret, AWSPENDING taken off, and a new rotation up to setSecret',
    touches: ['labels'],
    async perform(world) {
      await giveUp(world);
      await world.attempt(world.secret.begin(), world.secret, ['createSecret', 'setSecret']);
    },
  },
  'give-up-thrice': {
    says: 'CancelRotateSecret, AWSPENDING taken off, and twice a new rotation that is given up after createSecret',
    touches: ['labels'],
    async perform(world) {
      await giveUp(world);
      for (let times = 0; times < 2; times++) {
        await world.attempt(world.secret.begin(), world.secret, ['createSecret']);
        await giveUp(world);
      }
    },
  },

  'tag-single-user': tagging('single-user'),
  'tag-single-user-by-admin': tagging('single-user-by-admin'),
  'tag-alternating-users': tagging('alternating-users'),
  'tag-dual-password': tagging('dual-password'),
  'tag-unknown': {
    says: 'the tag rotation-strategy set to what is none',
    touches: ['strategy'],
    perform: (world) => world.asPeople(() => world.secret.tag('rotation-strategy', 'none')),
  },

  ...users('user', user, {}),
  ...users('dormant', (world) => world.otherOf(user(world)), { strategies: PAIR }),
  restart: {
    says: 'the database restarted: all connections of the function broken',
    touches: [],
    perform: (world) => world.asPeople(() => world.endSessions()),
  },
  failover: {
    says: 'failover to a server that lacks the last change of the user’s password',
    touches: [],
    perform: (world) =>
      world.asPeople(async () => {
        await world.endSessions();
        return putBackPassword(world, user(world));
      }),
  },
  'failover-of-dormant': {
    says: 'failover to a server that lacks the last change of the dormant user’s password',
    touches: [],
    strategies: PAIR,
    perform: (world) =>
      world.asPeople(async () => {
        await world.endSessions();
        return putBackPassword(world, world.otherOf(user(world)));
      }),
  },

  'second-attempt': {
    says: 'a second attempt with the same token, to its end',
    touches: [],
    async perform(world) {
      const { pending } = world.secret;
      if (pending === undefined) throw new Impossible('there is no AWSPENDING');
      await world.attempt(pending.id);
    },
  },
  'second-attempt-begun': {
    says: 'a second attempt with the same token, up to setSecret',
    touches: [],
    async perform(world) {
      const { pending } = world.secret;
      if (pending === undefined) throw new Impossible('there is no AWSPENDING');
      await world.attempt(pending.id, world.secret, ['createSecret', 'setSecret']);
    },
  },
  'set-now': beside('setSecret'),
  'test-now': beside('testSecret'),
  'finish-now': beside('finishSecret'),
  'second-secret': {
    says: 'a second secret, single user, on AWSCURRENT’s user, and its whole rotation',
    touches: [],
    async perform(world) {
      const { masterarn: _, baseusername: __, alternateusername: ___, ...plain } = value(world);
      const second = world.createSecret('second', plain, { 'rotation-strategy': 'single-user' });
      const work = async () => void (await rotate(world, second));
      // Nothing tells the function that the user is another secret's: two secrets on one user are a documented limit.
      if (await world.isMarked()) await work();
      else await world.asPeople(work);
    },
  },

  'grant-to-base': rights('the base given a right', ({ engine, names }) => engine.statements.changeBase(names)),
  'grant-to-twin': rights('the twin given a right that the base has not', async (world) => {
    const { engine, names } = world;
    if (!(await exists(world, names.twin))) throw new Impossible('there is no twin yet');
    return engine.statements.changeTwin(names);
  }),
  stranger: {
    says: 'somebody else’s user made with the twin’s name',
    touches: ['twin'],
    strategies: PAIR,
    async perform(world) {
      await unlessThereIsATwin(world, () => world.createUser(world.names.twin));
    },
  },
  claim: {
    says: 'the twin made by another secret’s rotation',
    touches: ['twin'],
    strategies: PAIR,
    absent: ({ abilities }) => why(abilities.marksTwins),
    async perform(world) {
      const { engine, names, secret } = world;
      const statements = engine.statements.claimTwin(names, `${secret.id}-another`);
      await unlessThereIsATwin(world, () => world.run(statements));
    },
  },

  'aws-function': {
    says: 'steps done by AWS’s function, and the rest of the attempt by ours',
    touches: [],
    steps: ['createSecret', 'setSecret', 'testSecret'],
    perform: async () => {},
  },
  'aws-function-then-anew': {
    says: 'steps done by AWS’s function, and then a new attempt by ours',
    touches: [],
    steps: ['createSecret', 'setSecret', 'testSecret'],
    perform: async () => {},
  },
} satisfies Record<string, Act>;

export type ActName = keyof typeof acts;

function why(ability: Ability): string | undefined {
  return ability === 'supported' ? undefined : ability.unsupported;
}

/** Whoever makes it may have to wait for the function, and then be late. */
async function unlessThereIsATwin(world: World, make: () => Promise<unknown>): Promise<void> {
  const isThere = () => exists(world, world.names.twin);
  if (await isThere()) throw new Impossible('there is a twin already');
  await world.asPeople(async () => {
    await make().catch(async (error) => {
      throw (await isThere()) ? new Impossible('the function made the twin first') : error;
    });
    await world.isStranger(world.names.twin);
  });
}

function rights(says: string, statements: (world: World) => unknown): Act {
  return {
    says,
    touches: ['twin'],
    strategies: PAIR,
    absent: ({ abilities }) => why(abilities.changesRights),
    async perform(world) {
      const run = await statements(world);
      await world.asPeople(() => world.run(run));
    },
  };
}

function beside(step: 'setSecret' | 'testSecret' | 'finishSecret'): Act {
  return {
    says: `${step} invoked beside, with the same token`,
    touches: [],
    async perform(world) {
      const { pending } = world.secret;
      if (pending === undefined) throw new Impossible('there is no AWSPENDING');
      await world.attempt(pending.id, world.secret, [step]);
    },
  };
}

/** One attempt of a new rotation, by the function. */
async function rotate(world: World, secret = world.secret): Promise<void> {
  const token = secret.begin();
  if (await world.attempt(token, secret)) world.store.endRotation(secret.id, token);
}
