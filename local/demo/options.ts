import { parseCommandLine, UsageError, wholeNumber } from '../../scripts/usage.ts';
import { type Facts, STRATEGIES, STRATEGY_NAMES, type StrategyName } from '../../shared/database/strategies/facts.ts';
import { engines } from '../../test/engines/engines.ts';
import { type EngineName, engineNames } from '../../test/engines/servers.ts';
import { WORDS } from './strategies.ts';

const ORIGINS = engineNames.map((name) => engines[name].demo.origin).join('\n');
const EXPLAINED = STRATEGY_NAMES.map((name) => `${name} (${WORDS[name].summary})`);

export type Options = {
  rotations: number;
  engine: EngineName;
  strategy: StrategyName;
  json: boolean;
  help: boolean;
};

export const HELP = `Rotates a database password on this machine, with the built function, and measures what an application feels.

  npm run demo                       three rotations of a PostgreSQL password
  npm run demo -- --rotations 10     as many as you like
  npm run demo -- --strategy alternating-users
  npm run demo -- --engine mysql --strategy dual-password
  npm run demo -- --engine mongodb

Options
  --rotations N       how many rotations, one after the other (3)
  --engine NAME       ${engineNames.join(', ')}
  --strategy NAME     ${EXPLAINED.join(',\n                      ')}
  --json              one JSON document on stdout; progress goes to stderr
  --help              this text

Needs Node and npm. ${ORIGINS}
Secrets Manager and Lambda are played by this repository; nothing is left behind. Since function and server share this
machine, they talk without TLS.

Exit code: 0 all was as promised, 1 something was not, 2 an option cannot be used, 130 Ctrl-C.`;

/** @throws {UsageError} */
export function parseOptions(args: string[]): Options {
  const { rotations, engine, strategy, json, help } = parseCommandLine('npm run demo -- --help', {
    args,
    options: {
      rotations: { type: 'string', default: '3' },
      engine: { type: 'string', default: engineNames[0] as EngineName },
      strategy: { type: 'string', default: STRATEGY_NAMES[0] as StrategyName },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
  const options = {
    rotations: wholeNumber('--rotations', rotations),
    engine: oneOf('--engine', engine, engineNames),
    strategy: oneOf('--strategy', strategy, STRATEGY_NAMES, EXPLAINED),
    json,
    help,
  };
  requireSupport(options);
  return options;
}

/** The function would say so too, after all has been started. */
function requireSupport({ engine, strategy }: Options): void {
  const { rotates } = engines[engine];
  const { capability }: Facts = STRATEGIES[strategy];
  const found = capability && rotates[capability](rotates.engineKeys[0]);
  if (found && 'unsupported' in found)
    throw new UsageError(
      `The strategy ${strategy} cannot be had for ${rotates.name} (--engine ${engine}): ${found.unsupported}.`,
    );
}

/** @param explained what there is, for people */
function oneOf<T extends string>(
  option: string,
  text: string,
  there: readonly T[],
  explained: readonly string[] = there,
): T {
  const found = there.find((name) => name === text);
  if (found === undefined) throw new UsageError(`There is no ${option} "${text}"; there is ${explained.join(', ')}.`);
  return found;
}
