/** The JSON text of a secret version: how it is read, and how its successor is written. */

import { InvalidSecretError } from './errors.ts';
import { Secret } from './secret.ts';

/** The text of a version, and the name of that version for error messages: `AWSCURRENT`, or its id. */
export type SecretText = { text: Secret; called: string };

export type Json = Readonly<Record<string, unknown>>;

/**
 * The JSON text of a successor: the same keys in the same order, with the values of `keys` in place
 * of the old ones. Keys that were not there come last.
 * @throws {InvalidSecretError} if the text is not a JSON object
 */
export function withKeys({ text, called }: SecretText, keys: Json): Secret {
  return new Secret(JSON.stringify({ ...parseJson(text, called), ...keys }));
}

/** Node 24 has https://tc39.es/proposal-json-parse-with-source/, TypeScript's library not yet. */
declare global {
  interface JSON {
    parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
    rawJSON(text: string): object;
    isRawJSON(value: unknown): boolean;
  }
}

/** More levels than any secret needs. Far more would exhaust the stack, where JSON is written or compared. */
const DEEPEST = 200;

/** Levels of lists and objects. Not by recursion: the text may have any number of them. */
function depthOf(text: string): number {
  let [depth, deepest] = [0, 0];
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{\]}]/gs)) {
    if (token === '[' || token === '{') depth += 1;
    if (token === ']' || token === '}') depth -= 1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/**
 * Reads a JSON object. Numbers keep the digits in which they were written: `1.0` stays `1.0`.
 * @throws {InvalidSecretError} without the message of JSON.parse, which quotes the text
 */
export function parseJson(text: Secret, called: string): Json {
  let json: unknown;
  const written = text.reveal();
  if (depthOf(written) > DEEPEST)
    throw new InvalidSecretError(
      `The secret's ${called} version has lists or objects nested more than ${DEEPEST} deep: write that key as a string.`,
    );
  try {
    json = JSON.parse(written, (_key, value, { source }) =>
      typeof value === 'number' && source !== undefined && String(value) !== source ? JSON.rawJSON(source) : value,
    );
  } catch {
    throw new InvalidSecretError(`The secret's ${called} version is not JSON.`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json) || JSON.isRawJSON(json))
    throw new InvalidSecretError(`The secret's ${called} version is not a JSON object.`);
  return json as Json;
}
