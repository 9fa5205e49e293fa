/** No password is in an error, in a session, or in the server's log, whatever goes wrong and in whatever spelling. */
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { Deadline } from '../../../shared/core/deadline.ts';
import { RotationError } from '../../../shared/core/errors.ts';
import { Secret } from '../../../shared/core/secret.ts';
import { testWithLog } from '../../servers.ts';
import { type Bench, failure, testNone, type User } from '../bench.ts';
import { fakeServer, relay } from '../relay.ts';
import { isNone, STATES, type Subject } from '../subject.ts';
import { unique } from '../unique.ts';

/** Changes under JSON, URL, SQL and shell quoting, and is not to be found by accident. Of control characters only where a driver sends them. */
export function nasty(canBeSent: Subject['canBeSent'] = () => true): string {
  return `${unique('p')}"q\\b'a $H\`i\`&<%41;é${canBeSent('\n\t') ? '\n\t' : ''}~`;
}

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

export function expectSilence(value: unknown, ...passwords: Secret[]): void {
  expectNoneIn(showings(value), passwords);
}

function expectNoneIn(text: string, passwords: readonly Secret[]): void {
  for (const password of passwords)
    for (const spelling of spellings(password.reveal())) expect(text).not.toContain(spelling);
}

export function silence(bench: Bench): void {
  const { engine, subject } = bench;
  const lock = subject.locks['another session’s hold on the account'];
  const newNasty = () => nasty(subject.canBeSent);
  const nastyUser = (): Promise<User> => bench.user({ password: newNasty() });

  test('in a session and in what holds it', async () => {
    await using user = await nastyUser();

    const result = await bench.login(user);

    expectSilence(result, user.password);
    if (result.is !== 'accepted') throw result.why;
    expectSilence(result.session, user.password);
    await result.session.close();
    expectSilence(result, user.password);
  });

  for (const name of STATES) {
    const state = subject.states[name];
    if (isNone(state)) continue;
    test(`when a login fails for an account ${name}`, async () => {
      await using user = await nastyUser();
      await using cleanUp = new AsyncDisposableStack();
      const { to, leave } = await state.enter({ username: user.username, password: user.password.reveal() });
      cleanUp.defer(async () => void (await leave?.()));

      const result = await bench.login(user, to);

      expect(result.is).toBe(state.is);
      expectSilence(result, user.password);
    });
  }

  test('when a login fails with a wrong password, at the name of the host, at the port, at the certificate', async () => {
    await using user = await nastyUser();
    const wrong = { username: user.username, password: new Secret(newNasty()) };
    expectSilence(await bench.login(wrong), wrong.password, user.password);
    for (const to of [{ host: 'nowhere.invalid' }, { port: 1 }, { tls: { ca: [] } }]) {
      const result = await bench.login(user, to);

      expect(result.is).toBe('unknown');
      expectSilence(result, user.password);
    }
  });

  test('when a change fails at a policy, at a lock, at the network, at the deadline', async () => {
    await using user = await nastyUser();
    const to = new Secret(newNasty());
    await using wire = await relay(bench.server);
    const errors: RotationError[] = [];
    const fail = async (remaining: number, before: () => unknown, next = to) => {
      await using own = await bench.session(user, new Deadline(remaining), wire);
      await before();
      errors.push(await failure(bench.change(own, user.password, next)));
      expectSilence(errors.at(-1), user.password, to);
      expectSilence(own, user.password, to);
    };

    if (!isNone(subject.policy)) {
      const { refused, leave } = await subject.policy.enter({
        username: user.username,
        password: user.password.reveal(),
      });
      await fail(60_000, () => {}, new Secret(refused));
      await leave?.();
      expect(errors.pop()).toMatchObject({ layer: 'password policy' });
    }
    await fail(60_000, () => wire.cut());
    await fail(3000, () => wire.stall());
    expect(errors.map(({ layer }) => layer)).toEqual(['TCP', 'deadline']);
    if (isNone(lock)) return;
    await using _ = await lock.hold(user.username);
    await fail(9000, () => {});
    expect(errors.at(-1)).toMatchObject({ layer: 'deadline' });
  });

  if (isNone(subject.missingRight)) testNone('when an admin may not set it', subject.missingRight);
  else
    test('when an admin may not set it', async () => {
      const byAdmin = engine.byAdmin(subject.engineKey);
      if ('unsupported' in byAdmin) return;
      await using nobody = await bench.user();
      await using user = await nastyUser();
      await using session = await bench.session(nobody);
      const to = new Secret(newNasty());
      const account = { username: user.username, realm: subject.realm };

      const error = await failure(
        engine.exclusively(session, account, () => byAdmin.setPassword(session, account, to)),
      );

      expect(error).toBeInstanceOf(RotationError);
      expectSilence(error, to, user.password);
    });

  testWithLog(bench.server)('in the server’s log of all statements, failed ones and an admin’s too', async () => {
    await using user = await nastyUser();
    await using admin = await bench.admin({ password: newNasty() });
    await using other = await bench.userOf(admin);
    for (const { username } of [user, admin]) await subject.logStatements(username);
    const [to, refused, byAdmins] = [new Secret(newNasty()), new Secret(newNasty()), new Secret(newNasty())];
    if (!isNone(lock)) {
      await using own = await bench.session(user, new Deadline(9000));
      await using _ = await lock.hold(user.username);
      await failure(bench.change(own, user.password, to));
    }
    {
      await using own = await bench.session(user);
      await bench.change(own, user.password, to);
    }
    expect(await bench.outcome(user, refused)).toBe('refused');
    expect(await bench.outcome(user, to)).toBe('accepted');
    const capability = engine.byAdmin(subject.engineKey);
    if (!('unsupported' in capability)) {
      await using session = await bench.session(admin);
      const account = { username: other.username, realm: subject.realm };
      await engine.exclusively(session, account, () => capability.setPassword(session, account, byAdmins));
    }

    const log = await bench.server.log();

    // It is a log of statements: the user's own changes are in it.
    expect(subject.changesInLog(log, user.username)).toBeGreaterThanOrEqual(isNone(lock) ? 1 : 2);
    expectNoneIn(log, [user.password, to, refused, byAdmins, admin.password]);
  });

  describe('from a server that repeats all it hears', () => {
    const { fake } = subject;
    const as = { username: 'nemo', password: new Secret(newNasty()) };
    const knock = ({ host, port }: { host: string; port: number }) =>
      bench.login(as, { host, port, tls: 'off' }, new Deadline(3000));

    test.each(Object.entries(fake.loginCodes))('in a login that fails with "%s", which is a %s', async (code, name) => {
      await using server = await fakeServer(fake.failLogin(code, as.password.reveal()));

      const result = await knock(server);

      expect(result).toMatchObject({ why: { name } });
      expectSilence(result, as.password);
    });

    const title = 'in a statement that fails with "%s", which is a %s where it sets the password';
    test.each(Object.entries(fake.statementCodes))(title, async (code, name) => {
      for (let statement = 0; statement < fake.statements; statement++) {
        await using server = await fakeServer(fake.failChange(code, as.password.reveal(), statement));
        const result = await knock(server);
        if (result.is !== 'accepted') {
          expectSilence(result, as.password);
          continue;
        }

        const [settled] = await Promise.allSettled([bench.change(result.session, as.password, new Secret(newNasty()))]);

        if (statement === fake.change)
          expect(settled.status === 'rejected' ? settled.reason.name : settled.value).toBe(name);
        if (settled.status === 'rejected') {
          expect(settled.reason).toBeInstanceOf(RotationError);
          expectSilence(settled.reason, as.password);
        }
        await result.session.close();
      }
    });
  });

  if (isNone(subject.hidesPasswordsWithoutTls) && bench.wire === 'clear text')
    testNone('in what is sent without TLS', subject.hidesPasswordsWithoutTls);
}
