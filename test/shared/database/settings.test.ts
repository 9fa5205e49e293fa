import { describe, expect, test } from '@jest/globals';
import { ConfigurationError, UnknownStrategyError } from '../../../shared/core/errors.ts';
import { DatabaseSettings } from '../../../shared/database/settings.ts';
import { tls } from '../../fixtures/tls/tls.ts';

describe('the settings', () => {
  test('that are absent or empty have their defaults', () => {
    for (const environment of [
      {},
      { PASSWORD_LENGTH: '', EXCLUDE_CHARACTERS: '', DEFAULT_STRATEGY: '', SECRETS_MANAGER_ENDPOINT: '' },
    ]) {
      const settings = new DatabaseSettings(environment);
      expect(settings.defaultStrategy).toBe('auto');
      expect(settings.secretsManagerEndpoint).toBeUndefined();
      expect(settings.passwords).toEqual({
        length: 32,
        excludeCharacters: '',
        excludeLowercase: false,
        excludeUppercase: false,
        excludeNumbers: false,
        excludePunctuation: false,
        requireEachIncludedType: true,
      });
    }
  });

  test.each([['0'], ['-1'], ['32.5'], ['many'], ['10000']])('a password length of %s is refused', (PASSWORD_LENGTH) => {
    expect(() => new DatabaseSettings({ PASSWORD_LENGTH }).passwords).toThrow(ConfigurationError);
  });

  test('a flag that is neither true nor false is refused by name', () => {
    expect(() => new DatabaseSettings({ EXCLUDE_NUMBERS: 'yes' }).passwords).toThrow(
      'EXCLUDE_NUMBERS is neither true nor false.',
    );
  });

  test.each([['secretsmanager.eu-west-1.amazonaws.com'], ['localhost:4566'], ['ftp://host']])(
    'an endpoint of %s is refused, and not taken for a network that fails',
    (SECRETS_MANAGER_ENDPOINT) => {
      expect(() => new DatabaseSettings({ SECRETS_MANAGER_ENDPOINT }).secretsManagerEndpoint).toThrow(
        ConfigurationError,
      );
    },
  );

  test('an unknown strategy is refused', () => {
    expect(() => new DatabaseSettings({ DEFAULT_STRATEGY: 'multi-user' }).defaultStrategy).toThrow(
      UnknownStrategyError,
    );
  });

  test.each([
    ['', undefined],
    ['none', []],
    ['arn:one', ['arn:one']],
    ['arn:one, arn:two', ['arn:one', 'arn:two']],
  ])('the admin secrets that %j names', (MASTER_SECRET_ARNS, named) => {
    expect(new DatabaseSettings({ MASTER_SECRET_ARNS }).masterSecretArns).toEqual(named);
  });

  test('private authorities are PEM certificates, lines or no lines', () => {
    expect(new DatabaseSettings({ PRIVATE_CA: '' }).privateCa).toEqual([]);
    const [ca, other] = [tls.ca.trim(), tls.otherCa.trim()];
    expect(new DatabaseSettings({ PRIVATE_CA: `${ca}\n${other}` }).privateCa).toEqual([ca, other]);
    expect(new DatabaseSettings({ PRIVATE_CA: `${ca} ${other}`.replaceAll('\n', ' ') }).privateCa).toEqual([ca, other]);
  });

  test.each([['ca.pem'], ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----']])(
    'an authority that cannot be read, %j, is refused',
    (PRIVATE_CA) => {
      expect(() => new DatabaseSettings({ PRIVATE_CA }).privateCa).toThrow(
        new ConfigurationError('PRIVATE_CA holds no readable PEM certificate.'),
      );
    },
  );

  test('one that cannot be used does not stand in the way of the others', () => {
    const settings = new DatabaseSettings({ PASSWORD_LENGTH: 'many', DEFAULT_STRATEGY: 'single-user' });
    expect(settings.defaultStrategy).toBe('single-user');
  });
});
