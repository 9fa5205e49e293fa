/** A server to play points on, several side by side, and the points that there are. */
import { type Server, type ServerDescription, startServer } from '../../local/servers/server.ts';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import { Administrator } from '../crash-matrix/administrator.ts';
import { engineOf } from '../crash-matrix/engines.ts';
import type { RowName } from '../engines/servers.ts';
import { type Act, type ActName, acts } from './acts.ts';
import { handsFor } from './engines.ts';
import { play, type Result } from './play.ts';
import { type Point, pointsOf, turnsOf } from './points.ts';
import type { StartProcess } from './step.ts';
import type { Bench } from './world.ts';

export type PointResult = Result & { point: Point };

/** A server that nobody else uses. */
export function startOwnServer(row: RowName): Promise<Server> {
  return startServer(row, { settings: { ...engineOf(row).settings, ...handsFor(row).settings } });
}

/** Any number on one server: each has a connection of its own for the superuser. */
export async function openBenches(
  server: ServerDescription,
  strategy: StrategyName,
  startProcess: StartProcess,
  count: number,
): Promise<{ benches: [Bench, ...Bench[]] } & AsyncDisposable> {
  await using opening = new AsyncDisposableStack();
  const resources = opening.use(new AsyncDisposableStack());
  const engine = engineOf(server.row);
  const abilities = await engine.abilities(resources.use(new Administrator(engine, server)));
  const open = (): Bench => {
    const administrator = inTurn(resources.use(new Administrator(engine, server)));
    return { server, administrator, abilities, strategy, startProcess };
  };
  const benches: [Bench, ...Bench[]] = [open(), ...Array.from({ length: count - 1 }, open)];
  opening.move();
  return { benches, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** Two instances of the function can be looked at at the same time, and a connection has one statement at a time. */
function inTurn(administrator: Administrator): Bench['administrator'] {
  let last: Promise<unknown> = Promise.resolve();
  return {
    connect: () => administrator.connect(),
    run<Row>(statements: unknown) {
      const next = last.then(() => administrator.run<Row>(statements));
      last = next.catch(() => {});
      return next;
    },
  };
}

/**
 * From a rotation without an act for each turn. `absent`: what cannot be done on that server, and why.
 * @throws if that does not keep the promises: nothing could be learnt from acts then
 */
export async function findPoints(bench: Bench): Promise<{ points: Point[]; absent: Set<string> }> {
  const points: Point[] = [];
  const absent = new Set<string>();
  const possible = new Set<ActName>();
  for (const [name, act] of Object.entries(acts) as [ActName, Act][]) {
    const why = await act.absent?.(bench);
    if (why === undefined) possible.add(name);
    else if (act.strategies?.includes(bench.strategy) ?? true) absent.add(`${act.says}: ${why}`);
  }
  for (const turn of turnsOf(bench.strategy)) {
    const normal = await play(bench, turn);
    if (normal.violations.length > 0 || normal.outcome !== 'converged')
      throw new Error(`A normal rotation fails: ${normal.violations.join('; ')}\n${normal.timeline}`);
    points.push(...pointsOf(bench.strategy, turn, normal.seen, possible));
  }
  return { points, absent };
}

/** What a slow machine made go another way before it came to the act gets so many tries. */
const TRIES = 5;

/** Every point, on whichever bench is free. */
export async function playPoints(
  benches: readonly Bench[],
  points: readonly Point[],
  onResult: (result: PointResult) => void = () => {},
): Promise<PointResult[]> {
  const left = points.map((point) => ({ point, triesLeft: TRIES }));
  const results: PointResult[] = [];
  const work = async (bench: Bench) => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const { point, triesLeft } = next;
      const result = { ...(await play(bench, point.turn, point)), point };
      if (!result.delivered && result.impossible === undefined && result.violations.length === 0 && triesLeft > 1) {
        left.push({ point, triesLeft: triesLeft - 1 }); // later: what kept the machine busy may be over by then
        continue;
      }
      results.push(result);
      onResult(result);
    }
  };
  await Promise.all(benches.map(work));
  return results;
}
