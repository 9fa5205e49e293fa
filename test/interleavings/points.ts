/** Where what can come in between: found by a normal run, not listed by hand. */
import { createHash } from 'node:crypto';
import { STEPS, type Step } from '../../local/secrets-manager/rotation.ts';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import type { Seen } from '../crash-matrix/recorder.ts';
import { courses, TURNS, type Turn } from '../crash-matrix/strategies.ts';
import { type Act, type ActName, acts } from './acts.ts';

export type Point = {
  id: string;
  /** So many rotations before. */
  turn: Turn;
  act: ActName;
  /** Before that request or message of the first attempt; `after-setSecret`; or, for `aws-…`, the last step that AWS's function takes. */
  place: string;
};

/** One rotation before, so that there is an AWSPREVIOUS; with alternating users each turn. */
export function turnsOf(strategy: StrategyName): readonly Turn[] {
  return strategy === 'alternating-users' ? courses[strategy].turns : [1];
}

/** @param possible the acts that can be done on that server */
export function pointsOf(
  strategy: StrategyName,
  turn: Turn,
  seen: readonly Seen[],
  possible: ReadonlySet<ActName>,
): Point[] {
  const between = [...placesIn(seen), ...STEPS.map((step) => `after-${step}`)];
  return (Object.entries(acts) as [ActName, Act][])
    .filter(([name, act]) => possible.has(name) && (act.strategies?.includes(strategy) ?? true))
    .flatMap(([act, { steps }]) => (steps ?? between).map((place) => point(strategy, turn, act, place)));
}

function point(strategy: StrategyName, turn: Turn, act: ActName, place: string): Point {
  const prefix = turnsOf(strategy).length === 1 ? '' : TURNS[turn].prefix;
  return { id: `${prefix}${act}@${place}`, turn, act, place };
}

/**
 * Before each request and each message of the first attempt. After one is before the next: nothing happens in between. Of messages that follow
 * each other in one direction the last, as the server goes by that. A connection on which a driver only watches the server is no place: it
 * goes its own way.
 */
function placesIn(seen: readonly Seen[]): string[] {
  const first = seen.filter(({ attempt, peer }) => attempt === 1 && !peer.startsWith('monitor'));
  return first.flatMap(({ step, peer, direction, place }, index) => {
    if (direction === '←') return [];
    const next = first.slice(index + 1).find((later) => later.step === step && later.peer === peer);
    return peer !== 'sm' && next?.direction === '→' ? [] : [place];
  });
}

/** Every so manyth point, the same in every run and spread over all acts and places. @param part from 1 to `of` */
export function partOf(points: readonly Point[], part: number, of: number): Point[] {
  return points.filter(({ id }) => createHash('sha256').update(id).digest().readUInt32BE() % of === part - 1);
}

export function isStep(place: string): place is Step {
  return (STEPS as readonly string[]).includes(place);
}
