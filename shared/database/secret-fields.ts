/** Reads single keys of a secret version, with errors that name the key. */

import { InvalidSecretError } from '../core/errors.ts';
import { type Json, parseJson, type SecretText } from '../core/secret-text.ts';

/**
 * The keys of one secret version. Errors name a key, never its value: a password may stand under any
 * key.
 */
export class SecretFields {
  readonly json: Json;
  readonly #called: string;

  /** @throws {InvalidSecretError} if the text is not a JSON object */
  constructor({ text, called }: SecretText) {
    this.json = parseJson(text, called);
    this.#called = called;
  }

  /** @throws {InvalidSecretError} if the key is missing, or is not a text */
  required(key: string): string {
    if (isAbsent(this.json[key])) throw this.invalid(`lacks the key "${key}"`);
    const value = this.#string(key);
    // NUL ends a text in many protocols. What comes after it would be read as something else.
    if (value.includes('\0')) throw this.invalid(`has a NUL character in "${key}"`);
    return value;
  }

  /** @throws {InvalidSecretError} if the key is there, but is not a text */
  optional(key: string): string | undefined {
    return isAbsent(this.json[key]) ? undefined : this.required(key);
  }

  /**
   * The text of a file, which is not sent to a server. Some programs end a file with NUL.
   * @throws {InvalidSecretError} if the key is there, but is not a text
   */
  optionalFile(key: string): string | undefined {
    return isAbsent(this.json[key]) ? undefined : this.#string(key);
  }

  #string(key: string): string {
    const value = this.json[key];
    if (typeof value !== 'string') throw this.invalid(`has a "${key}" that is no string`);
    return value;
  }

  /** @param problem completes `The secret's AWSCURRENT version ….` */
  invalid(problem: string): InvalidSecretError {
    return new InvalidSecretError(`The secret's ${this.#called} version ${problem}.`);
  }
}

/** The console writes '' for a field that is left empty. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}
