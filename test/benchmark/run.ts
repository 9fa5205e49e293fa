/** A whole run: all cases, one after the other. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { temporaryDirectory } from '../../local/owner.ts';
import { introduction } from '../../local/servers/server.ts';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import { openBenches } from '../crash-matrix/benches.ts';
import { rows } from '../engines/servers.ts';
import { bareNode, build, candidatesOf } from './candidates.ts';
import { type Effort, measure, type Result } from './measure.ts';
import type { Options } from './options.ts';

export type CaseReport = Result & {
  /** `PostgreSQL 18.1` */
  server: string;
  strategy: StrategyName;
  tls: boolean;
  latency: number;
};

export type Report = Effort & {
  date: string;
  /** Of the repository, abbreviated. */
  commit: string;
  node: string;
  machine: { processor: string; cores: number; gigabytes: number; system: string };
  /** Load averages of the last minute, from before and after: above 0, others were at work beside. */
  load: { before: number; after: number };
  cases: CaseReport[];
};

/** @param say hears how it goes */
export async function benchmark(
  { row, strategies, tls: withTls, latencies, peers, runs, rotations }: Options,
  say: (line: string) => void,
): Promise<Report> {
  await using folder = await temporaryDirectory();
  const [before = 0] = loadavg();
  const bare = await bareNode(folder.path);
  const cases: CaseReport[] = [];
  const built = await build(rows[row].engine, folder.path);
  await using opened = await openBenches(row, 'single-user', built.ours, 1);
  const [bench] = opened.benches as [(typeof opened.benches)[number]];
  for (const strategy of strategies) {
    const candidates = await candidatesOf(bench, strategy, built, folder.path, peers);
    for (const tls of withTls) {
      const stand = tls ? await bench.overTls() : bench;
      for (const latency of latencies) {
        say(`${introduction(stand.server)}, ${titleOf({ strategy, tls, latency })}`);
        const result = await measure({ stand, plain: bench, strategy, tls, latency }, candidates, bare, {
          runs,
          rotations,
        });
        for (const { name, why } of result.failed) say(`  ${name} was left out: ${why}`);
        const { product, version } = stand.server;
        cases.push({ server: `${product} ${version}`, strategy, tls, latency, ...result });
      }
    }
  }
  const [after = 0] = loadavg();
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim(),
    node: process.version,
    machine: {
      processor: cpus()[0]?.model.trim() ?? process.arch,
      cores: availableParallelism(),
      gigabytes: Math.round(totalmem() / 2 ** 30),
      system: `${process.platform} ${process.arch}`,
    },
    load: { before, after },
    runs,
    rotations,
    cases,
  };
}

/** `single user, TLS, Secrets Manager at 15 ms` */
export function titleOf({ strategy, tls, latency }: Pick<CaseReport, 'strategy' | 'tls' | 'latency'>): string {
  return `${strategy.replaceAll('-', ' ')}, ${tls ? 'TLS' : 'no TLS'}, Secrets Manager at ${latency} ms`;
}
