/** What a secret version says about a database account, and how two versions compare. */

import { isDeepStrictEqual } from 'node:util';
import type { Readable as ReadableOf } from '../core/kind.ts';
import { Secret } from '../core/secret.ts';
import { type Json, parseJson, type SecretText } from '../core/secret-text.ts';
import type { Endpoint, Engine, Session } from './engine.ts';
import { EngineMismatchError, UserNameError } from './errors.ts';
import { endpointIn, normalHost } from './secret-endpoint.ts';
import { SecretFields } from './secret-fields.ts';

/**
 * The value of a secret version. Most keys are AWS's own,
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
 */
export type SecretValue = {
  /** The key `engine`. */
  engineKey: string;
  username: string;
  password: Secret;
  endpoint: Endpoint;
  /** The ARN of the admin secret. */
  masterarn: string | undefined;
  /** The two users that alternate, if the secret names them. pair.ts says what they mean. */
  baseusername: string | undefined;
  alternateusername: string | undefined;
  /** All keys but `password`, as they were written, and also those that we do not know. */
  keys: Json;
};

/** A version whose text has been read and understood. */
export type Readable = ReadableOf<SecretValue>;

/**
 * Reads everything that a rotation relies on. So a secret that cannot be rotated fails here, before
 * anything is stored.
 * @throws {InvalidSecretError | EngineMismatchError | UserNameError | UnsupportedHostError}
 */
export function parseSecret<S extends Session>(text: SecretText, engine: Engine<S>): SecretValue {
  const fields = new SecretFields(text);
  const engineKey = fields.required('engine');
  if (!engine.engineKeys.includes(engineKey))
    throw new EngineMismatchError(
      `The secret's key "engine" is none of ${engine.engineKeys.join(', ')}: this is the rotation function for ${engine.name}.`,
    );
  const names = {
    username: fields.required('username'),
    baseusername: fields.optional('baseusername'),
    alternateusername: fields.optional('alternateusername'),
  };
  for (const [key, name] of Object.entries(names)) {
    const problem = name === undefined ? undefined : engine.usernameProblem(name, engineKey);
    if (problem !== undefined) throw new UserNameError(`The secret's key "${key}" ${problem}.`);
  }
  return {
    engineKey,
    ...names,
    password: new Secret(fields.required('password')),
    endpoint: endpointIn(fields, engine),
    masterarn: fields.optional('masterarn'),
    keys: withoutPassword(fields.json),
  };
}

function withoutPassword({ password: _, ...keys }: Json): Json {
  return keys;
}

/**
 * Whether RDS or Redshift manages the secret. Theirs have exactly these two keys,
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
 */
export function isManagedByRds({ text, called }: SecretText): boolean {
  return Object.keys(parseJson(text, called)).sort().join() === 'password,username';
}

/** The names of the keys in which two versions differ, without `password`. */
export function differingKeys(one: SecretValue, other: SecretValue): string[] {
  const names = new Set([...Object.keys(one.keys), ...Object.keys(other.keys)]);
  return [...names].filter((name) => !isDeepStrictEqual(one.keys[name], other.keys[name]));
}

/** Whether both name the same user of the same server: then the password of one may fit the other. */
export function sameTarget(one: SecretValue, other: SecretValue): boolean {
  return one.username === other.username && sameServer(one, other);
}

/**
 * Whether both name the same server, and the same place for users on it (MongoDB's authSource).
 *
 * What is meant counts, not how it is written: `DB.example.com.` is `db.example.com`. Another name of
 * the same server is another server here. An editor of the secret who cannot read it could otherwise
 * give the name of a server of their own, and be sent the passwords of older versions.
 */
export function sameServer(one: SecretValue, other: SecretValue): boolean {
  return (
    sameHost(one, other) &&
    one.endpoint.port === other.endpoint.port &&
    isDeepStrictEqual(one.endpoint.options, other.endpoint.options)
  );
}

/** Whether both name the same host, perhaps in different spelling. */
export function sameHost(one: SecretValue, other: SecretValue): boolean {
  return normalHost(one.endpoint.host) === normalHost(other.endpoint.host);
}
