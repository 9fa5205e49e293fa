/**
 * What goes wrong around a login, and what the function then says: class, sentence, remedy, and whether a
 * retry helps. Each failure is a real server's or a real socket's. Each answer comes within the deadline.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { isNone, type LockName, type StateName } from '../conformance/subject.ts';
import { engines } from '../engines/engines.ts';
import { type EngineName, engineNames, rowsOf } from '../engines/servers.ts';
import { tls } from '../fixtures/tls/tls.ts';
import { describeServers, describeServersWith } from '../servers.ts';
import { startBlackHole } from './black-hole.ts';
import { type Json, Rotating } from './rotating.ts';

/** In milliseconds; a third of it is for connecting. */
const TIMEOUT = 9000;

type Said = { errorType: string; words: RegExp; retryHelps: boolean };

const said = (errorType: string, retryHelps: boolean, words: RegExp): Said => ({ errorType, retryHelps, words });

async function expectSaid(rotating: Rotating, { errorType, words, retryHelps }: Said): Promise<string> {
  const current = rotating.value();
  const { attempts } = await rotating.rotate();
  const last = attempts[0]?.steps.at(-1);
  expect(last).toMatchObject({ outcome: 'error', error: { errorType, errorMessage: expect.stringMatching(words) } });
  expect(last?.ms).toBeLessThan(TIMEOUT);
  const logged = rotating.logged.filter(({ level }) => level === 'ERROR').at(-1);
  expect(logged).toMatchObject({ cause: { name: errorType, retryHelps } });
  expect(rotating.value()).toEqual(current);
  return last?.error?.errorMessage ?? '';
}

type Place = { host?: string; port: number } & AsyncDisposable;

async function listening(serve: (socket: Socket) => void): Promise<Place> {
  const server = createServer((socket) => serve(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return { port, [Symbol.asyncDispose]: async () => void server.close() };
}

const nowhere = (place: { host?: string; port: number }) => async (): Promise<Place> => ({
  ...place,
  [Symbol.asyncDispose]: async () => {},
});

const closed = said('ConnectionError', true, /was closed before the login was over \(.*\): the server may be starting/);
const noTls = said('TlsError', false, /offers? (none )?.*turn it on there, or say "ssl": false in the secret/);
/** MongoDB's driver does not tell whether a connection came about. */
const silent = (words: RegExp) => (engine: EngineName) =>
  said(
    'DeadlineError',
    true,
    engine === 'mongodb' ? /look at the security groups .* the server may be overloaded/ : words,
  );

/** In the way to the server: what answers in its place, and what is said then. */
const WAYS: Record<
  string,
  { answers: () => Promise<Place>; is: Said | ((engine: EngineName) => Said); secret?: Json }
> = {
  'nothing listens there': {
    answers: nowhere({ port: 1 }),
    is: said(
      'ConnectionError',
      true,
      /Nothing listens at .* correct "host" and "port" in the secret, or start the server/,
    ),
  },
  'packets are dropped': {
    answers: startBlackHole,
    is: silent(/No connection came about: look at the security groups of function and database/),
  },
  'the server takes connections and says nothing': {
    answers: () => listening((socket) => socket.resume()),
    is: silent(/took the connection and then said nothing: it may be overloaded, or be another one/),
  },
  'connections are reset': { answers: () => listening((socket) => socket.resetAndDestroy()), is: closed },
  'connections are closed': { answers: () => listening((socket) => socket.end()), is: closed },
  'the host has no address': {
    answers: nowhere({ host: 'no-such-host.invalid', port: 1 }),
    is: said('HostNotFoundError', true, /does not resolve .* correct the secret's "host", or the VPC's DNS/),
  },
};

/** What the account or the server is like, by the names that the conformance suite has for it. */
const STATES: Partial<Record<StateName, Partial<Record<EngineName, Said>>>> = {
  locked: {
    postgres: said('LoginBarredError', false, /the role has no LOGIN\. To let it in: ALTER ROLE "\w+" LOGIN\.$/),
    mysql: said('LoginBarredError', false, /the account is locked\. To let it in: ALTER USER … ACCOUNT UNLOCK\.$/),
  },
  expired: {
    postgres: said('LoginRefusedError', false, /or it has expired.*Set AWSCURRENT’s password in the database/),
    mysql: said('LoginBarredError', false, /its password has expired: set it anew there/),
  },
  'without a password': {
    postgres: said(
      'LoginRefusedError',
      false,
      /Set AWSCURRENT’s password in the database, or put the right one into the secret/,
    ),
    mysql: said(
      'LoginRefusedError',
      false,
      /Set AWSCURRENT’s password in the database, or put the right one into the secret/,
    ),
  },
  'at its limit of connections': {
    postgres: said(
      'LoginBarredError',
      false,
      /End sessions of it that nobody needs, or take the limit off: ALTER ROLE "\w+" CONNECTION LIMIT -1\.$/,
    ),
    mysql: said(
      'LoginBarredError',
      false,
      /resource limits: end sessions of it that nobody needs, or raise the limit \(ALTER USER/,
    ),
  },
  'blocked after failed logins': {
    mysql: said(
      'LoginBarredError',
      false,
      /too many logins failed, so it is blocked for a while \(FAILED_LOGIN_ATTEMPTS\)/,
    ),
  },
  'known from another host only': {
    mysql: said('LoginRefusedError', false, /or there is no such user from this host/),
    mongodb: said('LoginRefusedError', false, /its authentication restrictions keep it from logging in from here/),
  },
  'in a database that does not exist': {
    postgres: said('LoginBarredError', false, /the database "\w+" does not exist\. Correct "dbname" in the secret/),
    mysql: said('LoginBarredError', false, /the database in the secret’s "dbname" does not exist: correct "dbname"/),
  },
  'in a database that it may not use': {
    postgres: said(
      'LoginBarredError',
      false,
      /no CONNECT right on the database\. To give it: GRANT CONNECT ON DATABASE "\w+" TO "\w+"\.$/,
    ),
    mysql: said(
      'LoginBarredError',
      false,
      /no right on the database in the secret’s "dbname": grant it one there, or correct "dbname"/,
    ),
  },
  'in a database that takes no connections': {
    postgres: said(
      'LoginBarredError',
      false,
      /takes no connections\. To open it: ALTER DATABASE "\w+" ALLOW_CONNECTIONS true\.$/,
    ),
  },
  'in a database at its limit of connections': {
    postgres: said('LoginBarredError', false, /or take the limit off: ALTER DATABASE "\w+" CONNECTION LIMIT -1\.$/),
  },
};

const LOCKS: Partial<Record<LockName, Partial<Record<EngineName, Said>>>> = {
  'the lock of another rotation': {
    postgres: said(
      'DeadlineError',
      true,
      /^Session \d+ of .* held a lock .*nothing was changed\. If that is no rotation, end it: SELECT pg_terminate/,
    ),
    mysql: said('DeadlineError', true, /held the lock on user .* for too long: nothing was changed/),
  },
  'another session’s hold on the account': {
    postgres: said(
      'DeadlineError',
      true,
      /held a lock on user .* nothing was changed\. .*it has not been set until now/,
    ),
    mysql: said('DeadlineError', true, /nothing was changed\. .*it has not been set until now/),
  },
};

/** The statement at the end of a message. Where the host of an account is not known, it has … in place of the name. */
const STATEMENT = /: ((?:ALTER|GRANT) [^:]*)\.$/;

const WRONG = said(
  'LoginRefusedError',
  false,
  /Set AWSCURRENT’s password in the database, or put the right one into the secret/,
);

for (const engine of engineNames) {
  describeServers(engine, 'what fails around a login', (server) => {
    const on = (secret: Json = {}) => Rotating.on(server, { secret, timeoutMs: TIMEOUT });

    test('a wrong password, and a user that does not exist', async () => {
      for (const secret of [{ password: 'a wrong one' }, { username: 'nobody_at_all' }]) {
        await using rotating = await on(secret);
        await expectSaid(rotating, WRONG);
      }
    });

    test('no TLS where the secret wants it', async () => {
      await using rotating = await on({ ssl: true });
      await expectSaid(rotating, noTls);
    });

    const subjectOf = () => engines[engine].subject(server, true);
    test('every state and every lock of the conformance suite is here', async () => {
      const { states, locks } = await subjectOf();
      const missing = [
        ...Object.entries(states).filter(([name, state]) => !isNone(state) && !STATES[name as StateName]?.[engine]),
        ...Object.entries(locks).filter(([name, lock]) => !isNone(lock) && !LOCKS[name as LockName]?.[engine]),
      ];
      expect(missing.map(([name]) => name)).toEqual([]);
    });

    for (const [name, is] of of(engine, STATES))
      test(`a user ${name}`, async () => {
        const state = (await subjectOf()).states[name];
        if (isNone(state)) return expect(state.none).not.toBe(''); // another server of this engine has it
        await using rotating = await on();
        const { to, leave } = await state.enter({ username: rotating.user, password: rotating.password() });
        if (to?.database) rotating.edit({ dbname: to.database });
        const message = await expectSaid(rotating, is);
        const [, cure] = STATEMENT.exec(message) ?? [];
        if (cure) {
          await rotating.sql(cure.replace('…', rotating.user));
          expect(await rotating.rotate()).toMatchObject({ succeeded: true });
        }
        await leave?.();
      });

    for (const [name, is] of of(engine, LOCKS))
      test(name, async () => {
        const lock = (await subjectOf()).locks[name];
        if (isNone(lock)) return expect(lock.none).not.toBe('');
        await using rotating = await on();
        await using _ = await lock.hold(rotating.user);
        await expectSaid(rotating, is);
      });

    if (server.row === rowsOf(engine)[0])
      test.each(Object.entries(WAYS))('%s', async (_, { answers, is }) => {
        await using place = await answers();
        await using rotating = await on({ host: '127.0.0.1', ...place });
        await expectSaid(rotating, typeof is === 'function' ? is(engine) : is);
      });
  });

  await describeServersWith(engine, 'what fails over TLS', { tls }, (server) => {
    test.each([
      [
        'an authority that the function does not know',
        {},
        /does not verify .* give its authority in the secret's "sslca"/,
      ],
      [
        'another name',
        { sslca: tls.ca, sslservername: 'another.example' },
        /does not verify .* or its name in "sslservername"/,
      ],
    ])('the certificate is of %s', async (_, secret, words) => {
      await using rotating = await Rotating.on(server, { secret: { ssl: true, ...secret }, timeoutMs: TIMEOUT });
      await expectSaid(rotating, said('TlsError', false, words));
    });
  });
}

function of<Name extends string>(
  engine: EngineName,
  table: Partial<Record<Name, Partial<Record<EngineName, Said>>>>,
): [Name, Said][] {
  const entries = Object.entries(table) as [Name, Partial<Record<EngineName, Said>>][];
  return entries.flatMap(([name, { [engine]: is }]) => (is === undefined ? [] : [[name, is]]));
}
