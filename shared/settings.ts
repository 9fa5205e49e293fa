import { ConfigurationError, UnknownStrategyError } from './errors.ts';
import type { PasswordRules } from './password.ts';
import { isStrategyName, STRATEGY_NAMES, type StrategyName } from './strategies.ts';
import { certificatesIn } from './tls.ts';

/** As in AWS's own functions: characters that need escaping in URLs, shells or connection strings. */
const EXCLUDED_BY_DEFAULT = '/@"\'\\';
const DEFAULT_LENGTH = 32;

/**
 * The function's settings. The environment variables have the names that AWS's own functions give them; DEFAULT_STRATEGY,
 * ADMIN_MAY_SET_PASSWORDS and PRIVATE_CA are ours. Each is read where it is needed, in each invocation: one that cannot be used stops the
 * step that needs it, with its own error, and not a rotation that is half way through.
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
    const text = this.#text('SECRETS_MANAGER_ENDPOINT');
    if (text === undefined || (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol))) return text;
    throw new ConfigurationError('SECRETS_MANAGER_ENDPOINT is no URL that begins with https:// (or http://).');
  }

  /** @throws {UnknownStrategyError} */
  get defaultStrategy(): StrategyName {
    const name = this.#text('DEFAULT_STRATEGY') ?? 'auto';
    if (!isStrategyName(name))
      throw new UnknownStrategyError(`DEFAULT_STRATEGY is none of ${STRATEGY_NAMES.join(', ')}.`);
    return name;
  }

  /**
   * Whether the deployer lets an admin set a user's password without knowing the present one.
   * @throws {ConfigurationError}
   */
  get adminMaySetPasswords(): boolean {
    return this.#flag('ADMIN_MAY_SET_PASSWORDS', false);
  }

  /**
   * Certificates of authorities to trust beside those of the secret, in PEM.
   * @throws {ConfigurationError}
   */
  get privateCa(): readonly string[] {
    const text = this.#text('PRIVATE_CA');
    const certificates = text === undefined ? [] : certificatesIn(text);
    if (certificates === undefined) throw new ConfigurationError('PRIVATE_CA holds no readable PEM certificate.');
    return certificates;
  }

  /** @throws {ConfigurationError} */
  get passwords(): PasswordRules {
    return {
      length: this.#length(),
      excludeCharacters: this.#text('EXCLUDE_CHARACTERS') ?? EXCLUDED_BY_DEFAULT,
      excludeLowercase: this.#flag('EXCLUDE_LOWERCASE', false),
      excludeUppercase: this.#flag('EXCLUDE_UPPERCASE', false),
      excludeNumbers: this.#flag('EXCLUDE_NUMBERS', false),
      excludePunctuation: this.#flag('EXCLUDE_PUNCTUATION', false),
      requireEachIncludedType: this.#flag('REQUIRE_EACH_INCLUDED_TYPE', true),
    };
  }

  #length(): number {
    const text = this.#text('PASSWORD_LENGTH');
    if (text === undefined) return DEFAULT_LENGTH;
    if (!/^[1-9]\d{0,3}$/.test(text))
      throw new ConfigurationError('PASSWORD_LENGTH is no whole number from 1 to 9999.');
    return Number(text);
  }

  #flag(name: string, otherwise: boolean): boolean {
    const text = this.#text(name)?.toLowerCase();
    if (text === undefined) return otherwise;
    if (text !== 'true' && text !== 'false') throw new ConfigurationError(`${name} is neither true nor false.`);
    return text === 'true';
  }

  /** An empty value means none: that is how a template passes a parameter that was left empty. */
  #text(name: string): string | undefined {
    return this.#environment[name] || undefined;
  }
}
