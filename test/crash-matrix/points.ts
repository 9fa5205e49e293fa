/** Where to strike, and how: found by a normal run, not listed by hand. */
import { createHash } from 'node:crypto';
import { STEPS, type Step } from '../../local/secrets-manager/rotation.ts';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import type { Abilities } from './engine.ts';
import type { Seen } from './recorder.ts';
import { TURNS, type Turn } from './strategies.ts';

/** What can happen to one message. */
export type MessageFault =
  | 'kill-before'
  | 'kill-after'
  | 'drop'
  | 'error'
  | 'error-each-try'
  | 'delay'
  | 'late'
  | 'restart';
/** What can happen to a whole step. */
export type StepFault = 'twice' | 'locked';
/** What can happen between two steps. */
export type GapFault =
  | 'cancel'
  | 'edit-key'
  | 'edit-password'
  | 'restart'
  | 'edit-base'
  | 'edit-twin'
  | 'stranger'
  | 'claimed';
/** A connection over TLS ends after that many bytes. */
export type Cut = `cut@${number}`;

/** Something that went wrong before, so that there is something to recover from. */
export type Scene = { place: Step; fault: GapFault };

export type Point = { id: string; write: boolean; turn: Turn } & (
  | { on: 'message'; place: string; fault: MessageFault; attempt: number; scene?: Scene }
  | { on: 'step'; place: Step; fault: StepFault }
  | { on: 'gap'; place: Step; fault: GapFault }
  | { on: 'connection'; place: string; fault: Cut }
);

/** What a row of the table counts, and its words. */
export const KINDS = {
  'kill-before': 'killed just before a message was forwarded',
  'kill-after': 'killed just after a message was forwarded',
  drop: 'connection dropped instead of forwarding a message',
  error: 'error in place of an answer, after the effect',
  'error-each-try': 'the same, on each repetition by the SDK',
  delay: 'message held until the function had given up',
  late: 'killed, and its statement or write arrived after the next attempt',
  restart: 'database restarted',
  twice: 'two invocations of one step at once',
  locked: 'another session held a lock on the user to be changed past the deadline',
  cancel: 'CancelRotateSecret between two steps, then RotateSecret',
  'edit-key': 'AWSCURRENT edited between two steps: a key added',
  'edit-password': 'AWSCURRENT edited between two steps: password changed, in the database too',
  'edit-base': 'the base’s rights changed by a person between two steps',
  'edit-twin': 'the active twin given a right that the base has not',
  stranger: 'somebody else’s user has the twin’s name',
  claimed: 'the twin is marked as another secret’s',
  cut: 'connection over TLS cut at a byte',
} as const;
export type Kind = keyof typeof KINDS;

export function kindOf({ on, fault }: Point): Kind {
  return on === 'connection' ? 'cut' : fault;
}

/**
 * All points in clear text, from the messages of a normal run. Where the same was done before in another turn, only the writes.
 * @param abilities of the server: what it cannot do cannot happen on it
 */
export function pointsOf(strategy: StrategyName, turn: Turn, seen: readonly Seen[], abilities: Abilities): Point[] {
  const writes = writesAmong(seen);
  const messages = placesAmong(strategy, seen).filter(({ place }) => turn === 0 || writes.has(place));
  const points = messages.flatMap((message) =>
    faultsOf(message).map((fault): Point => {
      const { place, attempt } = message;
      return { id: idOf(turn, place, fault), write: writes.has(place), turn, on: 'message', place, fault, attempt };
    }),
  );
  return [...points, ...stepPoints(strategy, turn).filter((point) => isPossible(point, abilities))];
}

function isPossible({ place, fault }: Point, abilities: Abilities): boolean {
  const needed: (keyof Abilities)[] = [...(NEEDS[fault] ?? [])];
  if (fault === 'edit-base' && place === 'setSecret') needed.push('showsRights');
  return needed.every((ability) => abilities[ability] === 'supported');
}

const NEEDS: Partial<Record<Point['fault'], readonly (keyof Abilities)[]>> = {
  claimed: ['marksTwins'],
  locked: ['locksUsers'],
  'edit-base': ['changesRights'],
  'edit-twin': ['changesRights'],
};

function idOf(turn: Turn, place: string, fault: string): string {
  return `${TURNS[turn].prefix}${place}/${fault}`;
}

/**
 * All places for single user. For other strategies, of messages that follow each other in one
 * direction of a connection to the database only the last: the driver goes by that. Requests to Secrets
 * Manager that are under way together go their own ways, so each is a place.
 */
function placesAmong(strategy: StrategyName, seen: readonly Seen[]): readonly Seen[] {
  if (strategy === 'single-user') return seen;
  const nameOf = ({ attempt, step, peer }: Seen) => `${attempt} ${step}/${peer}`;
  return seen.filter((message, index) => {
    if (message.peer === 'sm') return true;
    const next = seen.slice(index + 1).find((later) => nameOf(later) === nameOf(message));
    return next?.direction !== message.direction;
  });
}

/** Giving up a pending version that is the only one that works: the one recovery that writes what a normal run does not. */
export const SCENE: Scene = { place: 'setSecret', fault: 'edit-key' };
const RECOVERY = 2;

/** The writes of the attempt that recovers, from the messages of a run of that scene. */
export function recoveryPointsOf(scene: Scene, strategy: StrategyName, seen: readonly Seen[]): Point[] {
  const recovery = seen.filter(({ attempt }) => attempt === RECOVERY);
  const writes = writesAmong(recovery);
  return placesAmong(strategy, recovery).flatMap((message) => {
    const { place, attempt } = message;
    if (!writes.has(place)) return [];
    return faultsOf(message).map((fault): Point => {
      const id = `after-${scene.place}/${scene.fault}/then/${place}/${fault}`;
      return { id, write: false, turn: 0, on: 'message', place, fault, attempt, scene };
    });
  });
}

const EVERYWHERE = ['kill-before', 'kill-after', 'drop', 'delay'] as const;

function faultsOf({ peer, direction, name, isWrite, step }: Seen): MessageFault[] {
  if (direction === '←') return [...EVERYWHERE, 'error', ...(peer === 'sm' ? ['error-each-try' as const] : [])];
  if (peer === 'sm') return [...EVERYWHERE, ...(isWrite ? ['late' as const] : [])];
  if (!name.startsWith('Query:')) return [...EVERYWHERE];
  return [...EVERYWHERE, 'late', ...(step === 'setSecret' ? ['restart' as const] : [])];
}

/** Places of what changes something, and of all that is answered to it. */
function writesAmong(seen: readonly Seen[]): Set<string> {
  const writing = new Map<string, boolean>();
  const places = seen.filter(({ step, peer, direction, isWrite }) => {
    const connection = `${step}/${peer}`;
    if (direction === '→') writing.set(connection, isWrite);
    return writing.get(connection);
  });
  return new Set(places.map(({ place }) => place));
}

function stepPoints(strategy: StrategyName, turn: Turn): Point[] {
  const gap = (place: Step, fault: GapFault): Point => {
    return { id: idOf(turn, `after-${place}`, fault), write: false, turn, on: 'gap', place, fault };
  };
  const step = (place: Step, fault: StepFault): Point => {
    return { id: idOf(turn, place, fault), write: false, turn, on: 'step', place, fault };
  };
  return [
    ...STEPS.map((place) => step(place, 'twice')),
    ...STEPS.slice(0, -1).flatMap((place) => GAPS.map((fault) => gap(place, fault))),
    step('setSecret', 'locked'),
    ...(strategy === 'alternating-users' ? RIGHTS[turn].map(([place, fault]) => gap(place, fault)) : []),
  ];
}

const GAPS = ['cancel', 'edit-key', 'edit-password', 'restart'] as const;

/** What people can do to the users of a pair, and when: once the twin's rights have been proven it catches up at its next turn. */
const RIGHTS: Record<Turn, readonly [Step, GapFault][]> = {
  0: [
    ['createSecret', 'edit-base'],
    ['setSecret', 'edit-base'],
    ['createSecret', 'stranger'],
    ['createSecret', 'claimed'],
  ],
  1: [
    ['createSecret', 'edit-base'],
    ['setSecret', 'edit-base'],
    ['createSecret', 'edit-twin'],
  ],
  2: [
    ['createSecret', 'edit-base'],
    ['setSecret', 'edit-base'],
  ],
};

/** The causes that only a person can settle, where a person is the cause; nothing else may end in a refusal. */
export const REFUSALS: Partial<Record<Point['fault'], string>> = {
  stranger: 'ForeignUserError',
  claimed: 'ForeignUserError',
  'edit-twin': 'TwinRightsError',
};

/** For a strategy: the others open the same connections, and more of them. */
const CUTS_A_CONNECTION: Record<StrategyName, number> = {
  'single-user': 64,
  'single-user-by-admin': 16,
  'alternating-users': 16,
  'dual-password': 16,
};

/** @param bytes of each connection of a normal run over TLS, both directions together, by the connection's place */
export function cutsOf(strategy: StrategyName, bytes: ReadonlyMap<string, number>): Point[] {
  return [...bytes].flatMap(([place, length]) => {
    const offsets = new Set<number>();
    for (let seed = 0; offsets.size < Math.min(CUTS_A_CONNECTION[strategy], length); seed++)
      offsets.add(seeded(`${place} ${seed}`) % length);
    return [...offsets].sort((a, b) => a - b).map((offset) => cut(place, offset));
  });
}

/** Read from its id: signatures differ in length, so the next run may cut elsewhere. Undefined if it is no such id. */
export function cutCalled(id: string): Point | undefined {
  const [, place, offset] = /^tls\/(\w+\/\w+)\/cut@(\d+)$/.exec(id) ?? [];
  return place === undefined ? undefined : cut(place, Number(offset));
}

function cut(place: string, offset: number): Point {
  const fault: Cut = `cut@${offset}`;
  return { id: `tls/${place}/${fault}`, write: false, turn: 0, on: 'connection', place, fault };
}

/** A number up to 2³² that is the same in every run. */
function seeded(seed: string): number {
  return createHash('sha256').update(seed).digest().readUInt32BE();
}

/** Of all points every twentieth, others each day. */
export function twentiethOf(points: readonly Point[], day: number): Point[] {
  return points.filter((_, index) => index % 20 === day % 20);
}

/** All writes, and of the rest every tenth, another tenth each day. */
export function tenthOf(points: readonly Point[], day: number): Point[] {
  return points.filter(({ write }, index) => write || index % 10 === day % 10);
}
