/** Servers to run points on, several at once, and the points that there are. */
import { type ServerOptions, startServer } from '../../local/servers/server.ts';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import { type RowName, serversOf } from '../engines/servers.ts';
import { tls } from '../fixtures/tls/tls.ts';
import { Administrator, type Stand } from './administrator.ts';
import { engineOf } from './engines.ts';
import { cutsOf, type Point, pointsOf, recoveryPointsOf, SCENE } from './points.ts';
import { type Bench, type Result, type RunOptions, runPoint } from './run-point.ts';
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
    return { ...plain, bundle, strategy, overTls: tlsOnly ? other : async () => plain };
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
  const recovering = await runPoint(bench, { point: scene });
  const recovery = recoveryPointsOf(SCENE, strategy, recovering.seen);
  if (recovery.length === 0) throw new Error(`A rotation that has to recover does not:\n${recovering.timeline}`);
  return { points: [...points, ...recovery], normal };
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

/** Every point, on whichever bench is free. */
export async function runPoints(
  benches: readonly Bench[],
  points: readonly Point[],
  onResult: (result: Result & { point: Point }) => void = () => {},
): Promise<(Result & { point: Point })[]> {
  const left = points.map((point) => ({ point, triesLeft: TRIES }));
  const results: (Result & { point: Point })[] = [];
  const work = async (bench: Bench) => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const { point, triesLeft } = next;
      const result = { ...(await runPoint(bench, { point })), point };
      if (!result.delivered && result.violations.length === 0 && triesLeft > 1) {
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
