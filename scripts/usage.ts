/** The command lines of what people run by name. */
import { type ParseArgsConfig, parseArgs } from 'node:util';

/** An option that cannot be used, in one sentence. */
export class UsageError extends Error {}

/**
 * Node's parseArgs, strict.
 * @param command what shows the options, as people type it
 * @throws {UsageError}
 */
export function parseCommandLine<T extends ParseArgsConfig>(command: string, config: T) {
  try {
    return parseArgs<T>(config);
  } catch (error) {
    // Node says what is wrong in the first sentence, and talks of positional arguments in those that follow.
    const [sentence] = (error instanceof Error ? error.message : String(error)).split(/\.\s/);
    throw new UsageError(`${sentence}; ${command} shows the options.`);
  }
}

/** @throws {UsageError} */
export function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new UsageError(`${option} takes a whole number from 1 on, not "${text}".`);
  return Number(text);
}

/** What an option that cannot be used ends with: the sentence, and exit code 2. */
export function orExit<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    process.exit(2);
  }
}
