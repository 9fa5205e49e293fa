import { ConfigurationError } from './errors.ts';

/**
 * The function's settings: environment variables, with the names that AWS's own functions give them where those have them.
 *
 * Each is read where it is needed, in each invocation. So one that cannot be used stops the step that needs it, with its own error, and not
 * a rotation that is half way through.
 */
export class Settings {
  readonly #environment: NodeJS.ProcessEnv;

  constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment;
  }

  /**
   * Secrets Manager's address, where it is not the Region's public one.
   * @throws {ConfigurationError}
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

  /** Undefined if it is empty, too: that is how a template passes a parameter that was left empty. */
  protected text(name: string): string | undefined {
    return this.#environment[name] || undefined;
  }
}
