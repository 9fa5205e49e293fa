/** The settings that every rotation function has. */

import { ConfigurationError } from './errors.ts';

/**
 * The function's settings, which are environment variables. A setting that AWS's own functions
 * have, too, has the same name here.
 *
 * Each setting is read where it is needed, in each invocation. So a setting that cannot be used
 * stops only the steps that need it, with its own error. A rotation that is half way through may go
 * on.
 */
export class Settings {
  readonly #environment: NodeJS.ProcessEnv;

  constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment;
  }

  /**
   * The URL of Secrets Manager. Undefined for the Region's public endpoint.
   * @throws {ConfigurationError} if it is not an http or https URL
   */
  get secretsManagerEndpoint(): string | undefined {
    const text = this.text('SECRETS_MANAGER_ENDPOINT');
    if (text === undefined || (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol))) return text;
    throw new ConfigurationError('SECRETS_MANAGER_ENDPOINT is no URL that begins with https:// (or http://).');
  }

  protected flag(name: string, otherwise: boolean): boolean {
    const text = this.text(name)?.toLowerCase();
    if (text === undefined) return otherwise;
    if (text !== 'true' && text !== 'false') throw new ConfigurationError(`${name} is neither true nor false.`);
    return text === 'true';
  }

  /** An empty value counts as none: a template passes a parameter that was left empty in that way. */
  protected text(name: string): string | undefined {
    return this.#environment[name] || undefined;
  }
}
