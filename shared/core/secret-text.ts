import { InvalidSecretError } from './errors.ts';
import { Secret } from './secret.ts';

/** A version's text, and what to call that version in a message ("AWSCURRENT"). */
export type SecretText = { text: Secret; called: string };

export type Json = Readonly<Record<string, unknown>>;

/** The JSON text of a successor: the same keys in the same order, and whatever `keys` names. */
export function withKeys({ text, called }: SecretText, keys: Json): Secret {
  return new Secret(JSON.stringify({ ...parseJson(text, called), ...keys }));
}

/** https://tc39.es/proposal-json-parse-with-source/, in Node 24 but not yet in TypeScript's library. */
declare global {
  interface JSON {
    parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
    rawJSON(text: string): object;
    isRawJSON(value: unknown): boolean;
  }
}

/** JSON.parse's own message quotes the text it fails on, so it is not passed on. Numbers keep the digits they were written in. */
export function parseJson(text: Secret, called: string): Json {
  let json: unknown;
  try {
    json = JSON.parse(text.reveal(), (_key, value, { source }) =>
      typeof value === 'number' && source !== undefined && String(value) !== source ? JSON.rawJSON(source) : value,
    );
  } catch {
    throw new InvalidSecretError(`The secret's ${called} version is not JSON.`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json) || JSON.isRawJSON(json))
    throw new InvalidSecretError(`The secret's ${called} version is not a JSON object.`);
  return json as Json;
}
