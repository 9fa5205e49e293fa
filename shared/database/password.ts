/** How a new password is made. */

import { randomInt } from 'node:crypto';
import type { Unfit } from '../core/kind.ts';
import { Secret } from '../core/secret.ts';
import { PasswordRulesError } from './errors.ts';

/**
 * What a password must look like. The names are those of AWS,
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html
 * `length` is in characters.
 */
export type PasswordRules = {
  length: number;
  excludeCharacters: string;
  excludeLowercase: boolean;
  excludeUppercase: boolean;
  excludeNumbers: boolean;
  excludePunctuation: boolean;
  requireEachIncludedType: boolean;
};

/**
 * The unreserved characters of RFC 3986. None needs escaping in a URL, a connection string or a
 * shell.
 */
export const UNRESERVED = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~';

/** A password of fewer bits could be guessed from the verifier in a server's log or backup. */
const FEWEST_BITS = 64;

/**
 * A random password.
 * @param engine the characters that all clients and servers of the engine can bear, and the most
 *   characters that they can
 * @throws {PasswordRulesError} if no password meets the rules, or if those are too easy to guess
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
  // Draws whole passwords until one has every type. So all passwords that qualify are equally likely.
  for (;;) {
    const password = Array.from({ length: rules.length }, () => alphabet[randomInt(alphabet.length)]).join('');
    if (!rules.requireEachIncludedType || types.every((type) => [...password].some((c) => type.includes(c))))
      return new Secret(password);
  }
}

/**
 * Why a pending password that somebody else has stored cannot be used. On MySQL one of more than 256
 * bytes is refused at the change. Without TLS MySQL takes one of more than 213, but the driver cannot
 * send it at the login.
 */
export function unfitPassword(password: Secret, { longest }: { longest: number }): Unfit | undefined {
  return Buffer.byteLength(password.reveal()) > longest
    ? `has a password of more than ${longest} bytes, which not every client and server can bear`
    : undefined;
}

/**
 * The allowed characters, one string for each type. A type without an allowed character is left
 * out.
 */
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
