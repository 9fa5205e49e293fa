import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { InvalidSecretError } from '../core/errors.ts';
import type { Readable as ReadableOf } from '../core/kind.ts';
import { Secret } from '../core/secret.ts';
import { type Json, parseJson, type SecretText } from '../core/secret-text.ts';
import type { Endpoint, Engine, Session, Tls } from './engine.ts';
import { EngineMismatchError, UnsupportedHostError, UserNameError } from './errors.ts';
import { certificatesIn } from './tls.ts';

/**
 * The value of a secret version. The keys are AWS's own,
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html, and ours beside them.
 */
export type SecretValue = {
  engineKey: string;
  username: string;
  password: Secret;
  endpoint: Endpoint;
  masterarn: string | undefined;
  /** The two users that alternate, where the secret names them. */
  baseusername: string | undefined;
  alternateusername: string | undefined;
  /** Every key but `password`, as it stood: also those that we do not know. */
  keys: Readonly<Record<string, unknown>>;
};

/**
 * Reads everything that the rotation will rely on, so that a secret that cannot be rotated fails here, before anything is
 * stored. Messages name keys, never their values: a password may stand under any of them.
 * @throws {InvalidSecretError | EngineMismatchError | UserNameError | UnsupportedHostError}
 */
export function parseSecret<S extends Session>({ text, called }: SecretText, engine: Engine<S>): SecretValue {
  const json = parseJson(text, called);
  const fail = (problem: string) => new InvalidSecretError(`The secret's ${called} version ${problem}.`);

  const engineKey = requiredText(json, 'engine', fail);
  if (!engine.engineKeys.includes(engineKey))
    throw new EngineMismatchError(
      `The secret's key "engine" is none of ${engine.engineKeys.join(', ')}: this is the rotation function for ${engine.name}.`,
    );
  const username = requiredText(json, 'username', fail);
  const baseusername = optionalText(json, 'baseusername', fail);
  const alternateusername = optionalText(json, 'alternateusername', fail);
  for (const [key, name] of Object.entries({ username, baseusername, alternateusername })) {
    const problem = name === undefined ? undefined : engine.usernameProblem(name, engineKey);
    if (problem !== undefined) throw new UserNameError(`The secret's key "${key}" ${problem}.`);
  }

  return {
    engineKey,
    username,
    password: new Secret(requiredText(json, 'password', fail)),
    endpoint: {
      host: host(json, fail),
      port: port(json, engine.defaultPort, fail),
      database: optionalText(json, 'dbname', fail) ?? engine.defaultDatabase,
      tls: tls(json, fail),
      options: Object.fromEntries(
        engine.optionKeys.flatMap((key) => {
          const value = optionalText(json, key, fail);
          return value === undefined ? [] : [[key, value]];
        }),
      ),
    },
    masterarn: optionalText(json, 'masterarn', fail),
    baseusername,
    alternateusername,
    keys: withoutPassword(json),
  };
}

/** RDS and Redshift put exactly these keys into the secrets that they manage, https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html */
export function isManagedByRds({ text, called }: SecretText): boolean {
  return Object.keys(parseJson(text, called)).sort().join() === 'password,username';
}

/** The names of the keys, beside `password`, in which two versions differ. */
export function differingKeys(one: SecretValue, other: SecretValue): string[] {
  const names = new Set([...Object.keys(one.keys), ...Object.keys(other.keys)]);
  return [...names].filter((name) => !isDeepStrictEqual(one.keys[name], other.keys[name]));
}

/** Whether a password of the one could be a password of the other: the same user of the same server. */
export function sameTarget(one: SecretValue, other: SecretValue): boolean {
  return one.username === other.username && sameServer(one, other);
}

/** The same server, and the same place for users on it. */
export function sameServer(one: SecretValue, other: SecretValue): boolean {
  return (
    one.endpoint.host === other.endpoint.host &&
    one.endpoint.port === other.endpoint.port &&
    isDeepStrictEqual(one.endpoint.options, other.endpoint.options)
  );
}

/** Names of hosts do not distinguish case, and a final dot changes nothing. */
export function sameHost(one: SecretValue, other: SecretValue): boolean {
  const [first, second] = [one, other].map(({ endpoint: { host } }) => host.toLowerCase().replace(/\.$/, ''));
  return first === second;
}

/** A version whose value has been read and understood. */
export type Readable = ReadableOf<SecretValue>;

type Fail = (problem: string) => InvalidSecretError;

function requiredText(json: Json, key: string, fail: Fail): string {
  const value = json[key];
  if (value === undefined || value === null || value === '') throw fail(`lacks the key "${key}"`);
  if (typeof value !== 'string') throw fail(`has a "${key}" that is no string`);
  // It ends a text in many protocols, and what comes after it would be read as something else.
  if (value.includes('\0')) throw fail(`has a NUL character in "${key}"`);
  return value;
}

/** Absent, null and '' all mean: not given. The console writes '' for a field left empty. */
function optionalText(json: Json, key: string, fail: Fail): string | undefined {
  const value = json[key];
  return value === undefined || value === null || value === '' ? undefined : requiredText(json, key, fail);
}

const HOST_NAME = /^[a-z0-9_]([a-z0-9_.-]{0,252})$/i;

/** https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-endpoints.html shows the form of a proxy's names; in China the Region may stand after `rds`. */
const RDS_PROXY = /\.proxy-[a-z0-9]+\.([a-z0-9-]+\.rds|rds\.[a-z0-9-]+)\.amazonaws\.com(\.cn)?\.?$/i;

function host(json: Json, fail: Fail): string {
  const key = optionalText(json, 'rotationhost', fail) === undefined ? 'host' : 'rotationhost';
  const name = hostName(json, key, fail);
  if (name === undefined) throw fail('lacks the key "host"');
  if (RDS_PROXY.test(name))
    throw new UnsupportedHostError(
      `The secret's "${key}" is an RDS Proxy, which knows only the password in AWSCURRENT, so no new one can be tried ` +
        'through it: give the database’s own endpoint in the key "rotationhost".',
      { host: name },
    );
  return name;
}

/** Checked for its form, so that a connection URL put here by mistake, password and all, is neither used nor printed. */
function hostName(json: Json, key: string, fail: Fail): string | undefined {
  const name = optionalText(json, key, fail);
  if (name !== undefined && isIP(name) === 0 && !HOST_NAME.test(name))
    throw fail(`has a "${key}" that is neither a host name nor an IP address`);
  return name;
}

function port(json: Json, otherwise: number, fail: Fail): number {
  const value = json['port'] ?? '';
  if (value === '') return otherwise;
  const number = typeof value === 'string' && /^ *\d{1,5} *$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 1 || number > 65_535)
    throw fail('has a "port" that is no number from 1 to 65535');
  return number;
}

/** No TLS only if the secret says so in so many words: a misspelt value is refused, not guessed. */
function tls(json: Json, fail: Fail): Tls {
  const ca = optionalText(json, 'sslca', fail);
  const certificates = ca === undefined ? [] : certificatesIn(ca);
  if (certificates === undefined) throw fail('has an "sslca" that holds no readable PEM certificate');
  const servername = hostName(json, 'sslservername', fail);
  switch (typeof json['ssl'] === 'string' ? json['ssl'].toLowerCase() : json['ssl']) {
    case undefined:
    case null:
    case '':
    case true:
    case 'true':
      return { servername, ca: certificates };
    case false:
    case 'false':
      return 'off';
    default:
      throw fail('has an "ssl" that is neither true nor false');
  }
}

function withoutPassword({ password: _, ...keys }: Json): Json {
  return keys;
}
