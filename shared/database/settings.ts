/** The settings of a function that rotates database accounts. */

import { ConfigurationError, UnknownStrategyError } from '../core/errors.ts';
import { Settings } from '../core/settings.ts';
import type { PasswordRules } from './password.ts';
import { isStrategySetting, STRATEGY_SETTINGS, type StrategySetting } from './strategies/facts.ts';
import { certificatesIn } from './tls.ts';

const DEFAULT_LENGTH = 32;

/**
 * Reads the settings. DEFAULT_STRATEGY, ADMIN_MAY_SET_PASSWORDS, MASTER_SECRET_ARNS and PRIVATE_CA
 * are ours; AWS's own functions do not have them.
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
   * The ARNs of the admin secrets that the deployer lets the function use. Undefined if the deployer
   * did not say: then IAM alone decides. The template writes `none` for an empty list, because an
   * empty variable counts as none.
   */
  get masterSecretArns(): readonly string[] | undefined {
    const text = this.text('MASTER_SECRET_ARNS');
    return text === 'none' ? [] : text?.split(',').map((arn) => arn.trim());
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
      excludeCharacters: this.text('EXCLUDE_CHARACTERS') ?? '',
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
