/** A login is accepted, barred, refused or unknown, says why, and proves no more than it may. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { Deadline } from '../../../shared/core/deadline.ts';
import { Secret } from '../../../shared/core/secret.ts';
import type { Credential, LoginResult, Session } from '../../../shared/database/engine.ts';
import { type Bench, testNone } from '../bench.ts';
import { eventually } from '../eventually.ts';
import { fakeServer, relay } from '../relay.ts';
import { isNone, STATES } from '../subject.ts';
import { newPassword, unique } from '../unique.ts';

type Expected = { is: 'refused' | 'barred' | 'unknown'; name: string; layer: string; code?: unknown };

/** What a person is told: the class, the layer, whose login it was and where; nothing of the password. */
export function expectFailure(
  result: LoginResult<Session>,
  as: Credential,
  host: string,
  { is, ...expected }: Expected,
): void {
  if (result.is === 'accepted') throw new Error('the login was accepted');
  const { why } = result;
  expect({ is: result.is, name: why.name, layer: why.layer, code: why.code }).toEqual({
    code: undefined,
    ...expected,
    is,
  });
  expect(why).toMatchObject({ user: as.username, host });
  expect(why.message).toContain(as.username);
  expect(why.message).toContain(host);
  expect(why.message).not.toContain(as.password.reveal());
}

const REFUSED = { is: 'refused', name: 'LoginRefusedError', layer: 'authentication' } as const;
const NAMES = { barred: 'LoginBarredError', refused: 'LoginRefusedError', unknown: 'LoginBarredError' } as const;
const UNREACHABLE = { is: 'unknown', name: 'ConnectionError', layer: 'TCP' } as const;
/** So does a server that has no TLS. */
export const CUT_IN_HANDSHAKE = { is: 'unknown', name: 'TlsError', layer: 'TLS', code: 'ECONNRESET' } as const;

export function logins(bench: Bench): void {
  const { subject, server } = bench;
  const { host } = server;
  const refused = { ...REFUSED, code: subject.wrongPassword };

  test('is accepted with the right password, and knows whose it is', async () => {
    await using user = await bench.user();

    const result = await bench.login(user);

    expect(result).toMatchObject({
      is: 'accepted',
      session: { account: { username: user.username, realm: subject.realm } },
    });
    if (result.is === 'accepted') await result.session.close();
  });

  const { loginAhead } = bench.engine;
  if (loginAhead === undefined)
    testNone('a connection that is opened ahead', { none: 'the driver wants the password at once' });
  else {
    const ahead = async (user: Credential, work: (given: PromiseWithResolvers<Secret>) => void) => {
      await using wire = await relay(server);
      const given = Promise.withResolvers<Secret>();
      const to = bench.endpoint({ host: wire.host, port: wire.port });
      const login = loginAhead(to, user.username, given.promise, new Deadline(60_000));
      await eventually(async () => wire.open() > 0);
      expect(await Promise.race([login, sleep(200, 'waits')])).toBe('waits');
      work(given);
      const result = await login;
      if (result.is === 'accepted') await result.session.close();
      await eventually(() => bench.isGone(user.username, wire));
      return result.is;
    };

    test('waits for its password, and is accepted when that is given', async () => {
      await using user = await bench.user();
      expect(await ahead(user, ({ resolve }) => resolve(user.password))).toBe('accepted');
    });

    test('ends if its password is never given', async () => {
      await using user = await bench.user();
      expect(await ahead(user, ({ reject }) => reject(new Error('not this time')))).toBe('unknown');
    });
  }

  test('is refused with a wrong password', async () => {
    await using user = await bench.user();
    const wrong = { username: user.username, password: new Secret(unique('wrong')) };

    expectFailure(await bench.login(wrong), wrong, host, refused);
  });

  test('is refused for a user that does not exist', async () => {
    const nobody = { username: unique('nobody'), password: newPassword() };

    expectFailure(await bench.login(nobody), nobody, host, refused);
  });

  describe('of an account', () => {
    for (const name of STATES) {
      const state = subject.states[name];
      if (isNone(state)) {
        testNone(name, state);
        continue;
      }
      test(`${name} is ${state.is}`, async () => {
        await using inState = await bench.userIn(name);
        const { user, to } = inState;

        expectFailure(await bench.login(user, to), user, host, {
          is: state.is,
          name: state.name ?? NAMES[state.is],
          layer: 'authentication',
          code: state.code,
        });
        // What bars a login is told to those alone who know the password.
        const wrong = { username: user.username, password: new Secret(unique('wrong')) };
        if (state.is !== 'unknown') expect(await bench.login(wrong, to)).toMatchObject({ is: 'refused' });
      });
    }
  });

  describe('that meets no such server', () => {
    const as = { username: 'nemo', password: new Secret('not-to-be-told') };
    const knock = (to: { host: string; port: number }) => bench.login(as, to, new Deadline(1500)); // 500 ms for connecting

    test('says that nothing listens there', async () => {
      const free = await fakeServer(() => {});
      await free[Symbol.asyncDispose]();

      expectFailure(await knock(free), as, free.host, { ...UNREACHABLE, code: 'ECONNREFUSED' });
    });

    test('says that the host does not resolve', async () => {
      expectFailure(await knock({ host: 'nowhere.invalid', port: server.port }), as, 'nowhere.invalid', {
        is: 'unknown',
        name: 'HostNotFoundError',
        layer: 'DNS',
        code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/),
      });
    });

    test('says that it is cut off', async () => {
      await using cut = await fakeServer((socket) => socket.end());

      const isInHandshake = bench.wire === 'TLS' && subject.fake.beginsWithTls;
      expectFailure(await knock(cut), as, cut.host, isInHandshake ? CUT_IN_HANDSHAKE : UNREACHABLE);
    });

    for (const [what, speak] of Object.entries(subject.fake.garbage)) {
      test(`hears ${what}, which proves nothing`, async () => {
        const heard: Buffer[] = [];
        await using odd = await fakeServer((socket) => speak(socket.on('data', (bytes) => heard.push(bytes))));

        const result = await knock(odd);

        expect(result).toMatchObject({ is: 'unknown', why: { user: as.username, host: odd.host } });
        if (result.is !== 'accepted')
          expect(['TCP', 'TLS', 'authentication', 'database', 'deadline']).toContain(result.why.layer);
        expect(Buffer.concat(heard).toString('latin1')).not.toContain(as.password.reveal());
      });
    }
  });
}
