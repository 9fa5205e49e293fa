import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { postgres } from '../../../functions/postgres/engine.ts';
import { InvalidSecretError, type RotationError } from '../../../shared/core/errors.ts';
import { Secret } from '../../../shared/core/secret.ts';
import { withKeys } from '../../../shared/core/secret-text.ts';
import type { Engine, Session } from '../../../shared/database/engine.ts';
import { EngineMismatchError, UnsupportedHostError, UserNameError } from '../../../shared/database/errors.ts';
import { differingKeys, parseSecret, sameHost, sameTarget } from '../../../shared/database/secret-value.ts';
import { singleUser } from '../../../shared/database/strategies/single-user.ts';
import type { Database } from '../../../shared/database/work.ts';
import { tls } from '../../fixtures/tls/tls.ts';

const GOOD = { engine: 'postgres', host: 'db.example.com', username: 'app', password: 'p4ssw0rd-of-app' };

const version = (json: unknown) => ({
  text: new Secret(typeof json === 'string' ? json : JSON.stringify(json)),
  called: 'AWSCURRENT',
});
const nested = (form: '[]' | '{}', depth: number) =>
  form === '[]' ? '['.repeat(depth) + ']'.repeat(depth) : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
const parse = (json: unknown) => parseSecret(version(json), postgres);

describe('a secret of the least form', () => {
  test('means PostgreSQL’s own port, the database postgres, and TLS verified in full', () => {
    expect(parse(GOOD).endpoint).toEqual({
      host: 'db.example.com',
      port: 5432,
      database: 'postgres',
      tls: { servername: undefined, ca: [] },
      options: {},
    });
  });

  test('shows its password to nobody who inspects it', () => {
    const value = parse(GOOD);
    expect(inspect(value, { depth: 9, showHidden: true })).not.toContain(GOOD.password);
    expect(JSON.stringify(value)).not.toContain(GOOD.password);
    expect(`${value.password}`).toBe('<secret>');
    expect(value.password.reveal()).toBe(GOOD.password);
  });
});

describe('the keys', () => {
  test.each([
    [{ port: 6432 }, { port: 6432 }],
    [{ port: '6432' }, { port: 6432 }],
    [{ port: ' 6432 ' }, { port: 6432 }],
    [{ port: '6432.0' }, { port: 6432 }],
    [{ port: '' }, { port: 5432 }],
    [{ port: null }, { port: 5432 }],
    [{ dbname: 'orders' }, { database: 'orders' }],
    [{ dbname: '' }, { database: 'postgres' }],
    [{ host: '10.0.0.7' }, { host: '10.0.0.7' }],
    [{ host: 'fd00::7' }, { host: 'fd00::7' }],
    [
      { port: 6432, rotationport: 5432 },
      { host: 'db.example.com', port: 5432 },
    ],
    [
      { port: 6432, rotationhost: 'direct.example.com', rotationport: '5433' },
      { host: 'direct.example.com', port: 5433 },
    ],
    [{ port: 6432, rotationport: '' }, { port: 6432 }],
    [{ rotationhost: 'direct.example.com' }, { host: 'direct.example.com' }],
    [
      { host: 'p.proxy-abc123.eu-west-1.rds.amazonaws.com', rotationhost: 'db.example.com' },
      { host: 'db.example.com' },
    ],
    [{ ssl: true }, { tls: { ca: [] } }],
    [{ ssl: 'True' }, { tls: { ca: [] } }],
    [{ ssl: '' }, { tls: { ca: [] } }],
    [{ ssl: false }, { tls: 'off' }],
    [{ ssl: 'FALSE' }, { tls: 'off' }],
    [{ sslservername: 'name.example.com' }, { tls: { servername: 'name.example.com', ca: [] } }],
  ])('%j are understood', (keys, expected) => {
    expect(parse({ ...GOOD, ...keys }).endpoint).toMatchObject(expected);
  });

  test.each(['5432.0', '5.432e3', '5432.00', '"5432.0"', '" 5432 "'])('the port %s is 5432', (port) => {
    const text = JSON.stringify({ ...GOOD, port: 0 }).replace('"port":0', `"port":${port}`);
    expect(parse(text).endpoint.port).toBe(5432);
  });

  const CA = tls.ca.trim();
  test.each([
    ['with NUL at its end', `${CA}\n\0`],
    ['with a byte order mark', `\ufeff${CA}`],
    ['with the line breaks of Windows', CA.replaceAll('\n', '\r\n')],
    ['with blank lines', `\n\n${CA.replaceAll('\n', '\n\n')}\n\n`],
    ['with blanks for line breaks', CA.replaceAll('\n', ' ')],
    ['twice, with other text around', `Subject: CN=a\n${CA}\n\0\nSubject: CN=b\n${CA}\nend`],
  ])('a PEM %s is a PEM', (_, sslca) => {
    const { ca } = parse({ ...GOOD, sslca }).endpoint.tls as { ca: readonly string[] };
    expect(new Set(ca)).toEqual(new Set([CA]));
  });

  test.each<[string, unknown, new (message: string) => RotationError, RegExp]>([
    ['no JSON', 'p4ssw0rd-of-app', InvalidSecretError, /is not JSON/],
    ['half of JSON', '{"password":"p4ssw0rd-of-app', InvalidSecretError, /is not JSON/],
    ...[201, 1000, 100_000].flatMap((depth): [string, unknown, typeof InvalidSecretError, RegExp][] =>
      (['[]', '{}'] as const).map((form) => [
        `${form} nested ${depth} deep`,
        JSON.stringify({ ...GOOD, x: 0 }).replace('"x":0', `"x":${nested(form, depth)}`),
        InvalidSecretError,
        /version has lists or objects nested more than 200 deep/,
      ]),
    ),
    ['a list', [GOOD], InvalidSecretError, /is not a JSON object/],
    ['a number', '12345678901234567890', InvalidSecretError, /is not a JSON object/],
    ['no engine', { ...GOOD, engine: undefined }, InvalidSecretError, /lacks the key "engine"/],
    ['no host', { ...GOOD, host: undefined }, InvalidSecretError, /lacks the key "host"/],
    ['an empty host', { ...GOOD, host: '' }, InvalidSecretError, /lacks the key "host"/],
    ['no username', { ...GOOD, username: undefined }, InvalidSecretError, /lacks the key "username"/],
    ['no password', { ...GOOD, password: undefined }, InvalidSecretError, /lacks the key "password"/],
    ['a username that is no text', { ...GOOD, username: 7 }, InvalidSecretError, /"username" that is no string/],
    ['another engine', { ...GOOD, engine: 'mysql' }, EngineMismatchError, /rotation function for PostgreSQL/],
    ['a port that is a word', { ...GOOD, port: 'p4ssw0rd-of-app' }, InvalidSecretError, /no number from 1 to 65535/],
    ['port 0', { ...GOOD, port: 0 }, InvalidSecretError, /no number from 1 to 65535/],
    ['port 65536', { ...GOOD, port: '65536' }, InvalidSecretError, /no number from 1 to 65535/],
    ['a port in hexadecimal', { ...GOOD, port: '0x1538' }, InvalidSecretError, /no number from 1 to 65535/],
    ['a port that is a list', { ...GOOD, port: [5432] }, InvalidSecretError, /no number from 1 to 65535/],
    ['half a port', { ...GOOD, port: 5432.5 }, InvalidSecretError, /no number from 1 to 65535/],
    ...(
      [
        ['postgres://app:p4ssw0rd-of-app@db', /has a connection URL in "host": write the host alone there/],
        ['mongodb+srv://app:p4ssw0rd-of-app@db/', /a connection URL in "host"/],
        ['jdbc:mysql://db:3306/orders?password=p4ssw0rd-of-app', /a connection URL in "host"/],
        ['JDBC:oracle:thin:app/p4ssw0rd-of-app@db', /a connection URL in "host"/],
        ['app:p4ssw0rd-of-app@db', /an @ in "host".*"username"/],
        ['db.example.com:5432', /has a port in "host": write the host alone there, and the port in the key "port"/],
        ['10.0.0.7:5432', /a port in "host"/],
        ['[::1]', /brackets in "host": write the IPv6 address without brackets/],
        ['[fd00::7]:5432', /brackets in "host".*"port"/],
        ['db-1,db-2', /a comma in "host"/],
        ['db/orders', /a slash in "host".*"dbname"/],
        ['/var/run/postgresql', /a path in "host".*socket/],
        ['db.example.com ', /a blank or a line break in "host"/],
        ['p4ssw0rd-of-app!', /"host" that is neither a host name nor an IP address/],
      ] as const
    ).map(([host, message]): [string, unknown, typeof InvalidSecretError, RegExp] => [
      `the host ${host}`,
      { ...GOOD, host },
      InvalidSecretError,
      message,
    ]),
    ['a rotationport that is a word', { ...GOOD, rotationport: 'x' }, InvalidSecretError, /"rotationport" that is no/],
    ['a port in rotationhost', { ...GOOD, rotationhost: 'db:5432' }, InvalidSecretError, /a port in "rotationhost"/],
    [
      'a URL in sslservername',
      { ...GOOD, sslservername: 'https://db' },
      InvalidSecretError,
      /connection URL in "sslservername"/,
    ],
    [
      'an RDS Proxy',
      { ...GOOD, host: 'p.proxy-abc123.eu-west-1.rds.amazonaws.com' },
      UnsupportedHostError,
      /RDS Proxy.*rotationhost/,
    ],
    [
      'an RDS Proxy’s endpoint',
      { ...GOOD, host: 'ro.endpoint.proxy-abc123.cn-north-1.rds.amazonaws.com.cn.' },
      UnsupportedHostError,
      /RDS Proxy/,
    ],
    [
      'an RDS Proxy in China',
      { ...GOOD, host: 'p.proxy-abc123.rds.cn-north-1.amazonaws.com.cn' },
      UnsupportedHostError,
      /RDS Proxy/,
    ],
    [
      'NUL in the database',
      { ...GOOD, dbname: 'postgres\0user\0mallory' },
      InvalidSecretError,
      /NUL character in "dbname"/,
    ],
    ['a long user name', { ...GOOD, username: 'é'.repeat(32) }, UserNameError, /longer than 63 bytes/],
    ['NUL in the user name', { ...GOOD, username: 'a\0b' }, InvalidSecretError, /NUL/],
    ['a misspelt ssl', { ...GOOD, ssl: 'flase' }, InvalidSecretError, /neither true nor false/],
    ['ssl as a number', { ...GOOD, ssl: 0 }, InvalidSecretError, /neither true nor false/],
    ['an sslca without certificate', { ...GOOD, sslca: 'p4ssw0rd-of-app' }, InvalidSecretError, /no readable PEM/],
    [
      'an sslca that is broken',
      { ...GOOD, sslca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
      InvalidSecretError,
      /no readable PEM/,
    ],
  ])('a secret with %s is refused in one sentence without any value', (_, json, kind, message) => {
    let error: unknown;
    try {
      parse(json);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(kind);
    expect((error as Error).message).toMatch(message);
    expect(inspect(error)).not.toContain(GOOD.password);
  });
});

describe('the successor', () => {
  test('equals AWSCURRENT in every key but the password, whatever the keys are', () => {
    const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }));
    fc.assert(
      fc.property(json, fc.string({ minLength: 1 }), (others, password) => {
        const current = { ...others, ...GOOD };
        const text = withKeys(version(current), { password }).reveal();
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify({ ...current, password })));
        expect(Object.keys(JSON.parse(text))).toEqual(Object.keys(JSON.parse(JSON.stringify(current))));
      }),
    );
  });

  test('keeps numbers in the digits they were written in', () => {
    const text = '{"account":12345678901234567890,"ratio":1.10,"engine":"postgres","password":"a"}';
    expect(withKeys(version(text), { password: 'b' }).reveal()).toBe(text.replace('"a"', '"b"'));
  });

  test('keeps lists and objects, however deep they may be, and brackets in a text', () => {
    const text = JSON.stringify({ ...GOOD, x: 0, y: `${'[{"'.repeat(500)}\\` }).replace(
      '"x":0',
      `"x":${nested('[]', 199)}`,
    );
    const successor = withKeys(version(text), { password: 'b' }).reveal();
    expect(successor).toBe(text.replace(GOOD.password, 'b'));
    expect(differingKeys(parse(text), parse(successor))).toEqual([]);
  });

  test('always fits, and an edited AWSCURRENT no more', () => {
    const current = parse(GOOD);
    const pending = parse(withKeys(version(GOOD), { password: 'other' }).reveal());
    const { fits } = singleUser({ engine: postgres as Engine } as Database<Session>);
    expect(fits(current, pending)).toBeUndefined();
    expect(fits(parse({ ...GOOD, note: 'edited', port: 6432 }), pending)).toBe(
      'differs from AWSCURRENT in "note", "port"',
    );
    expect(fits(current, current)).toMatch(/same password/);
  });

  test('differs by keys that only one side has, and by nested values', () => {
    expect(differingKeys(parse({ ...GOOD, a: { b: [1] } }), parse({ ...GOOD, a: { b: [2] }, c: null }))).toEqual([
      'a',
      'c',
    ]);
  });
});

test('a target is a user of a server', () => {
  const one = parse(GOOD);
  expect(sameTarget(one, parse({ ...GOOD, password: 'other', dbname: 'orders' }))).toBe(true);
  for (const other of [{ username: 'b' }, { host: 'other.example.com' }, { port: 5433 }])
    expect(sameTarget(one, parse({ ...GOOD, ...other }))).toBe(false);
  expect(sameTarget(one, parse({ ...GOOD, port: 6432, rotationport: 5432 }))).toBe(true);
  expect(sameTarget(one, parse({ ...GOOD, rotationport: 5433 }))).toBe(false);
});

test.each([
  ['db.example.com', 'DB.Example.com', true],
  ['db.example.com', 'db.example.com.', true],
  ['db.example.com', 'db.example.com..', false],
  ['db.example.com', 'db.example.co', false],
  ['10.0.0.7', '10.0.0.70', false],
])('%s and %s: the same host? %s', (one, other, expected) => {
  expect(sameHost(parse({ ...GOOD, host: one }), parse({ ...GOOD, host: other }))).toBe(expected);
  expect(sameHost(parse({ ...GOOD, host: other }), parse({ ...GOOD, host: one }))).toBe(expected);
});
