import { ConfigurationError, UnknownStrategyError } from './errors.ts';
import type { PasswordRules } from './password.ts';
import { isStrategyName, STRATEGY_NAMES, type StrategyName } from './strategies.ts';

/** The function's settings. The names of the environment variables are those of AWS's own functions, and DEFAULT_STRATEGY ours. */
export type Settings = {
  /** Secrets Manager's address, where it is not the Region's public one. */
  endpoint: string | undefined;
  defaultStrategy: StrategyName;
  passwords: PasswordRules;
};

/** As in AWS's own functions: characters that need escaping in URLs, shells or connection strings. */
const EXCLUDED_BY_DEFAULT = '/@"\'\\';
const DEFAULT_LENGTH = 32;

/**
 * Read in each invocation, so that a setting that cannot be used gives this error and not a function that fails to start.
 * @throws {ConfigurationError | UnknownStrategyError}
 */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const text = (name: string) => environment[name] || undefined;
  const flag = (name: string, otherwise: boolean) => readFlag(name, text(name), otherwise);
  return {
    endpoint: text('SECRETS_MANAGER_ENDPOINT'),
    defaultStrategy: readStrategy(text('DEFAULT_STRATEGY') ?? 'auto'),
    passwords: {
      length: readLength(text('PASSWORD_LENGTH')),
      excludeCharacters: text('EXCLUDE_CHARACTERS') ?? EXCLUDED_BY_DEFAULT,
      excludeLowercase: flag('EXCLUDE_LOWERCASE', false),
      excludeUppercase: flag('EXCLUDE_UPPERCASE', false),
      excludeNumbers: flag('EXCLUDE_NUMBERS', false),
      excludePunctuation: flag('EXCLUDE_PUNCTUATION', false),
      requireEachIncludedType: flag('REQUIRE_EACH_INCLUDED_TYPE', true),
    },
  };
}

function readStrategy(name: string): StrategyName {
  if (!isStrategyName(name))
    throw new UnknownStrategyError(`DEFAULT_STRATEGY is none of ${STRATEGY_NAMES.join(', ')}.`);
  return name;
}

function readLength(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LENGTH;
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new ConfigurationError('PASSWORD_LENGTH is no whole number from 1 to 9999.');
  return Number(text);
}

function readFlag(name: string, text: string | undefined, otherwise: boolean): boolean {
  switch (text?.toLowerCase()) {
    case undefined:
      return otherwise;
    case 'true':
      return true;
    case 'false':
      return false;
    default:
      throw new ConfigurationError(`${name} is neither true nor false.`);
  }
}
