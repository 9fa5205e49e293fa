/** The settings of a function that rotates database accounts. */

import { ConfigurationError, UnknownStrategyError } from '../core/errors.ts';
import { Settings } from '../core/settings.ts';
import type { PasswordRules } from './password.ts';
import { isStrategySetting, STRATEGY_SETTINGS, type StrategySetting } from './strategies/facts.ts';
import { certificatesIn } from './tls.ts';

/**
 * The default of AWS's own functions: characters that need escaping in URLs, shells or connection
 * strings.
 */
const EXCLUDED_BY_DEFAULT = '/@"\'\\';
const DEFAULT_LENGTH = 32;

/**
 * Reads the settings. DEFAULT_STRATEGY, ADMIN_MAY_SET_PASSWORDS and PRIVATE_CA are ours; AWS's own
 * functions do not have them.
 */
export class DatabaseSettings extends Settings {
  /**
   * The strategy for secrets without a tag that names one.
   * @throws {UnknownStrategyError}
   */
  get defaultStrategy(): StrategySetting {
    const name = this.text('DEFAULT_STRATEGY') ?? 'auto';
    if (!isStrategySetting(name))
      throw new UnknownStrategyError(`DEFAULT_STRATEGY is none of ${STRATEGY_SETTINGS.join(', ')}.`);
    return name;
  }

  /**
   * Whether the deployer lets an admin set a user's password without knowing the old one.
   * @throws {ConfigurationError}
   */
  get adminMaySetPasswords(): boolean {
    return this.flag('ADMIN_MAY_SET_PASSWORDS', false);
  }

  /**
   * PEM certificates of authorities to trust, beside those that the secret names.
   * @throws {ConfigurationError}
   */
  get privateCa(): readonly string[] {
    const text = this.text('PRIVATE_CA');
    const certificates = text === undefined ? [] : certificatesIn(text);
    if (certificates === undefined) throw new ConfigurationError('PRIVATE_CA holds no readable PEM certificate.');
    return certificates;
  }

  /**
   * What a new password must look like.
   * @throws {ConfigurationError}
   */
  get passwords(): PasswordRules {
    return {
      length: this.#length(),
      excludeCharacters: this.text('EXCLUDE_CHARACTERS') ?? EXCLUDED_BY_DEFAULT,
      excludeLowercase: this.flag('EXCLUDE_LOWERCASE', false),
      excludeUppercase: this.flag('EXCLUDE_UPPERCASE', false),
      excludeNumbers: this.flag('EXCLUDE_NUMBERS', false),
      excludePunctuation: this.flag('EXCLUDE_PUNCTUATION', false),
      requireEachIncludedType: this.flag('REQUIRE_EACH_INCLUDED_TYPE', true),
    };
  }

  #length(): number {
    const text = this.text('PASSWORD_LENGTH');
    if (text === undefined) return DEFAULT_LENGTH;
    if (!/^[1-9]\d{0,3}$/.test(text))
      throw new ConfigurationError('PASSWORD_LENGTH is no whole number from 1 to 9999.');
    return Number(text);
  }
}
