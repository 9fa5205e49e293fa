/** Where to strike, and how: found by a normal run, not listed by hand. */
import { createHash } from 'node:crypto';
import { STEPS, type Step } from '../../local/secrets-manager/rotation.ts';
import type { Seen } from './recorder.ts';

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
export type GapFault = 'cancel' | 'edit-key' | 'edit-password' | 'restart';
/** A connection over TLS ends after that many bytes. */
export type Cut = `cut@${number}`;

/** Something that went wrong before, so that there is something to recover from. */
export type Scene = { place: Step; fault: GapFault };

export type Point = { id: string; write: boolean } & (
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
  locked: 'another session held the user’s row past the deadline',
  cancel: 'CancelRotateSecret between two steps, then RotateSecret',
  'edit-key': 'AWSCURRENT edited between two steps: a key added',
  'edit-password': 'AWSCURRENT edited between two steps: password changed, in the database too',
  cut: 'connection over TLS cut at a byte',
} as const;
export type Kind = keyof typeof KINDS;

export function kindOf({ on, fault }: Point): Kind {
  return on === 'connection' ? 'cut' : fault;
}

/** All points in clear text, from the messages of a normal run. */
export function pointsOf(seen: readonly Seen[]): Point[] {
  const writes = writesAmong(seen);
  const points = seen.flatMap((message) =>
    faultsOf(message).map((fault): Point => {
      const { place, attempt } = message;
      return { id: `${place}/${fault}`, write: writes.has(place), on: 'message', place, fault, attempt };
    }),
  );
  return [...points, ...stepPoints()];
}

/** Giving up a pending version that is the only one that works: the one recovery that writes what a normal run does not. */
export const SCENE: Scene = { place: 'setSecret', fault: 'edit-key' };
const RECOVERY = 2;

/** The writes of the attempt that recovers, from the messages of a run of that scene. */
export function recoveryPointsOf(scene: Scene, seen: readonly Seen[]): Point[] {
  const recovery = seen.filter(({ attempt }) => attempt === RECOVERY);
  const writes = writesAmong(recovery);
  return recovery.flatMap((message) => {
    const { place, attempt } = message;
    if (!writes.has(place)) return [];
    return faultsOf(message).map((fault): Point => {
      const id = `after-${scene.place}/${scene.fault}/then/${place}/${fault}`;
      return { id, write: false, on: 'message', place, fault, attempt, scene };
    });
  });
}

const EVERYWHERE = ['kill-before', 'kill-after', 'drop', 'delay'] as const;

function faultsOf({ peer, direction, name, step }: Seen): MessageFault[] {
  if (direction === '←') return [...EVERYWHERE, 'error', ...(peer === 'sm' ? ['error-each-try' as const] : [])];
  if (peer === 'sm') return [...EVERYWHERE, ...(isWrite(name) ? ['late' as const] : [])];
  if (!name.startsWith('Query:')) return [...EVERYWHERE];
  return [...EVERYWHERE, 'late', ...(step === 'setSecret' ? ['restart' as const] : [])];
}

/** Operations of Secrets Manager and statements that change something. */
function isWrite(name: string): boolean {
  return /^(Put|Update|Query:(ALTER|COMMIT)$)/.test(name);
}

/** Places of what changes something, and of all that is answered to it. */
function writesAmong(seen: readonly Seen[]): Set<string> {
  const writing = new Map<string, boolean>();
  const places = seen.filter(({ step, peer, direction, name }) => {
    const connection = `${step}/${peer}`;
    if (direction === '→') writing.set(connection, isWrite(name));
    return writing.get(connection);
  });
  return new Set(places.map(({ place }) => place));
}

function stepPoints(): Point[] {
  const gaps = STEPS.slice(0, -1).flatMap((place) =>
    (['cancel', 'edit-key', 'edit-password', 'restart'] as const).map(
      (fault): Point => ({ id: `after-${place}/${fault}`, write: false, on: 'gap', place, fault }),
    ),
  );
  const twice = STEPS.map(
    (place): Point => ({ id: `${place}/twice`, write: false, on: 'step', place, fault: 'twice' }),
  );
  return [...twice, ...gaps, { id: 'setSecret/locked', write: false, on: 'step', place: 'setSecret', fault: 'locked' }];
}

const CUTS_A_CONNECTION = 64;

/** @param bytes of each connection of a normal run over TLS, both directions together, by the connection's place */
export function cutsOf(bytes: ReadonlyMap<string, number>): Point[] {
  return [...bytes].flatMap(([place, length]) => {
    const offsets = new Set<number>();
    for (let seed = 0; offsets.size < Math.min(CUTS_A_CONNECTION, length); seed++)
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
  return { id: `tls/${place}/${fault}`, write: false, on: 'connection', place, fault };
}

/** A number up to 2³² that is the same in every run. */
function seeded(seed: string): number {
  return createHash('sha256').update(seed).digest().readUInt32BE();
}

/** All writes, and of the rest every tenth, another tenth each day. */
export function tenthOf(points: readonly Point[], day: number): Point[] {
  return points.filter(({ write }, index) => write || index % 10 === day % 10);
}
