import { parseCommandLine, UsageError, wholeNumber } from '../../scripts/usage.ts';
import { STRATEGY_NAMES, type StrategyName } from '../../shared/database/strategies/facts.ts';
import { unsupported } from '../crash-matrix/engines.ts';
import { chooseRow, engineKeys, type RowName, rowNames, rows } from '../engines/servers.ts';
import { type Peer, peerOf } from './candidates.ts';
import { type Effort, LOOKS } from './measure.ts';

export type Options = Effort & {
  row: RowName;
  strategies: readonly StrategyName[];
  /** With TLS, without, or both. */
  tls: readonly boolean[];
  latencies: readonly number[];
  peers: readonly Peer[];
  /** Into docs/. */
  writes: boolean;
};

const COMMAND = 'npm run bench -- --help';
const DEFAULT_STRATEGIES: readonly StrategyName[] = ['single-user', 'alternating-users'];

export const HELP = `Measures the built function on a real server, by turns with its floor: a bare script that makes the same calls and statements.

  npm run bench
  npm run bench -- --strategy single-user --tls off --latency 15
  npm run bench -- --peer ../other/dist/postgres --peer single-user=../python-function

Options
  --engine NAME       ${engineKeys.join(', ')}: the first server of that engine (postgres)
  --server NAME       ${rowNames.join(', ')}
  --strategy NAME     ${STRATEGY_NAMES.join(', ')} (${DEFAULT_STRATEGIES.join(' and ')})
  --tls WHICH         on, off (both)
  --latency N         how many milliseconds Secrets Manager takes for an answer, from 0 on (0 and 15)
  --runs N            how many new processes of each function (12)
  --rotations N       how many rotations in one process, whose memory is looked at after ${LOOKS.join(', ')} (20)
  --peer DIR          another function, measured with the same events in the same run: DIR has an index.mjs that exports handler, or a
                      lambda_function.py with lambda_handler, for the python3 on PATH. STRATEGY=DIR for one strategy. May be given again
  --write             writes docs/benchmark.md, docs/benchmark.svg and docs/benchmark.json
  --smoke             one run, without TLS, and Secrets Manager at 0 ms: shows that it works, not how fast
  --help              this text

Exit code: 0 all was measured, 1 something failed, 2 an option cannot be used.`;

/** Undefined if it is help that is asked for. @throws {UsageError} */
export function parseOptions(args: string[]): Options | undefined {
  const { values } = parseCommandLine(COMMAND, {
    args,
    options: {
      engine: { type: 'string' },
      server: { type: 'string' },
      strategy: { type: 'string' },
      tls: { type: 'string' },
      latency: { type: 'string' },
      runs: { type: 'string' },
      rotations: { type: 'string' },
      peer: { type: 'string', multiple: true, default: [] },
      write: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { smoke } = values;
  const row = rowOf(values.server, values.engine);
  const peers = values.peer.map((text) => peerOf(text, STRATEGY_NAMES));
  const names = ['ours', 'floor', ...peers.map(({ name }) => name)];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`Two of the functions would be called "${twice}", by their folders.`);
  return {
    row,
    strategies: strategiesOf(row, values.strategy),
    tls: tlsOf(values.tls ?? (smoke ? 'off' : 'both')),
    latencies: values.latency === undefined ? (smoke ? [0] : [0, 15]) : [latencyOf(values.latency)],
    runs: wholeNumber('--runs', values.runs ?? (smoke ? '1' : '12')),
    rotations: wholeNumber('--rotations', values.rotations ?? (smoke ? '1' : '20')),
    peers,
    writes: values.write,
  };
}

function rowOf(server: string | undefined, engine: string | undefined): RowName {
  try {
    return chooseRow(server, engine);
  } catch (error) {
    throw new UsageError(`${(error as Error).message}.`);
  }
}

function strategiesOf(row: RowName, named: string | undefined): readonly StrategyName[] {
  if (named === undefined) return DEFAULT_STRATEGIES.filter((strategy) => unsupported(row, strategy) === undefined);
  const strategy = STRATEGY_NAMES.find((name) => name === named);
  if (strategy === undefined) throw new UsageError(`--strategy is none of ${STRATEGY_NAMES.join(', ')}.`);
  const why = unsupported(row, strategy);
  if (why) throw new UsageError(`${rows[row].product} has no --strategy ${strategy}: ${why}.`);
  return [strategy];
}

function tlsOf(named: string): readonly boolean[] {
  const found = { on: [true], off: [false], both: [false, true] }[named];
  if (found === undefined) throw new UsageError(`--tls is on, off or both, not "${named}".`);
  return found;
}

function latencyOf(text: string): number {
  return text === '0' ? 0 : wholeNumber('--latency', text);
}
