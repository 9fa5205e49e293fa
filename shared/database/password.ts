import { randomInt } from 'node:crypto';
import { Secret } from '../core/secret.ts';
import { PasswordRulesError } from './errors.ts';

/** AWS's own names for these settings, https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html */
export type PasswordRules = {
  length: number;
  excludeCharacters: string;
  excludeLowercase: boolean;
  excludeUppercase: boolean;
  excludeNumbers: boolean;
  excludePunctuation: boolean;
  requireEachIncludedType: boolean;
};

/** RFC 3986's unreserved characters: nothing to escape in a URL, a connection string or a shell. */
export const UNRESERVED = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~';

/** Fewer bits than these could be guessed offline from a verifier that a server's log or backup shows. */
const FEWEST_BITS = 64;

/**
 * @param engine the characters that every client and server of the engine can bear, and its longest password
 * @throws {PasswordRulesError} if the rules cannot be met
 */
export function newPassword(rules: PasswordRules, engine: { alphabet: string; longest: number }): Secret {
  const types = characterTypes(rules, engine.alphabet);
  const alphabet = types.join('');
  if (alphabet === '') throw new PasswordRulesError('The settings for passwords exclude every character.');
  if (rules.length > engine.longest)
    throw new PasswordRulesError(`PASSWORD_LENGTH is over ${engine.longest}, the most that every client can bear.`);
  if (rules.requireEachIncludedType && rules.length < types.length)
    throw new PasswordRulesError(`PASSWORD_LENGTH is too small for one character of each of ${types.length} types.`);
  if (rules.length * Math.log2(alphabet.length) < FEWEST_BITS)
    throw new PasswordRulesError(
      `The settings for passwords make them too easy to guess: ${rules.length} characters out of ${alphabet.length} ` +
        `are less than ${FEWEST_BITS} bits. Raise PASSWORD_LENGTH or exclude fewer characters.`,
    );
  // Drawn anew until every type is there: this keeps all passwords that qualify equally likely.
  for (;;) {
    const password = Array.from({ length: rules.length }, () => alphabet[randomInt(alphabet.length)]).join('');
    if (!rules.requireEachIncludedType || types.every((type) => [...password].some((c) => type.includes(c))))
      return new Secret(password);
  }
}

/** The characters that remain, by type; types of which none remains are left out. */
function characterTypes(rules: PasswordRules, engineAlphabet: string): string[] {
  const allowed = [...engineAlphabet].filter((character) => !rules.excludeCharacters.includes(character));
  const wanted: [RegExp, boolean][] = [
    [/[a-z]/, !rules.excludeLowercase],
    [/[A-Z]/, !rules.excludeUppercase],
    [/[0-9]/, !rules.excludeNumbers],
    [/[^a-zA-Z0-9]/, !rules.excludePunctuation],
  ];
  return wanted
    .map(([type, included]) => (included ? allowed.filter((character) => type.test(character)).join('') : ''))
    .filter((characters) => characters !== '');
}
