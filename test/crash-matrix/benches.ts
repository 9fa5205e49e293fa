/** Servers to run points on, several at once, and the points that there are. */
import { WarmSandboxes } from '../../local/lambda.ts';
import { type ServerOptions, startServer } from '../../local/servers/server.ts';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import { type RowName, serversOf } from '../engines/servers.ts';
import { tls } from '../fixtures/tls/tls.ts';
import { Administrator, type Stand } from './administrator.ts';
import { engineOf } from './engines.ts';
import { cutsOf, type Point, pointsOf, recoveryPointsOf, SCENE } from './points.ts';
import { type Bench, type PointResult, type Result, type RunOptions, runPoint } from './run-point.ts';
import { courses } from './strategies.ts';

/** Each bench has a server of its own. */
export async function openBenches(
  row: RowName,
  strategy: StrategyName,
  bundle: string,
  count: number,
  from?: ServerOptions['from'],
): Promise<{ benches: Bench[] } & AsyncDisposable> {
  await using opening = new AsyncDisposableStack();
  const resources = opening.use(new AsyncDisposableStack());
  const engine = engineOf(row);
  const warm = resources.use(new WarmSandboxes());
  const stand = async (options: ServerOptions): Promise<Stand> => {
    const { settings } = engine;
    const server = resources.use(await startServer(row, { ...options, settings, ...(from && { from }) }));
    const administrator = resources.use(new Administrator(engine, server));
    return { server, administrator, abilities: await engine.abilities(administrator) };
  };
  const { certificate, key } = tls;
  const secure = { tls: { certificate, key } };
  const open = async (): Promise<Bench> => {
    const { tlsOnly } = serversOf(row);
    const plain = await stand(tlsOnly ? {} : secure);
    let overTls: Promise<Stand> | undefined;
    const other = () => (overTls ??= stand(secure));
    return { ...plain, bundle, warm, strategy, overTls: tlsOnly ? other : async () => plain };
  };
  const benches = await Promise.all(Array.from({ length: count }, open));
  opening.move();
  return { benches, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/**
 * Finds the points by a rotation without a fault, and those of a recovery by one that has to recover.
 * @throws if they are not what they should be: nothing could be learnt from faults then
 */
export async function findPoints(bench: Bench): Promise<{ points: Point[]; normal: Result }> {
  const { strategy, abilities } = bench;
  const normal = await runNormal(bench);
  const points: Point[] = [];
  for (const turn of courses[strategy].turns)
    points.push(...pointsOf(strategy, turn, (turn === 0 ? normal : await runNormal(bench, { turn })).seen, abilities));
  const scene = points.find(
    ({ on, turn, place, fault }) => on === 'gap' && turn === 0 && place === SCENE.place && fault === SCENE.fault,
  );
  return { points: [...points, ...(await findRecovery(bench, scene))], normal };
}

async function findRecovery(bench: Bench, scene: Point | undefined): Promise<Point[]> {
  for (let triesLeft = TRIES; ; triesLeft--) {
    const { seen, timeline } = await runPoint(bench, { point: scene });
    const points = recoveryPointsOf(SCENE, bench.strategy, seen);
    if (points.length > 0) return points;
    if (triesLeft === 1) throw new Error(`A rotation that has to recover does not:\n${timeline}`);
  }
}

/** The same for a rotation over TLS. */
export async function findCuts(bench: Bench): Promise<Point[]> {
  return cutsOf(bench.strategy, (await runNormal(bench, { tls: true })).connections);
}

/** What a slow machine made fail before it came to what was wanted gets so many tries, and so does a cut beyond what was sent this time. */
const TRIES = 5;

/**
 * A rotation without a fault, in one attempt, in which the database refuses nothing.
 * @throws if that is not to be had
 */
export async function runNormal(bench: Bench, options: Omit<RunOptions, 'point'> = {}): Promise<Result> {
  let result = await runPoint(bench, options);
  for (let tries = 1; tries < TRIES && !isOneAttempt(result); tries++) result = await runPoint(bench, options);
  if (result.violations.length > 0 || result.outcome !== 'converged' || !isOneAttempt(result))
    throw new Error(`A normal rotation fails: ${result.violations.join('; ')}\n${result.timeline}`);
  const { protocol, deniesNormally } = engineOf(bench.server.row);
  if (result.seen.some(({ name }) => protocol.isError(name) && !deniesNormally.has(name)))
    throw new Error(`The database refuses something to a normal rotation:\n${result.timeline}`);
  return result;
}

function isOneAttempt({ seen }: Result): boolean {
  return seen.every(({ attempt }) => attempt === 1);
}

/** @returns runs what it is given on the next bench that is free, first come, first served */
export function sharing(benches: readonly Bench[]): <T>(work: (bench: Bench) => Promise<T>) => Promise<T> {
  const free = [...benches];
  const waiting: ((bench: Bench) => void)[] = [];
  return async (work) => {
    const bench = free.shift() ?? (await new Promise<Bench>((resolve) => waiting.push(resolve)));
    try {
      return await work(bench);
    } finally {
      const next = waiting.shift();
      if (next) next(bench);
      else free.push(bench);
    }
  };
}

/** Every point, on whichever bench is free. */
export async function runPoints(
  benches: readonly Bench[],
  points: readonly Point[],
  onResult: (result: PointResult) => void = () => {},
): Promise<PointResult[]> {
  const onFreeBench = sharing(benches);
  const results: PointResult[] = [];
  const run = async (point: Point, triesLeft = TRIES): Promise<void> => {
    const result = { ...(await onFreeBench((bench) => runPoint(bench, { point }))), point };
    // Later: what kept the machine busy may be over by then.
    if (!result.delivered && result.violations.length === 0 && triesLeft > 1) return run(point, triesLeft - 1);
    results.push(result);
    onResult(result);
  };
  await Promise.all(points.map((point) => run(point)));
  return results;
}
