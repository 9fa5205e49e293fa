import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { PasswordRulesError } from '../../../shared/database/errors.ts';
import { newPassword, type PasswordRules } from '../../../shared/database/password.ts';
import { DatabaseSettings } from '../../../shared/database/settings.ts';

const ENGINE = { alphabet: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~', longest: 512 };

const rules = (environment: Record<string, string> = {}): PasswordRules => new DatabaseSettings(environment).passwords;
const password = (environment: Record<string, string> = {}) => newPassword(rules(environment), ENGINE).reveal();

describe('a new password', () => {
  test('has 32 characters, of each type one, unless told otherwise', () => {
    const text = password();
    expect(text).toHaveLength(32);
    for (const type of [/[a-z]/, /[A-Z]/, /[0-9]/, /[-._~]/]) expect(text).toMatch(type);
  });

  test('keeps to any rules that can be kept', () => {
    const environment = fc.record({
      EXCLUDE_CHARACTERS: fc.string({ unit: fc.constantFrom(...ENGINE.alphabet), maxLength: 30 }),
      EXCLUDE_LOWERCASE: fc.constantFrom('true', 'false', ''),
      EXCLUDE_UPPERCASE: fc.constantFrom('True', 'false'),
      EXCLUDE_NUMBERS: fc.constantFrom('true', 'false'),
      EXCLUDE_PUNCTUATION: fc.constantFrom('true', 'false'),
      REQUIRE_EACH_INCLUDED_TYPE: fc.constantFrom('true', 'false'),
      PASSWORD_LENGTH: fc.integer({ min: 1, max: 600 }).map(String),
    });
    let kept = 0;
    fc.assert(
      fc.property(environment, (settings) => {
        let text: string;
        try {
          text = password(settings);
        } catch (error) {
          expect(error).toBeInstanceOf(PasswordRulesError);
          return;
        }
        kept++;
        const allowed = [...ENGINE.alphabet].filter(
          (c) =>
            !settings.EXCLUDE_CHARACTERS.includes(c) &&
            !(settings.EXCLUDE_LOWERCASE === 'true' && /[a-z]/.test(c)) &&
            !(settings.EXCLUDE_UPPERCASE === 'True' && /[A-Z]/.test(c)) &&
            !(settings.EXCLUDE_NUMBERS === 'true' && /[0-9]/.test(c)) &&
            !(settings.EXCLUDE_PUNCTUATION === 'true' && /[-._~]/.test(c)),
        );
        expect(text).toHaveLength(Number(settings.PASSWORD_LENGTH));
        expect([...text].filter((c) => !allowed.includes(c))).toEqual([]);
        if (settings.REQUIRE_EACH_INCLUDED_TYPE === 'true')
          for (const type of [/[a-z]/, /[A-Z]/, /[0-9]/, /[-._~]/])
            if (allowed.some((c) => type.test(c))) expect(text).toMatch(type);
      }),
      { numRuns: 300 },
    );
    expect(kept).toBeGreaterThan(100);
  });

  test.each([
    [{ EXCLUDE_CHARACTERS: ENGINE.alphabet }, /exclude every character/],
    [
      { EXCLUDE_LOWERCASE: 'true', EXCLUDE_UPPERCASE: 'true', EXCLUDE_NUMBERS: 'true', EXCLUDE_PUNCTUATION: 'true' },
      /exclude every character/,
    ],
    [{ PASSWORD_LENGTH: '8' }, /too easy to guess: 8 characters out of 66/],
    [{ PASSWORD_LENGTH: '3' }, /too small for one character of each of 4 types/],
    [{ PASSWORD_LENGTH: '513' }, /over 512/],
  ])('cannot be had with %j', (environment, message) => {
    expect(() => password(environment as Record<string, string>)).toThrow(PasswordRulesError);
    expect(() => password(environment as Record<string, string>)).toThrow(message);
  });
});
