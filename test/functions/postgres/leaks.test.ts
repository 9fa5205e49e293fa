import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { postgres } from '../../../functions/postgres/engine.ts';
import { connect } from '../../../local/servers/postgres.ts';
import { Deadline } from '../../../shared/deadline.ts';
import { RotationError } from '../../../shared/errors.ts';
import { Secret } from '../../../shared/secret.ts';
import { describeServers, testWithLog } from '../../servers.ts';
import { accepting, done, errorResponse, fakeServer, inTurn, message, READY, relay } from './fake.ts';
import { change, endpoint, failure, login, newRole, outcome, session, unique } from './support.ts';

/** Changes under JSON, URL, SQL and shell quoting, and is not to be found by accident. */
const nasty = () => `${unique('p')}"q\\b'a $H\`i\`&<%41;é\n\t~`;

/** The password in every spelling that a careless error could give it. */
function spellings(password: string): string[] {
  const inner = (quoted: string) => quoted.slice(1, -1);
  return [
    password,
    inner(JSON.stringify(password)),
    inner(inspect(password)),
    encodeURIComponent(password),
    encodeURI(password),
    new URLSearchParams({ '': password }).toString().slice(1),
    password.replaceAll("'", "''"),
    inner(pg.escapeLiteral(password).replace(/^ E/, '')),
    inner(pg.escapeIdentifier(password)),
    password.replaceAll("'", `'\\''`),
    password.replace(/[^\w]/g, '\\$&'),
    ...(['base64', 'base64url', 'hex'] as const).map((encoding) => Buffer.from(password).toString(encoding)),
    // A part of it is a leak, too.
    password.slice(0, 12),
  ];
}

/** All that a logger, Lambda or a person could print of a value. */
function showings(value: unknown): string {
  const error = value instanceof Error ? [value.message, value.stack, value.cause] : [];
  return [
    ...error,
    `${value}`,
    JSON.stringify(value),
    JSON.stringify(value, Object.getOwnPropertyNames(value)),
    inspect(value, { depth: 10, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null }),
  ].join('\n');
}

function expectSilence(value: unknown, ...passwords: Secret[]): void {
  const shown = showings(value);
  for (const password of passwords) {
    for (const spelling of spellings(password.reveal())) expect(shown).not.toContain(spelling);
  }
}

describeServers('postgres', 'the password stays hidden', (server) => {
  const nastyRole = (more = '') => newRole(server, { password: nasty(), more });

  test('in a session and in what holds it', async () => {
    await using role = await nastyRole();

    const result = await login(server, role);

    expectSilence(result, role.password);
    if (result.is !== 'accepted') throw result.why;
    expectSilence(result.session, role.password);
    await result.session.close();
    expectSilence(result, role.password);
  });

  test.each([
    ['refused', "ALTER ROLE %I VALID UNTIL '2001-01-01'", {}],
    ['barred', 'ALTER ROLE %I NOLOGIN', {}],
    ['barred', 'ALTER ROLE %I CONNECTION LIMIT 0', {}],
    ['barred', 'SELECT', { database: 'nowhere' }],
    ['unknown', 'SELECT', { tls: { ca: [] } }],
    ['unknown', 'SELECT', { host: 'nowhere.invalid' }],
    ['unknown', 'SELECT', { port: 1 }],
  ])('when a login is %s (%s, %j)', async (is, more, to) => {
    await using role = await nastyRole(more);

    const result = await login(server, role, to);

    expect(result.is).toBe(is);
    expectSilence(result, role.password);
  });

  test('when a change fails at a lock, at a policy, at the network, at the deadline', async () => {
    await using role = await nastyRole("ALTER ROLE %I SET session_preload_libraries = 'passwordcheck'");
    const to = new Secret(nasty());
    await using wire = await relay(server);
    const through = { ...server, host: wire.host, port: wire.port };
    const errors: RotationError[] = [];
    const fail = async (until: Deadline, before: () => unknown, next = to) => {
      await using own = await session(through, role, until);
      await before();
      errors.push(await failure(change(own.session, role.password, next)));
      expectSilence(own.session, role.password, to);
    };

    await fail(new Deadline(60_000), () => {}, new Secret(role.username));
    await fail(new Deadline(60_000), () => wire.cut());
    await fail(new Deadline(1200), () => wire.stall());
    await using holder = await connect(server);
    await holder.query(`BEGIN; ALTER ROLE ${pg.escapeIdentifier(role.username)} PASSWORD 'never committed'`);
    await fail(new Deadline(1200), () => {});

    expect(errors.map(({ layer }) => layer)).toEqual(['password policy', 'TCP', 'deadline', 'deadline']);
    for (const error of errors) expectSilence(error, role.password, to);
  });

  testWithLog(server)('in the server’s log of all statements, failed ones too', async () => {
    await using role = await nastyRole("ALTER ROLE %I SET log_statement = 'all'");
    const to = new Secret(nasty());
    const refused = new Secret(nasty());
    {
      await using own = await session(server, role, new Deadline(3000));
      await using holder = await connect(server);
      await holder.query(`BEGIN; ALTER ROLE ${pg.escapeIdentifier(role.username)} PASSWORD 'never committed'`);
      await failure(change(own.session, role.password, to));
    }
    {
      await using own = await session(server, role);
      await change(own.session, role.password, to);
    }
    expect(await outcome(server, role, refused)).toBe('refused');
    expect(await outcome(server, role, to)).toBe('accepted');

    const ours = (await server.log()).slice((await server.log()).indexOf(`user=${role.username}`));

    expect(ours.match(new RegExp(`ALTER ROLE "${role.username}" PASSWORD`, 'g'))?.length).toBeGreaterThanOrEqual(2);
    // newRole creates it in plain text; the superuser's statements are not logged on a shared server.
    for (const password of [to, refused, role.password]) {
      for (const spelling of spellings(password.reveal())) expect(ours).not.toContain(spelling);
    }
  });
});

describe('the password stays hidden from a server that repeats all it hears', () => {
  const LETTERS = ['M', 'D', 'H', 'W', 'q', 's', 't', 'c', 'd', 'n', 'F', 'L', 'R', 'P', 'p', 'S', 'V'];
  const quoting = (heard: string, code: string) =>
    errorResponse({ ...Object.fromEntries(LETTERS.map((letter) => [letter, heard])), C: code });
  const as = { username: 'nemo', password: new Secret(nasty()) };
  const at = (to: { host: string; port: number }) =>
    postgres.login(
      endpoint({ ...to, database: 'd', superuser: { username: '', password: '' } }),
      as,
      new Deadline(3000),
    );

  test.each([...['28P01', '28000', '53300', '3D000', '55000', '42501', '57P03', '08P01', 'XX000', '', 'no SQLSTATE']])(
    'in a login that fails with "%s"',
    async (code) => {
      await using server = await fakeServer(inTurn((heard) => quoting(heard, code)));

      const result = await at(server);

      expect(result.is).not.toBe('accepted');
      expectSilence(result, as.password);
    },
  );

  test('in a login that fails with the password for a SQLSTATE', async () => {
    await using server = await fakeServer(inTurn((heard) => quoting(heard, heard)));

    const result = await at(server);

    expect(result).toMatchObject({ is: 'unknown', why: { layer: 'database' } });
    expectSilence(result, as.password);
  });

  test.each([
    ...['57014', '55P03', '25P03', '42501', '25006', '22023', '28P01', '57P01', 'XX000', '42601', '', 'no SQLSTATE'],
  ])('in a statement that fails with "%s"', async (code) => {
    for (const before of [[], [done]]) {
      const failing = (heard: string) => Buffer.concat([quoting(`${heard} ${as.password.reveal()}`, code), READY]);
      await using server = await fakeServer(inTurn(accepting, ...before, failing, done));
      const result = await at(server);
      if (result.is !== 'accepted') throw result.why;

      const error = await failure(change(result.session, as.password, new Secret('next')));

      expect(error).toBeInstanceOf(RotationError);
      expectSilence(error, as.password);
      await result.session.close();
    }
  });

  test('in bytes that the driver cannot read', async () => {
    for (const bytes of [
      message('R', 7),
      message('R'),
      message('E', 'M'),
      message('\x01', 0),
      Buffer.from('T\0\0\0\x04'),
    ]) {
      await using server = await fakeServer(inTurn((heard) => Buffer.concat([bytes, quoting(heard, 'XX000')])));

      const result = await at(server);

      expect(result.is).toBe('unknown');
      expectSilence(result, as.password);
    }
  });
});
