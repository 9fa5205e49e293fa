/** Where and how the database of a secret is reached, by the secret's keys. */

import { isIP } from 'node:net';
import type { Endpoint, Engine, Tls } from './engine.ts';
import { UnsupportedHostError } from './errors.ts';
import type { SecretFields } from './secret-fields.ts';
import { certificatesIn } from './tls.ts';

/** @throws {InvalidSecretError | UnsupportedHostError} */
export function endpointIn(
  fields: SecretFields,
  engine: Pick<Engine, 'defaultPort' | 'defaultDatabase' | 'optionKeys' | 'optionDefaults'>,
): Endpoint {
  return {
    host: hostIn(fields),
    port: portIn(fields, 'rotationport') ?? portIn(fields, 'port') ?? engine.defaultPort,
    database: fields.optional('dbname') ?? engine.defaultDatabase,
    tls: tlsIn(fields),
    options: Object.fromEntries(
      engine.optionKeys.flatMap((key) => {
        const value = fields.optional(key) ?? engine.optionDefaults?.[key];
        return value === undefined ? [] : [[key, value]];
      }),
    ),
  };
}

const HOST_NAME = /^[a-z0-9_]([a-z0-9_.-]{0,252})$/i;

/**
 * The form of an RDS Proxy's names,
 * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-endpoints.html. In China the Region
 * may follow `rds`.
 */
const RDS_PROXY = /\.proxy-[a-z0-9]+\.([a-z0-9-]+\.rds|rds\.[a-z0-9-]+)\.amazonaws\.com(\.cn)?\.?$/i;

/** `rotationhost` if the secret has it: applications may need a `host` that no rotation can use. */
function hostIn(fields: SecretFields): string {
  const key = fields.optional('rotationhost') === undefined ? 'host' : 'rotationhost';
  const name = hostNameIn(fields, key);
  if (name === undefined) throw fields.invalid('lacks the key "host"');
  if (RDS_PROXY.test(name))
    throw new UnsupportedHostError(
      `The secret's "${key}" is an RDS Proxy, which knows only the password in AWSCURRENT, so no new one can be tried ` +
        'through it: give the database’s own endpoint in the keys "rotationhost" and, if it is another, "rotationport".',
      { host: name },
    );
  return name;
}

/**
 * Checks the form. Somebody may have put a connection URL here, with the password in it: such a text
 * is neither used nor printed.
 */
function hostNameIn(fields: SecretFields, key: string): string | undefined {
  const name = fields.optional(key);
  if (name === undefined || isIP(name) !== 0 || HOST_NAME.test(name)) return name;
  const [, mistake] = MISTAKES.find(([form]) => form.test(name)) ?? [];
  throw fields.invalid(
    mistake === undefined
      ? `has a "${key}" that is neither a host name nor an IP address`
      : `has ${mistake.replace('HOST', `"${key}"`)}`,
  );
}

/** What people write in place of a host, and what to write: `HOST` stands for the key. */
const MISTAKES: readonly (readonly [RegExp, string])[] = [
  [
    /^jdbc:|:\/\//i,
    'a connection URL in HOST: write the host alone there, and what else the URL says in keys of its own, ' +
      'such as "port", "dbname", "username" and "password"',
  ],
  [/@/, 'an @ in HOST: write the host alone there, and the user in "username"'],
  [/,/, 'a comma in HOST: write one host'],
  [
    /^\[.*\](:\d*)?$/,
    'brackets in HOST: write the IPv6 address without brackets, and a port that follows them in the key "port"',
  ],
  [/^[^:/]+:\d*$/, 'a port in HOST: write the host alone there, and the port in the key "port"'],
  [/^\//, 'a path in HOST: write a host name or an IP address; a socket of the operating system cannot be used'],
  [/\//, 'a slash in HOST: write the host alone there, and port and database in the keys "port" and "dbname"'],
  [/\s/, 'a blank or a line break in HOST: take it away'],
];

/**
 * `rotationport` counts before `port`, with or without `rotationhost`: a pooler may be on the database's own host.
 * Any whole number, however it is written: 5432, "5432", 5432.0.
 */
function portIn(fields: SecretFields, key: 'port' | 'rotationport'): number | undefined {
  const value = fields.json[key] ?? '';
  const text = typeof value === 'string' ? value.trim() : JSON.stringify(value);
  if (text === '') return undefined;
  const number = /^\d[\d.]*(e\+?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    throw fields.invalid(`has a "${key}" that is no number from 1 to 65535`);
  return number;
}

/** TLS, unless the secret says plainly that there is none. A misspelt `ssl` is refused, not guessed. */
function tlsIn(fields: SecretFields): Tls {
  const pem = fields.optionalFile('sslca');
  const ca = pem === undefined ? [] : certificatesIn(pem);
  if (ca === undefined) throw fields.invalid('has an "sslca" that holds no readable PEM certificate');
  const servername = hostNameIn(fields, 'sslservername');
  const ssl = fields.json['ssl'];
  switch (typeof ssl === 'string' ? ssl.toLowerCase() : ssl) {
    case undefined:
    case null:
    case '':
    case true:
    case 'true':
      return { servername, ca };
    case false:
    case 'false':
      return 'off';
    default:
      throw fields.invalid('has an "ssl" that is neither true nor false');
  }
}

/** The same host in one spelling: letter case does not count, nor does a final dot. */
export function normalHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}
