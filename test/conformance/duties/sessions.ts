/** No session is left on the server, and no connection on this side. */
import { expect, test } from '@jest/globals';
import { Deadline } from '../../../shared/core/deadline.ts';
import { Secret } from '../../../shared/core/secret.ts';
import { type Bench, failure, testNone } from '../bench.ts';
import { eventually } from '../eventually.ts';
import { type Relay, relay } from '../relay.ts';
import { isNone, STATES } from '../subject.ts';
import { newPassword, unique } from '../unique.ts';

/** Longer than any good-bye. */
const AT_ONCE = 3000;

export function sessions(bench: Bench): void {
  const { engine, subject } = bench;

  const { sessionsOf } = subject;
  if (isNone(sessionsOf)) testNone('what the server itself says of open sessions', sessionsOf);
  else
    test('is one on the server', async () => {
      await using user = await bench.user();
      await using _ = await bench.session(user);

      expect(await sessionsOf(user.username)).toHaveLength(1);
    });

  const isGone = (username: string, wire: Relay) => eventually(() => bench.isGone(username, wire));

  test('is gone when it is closed', async () => {
    await using user = await bench.user();
    await using wire = await relay(bench.server);
    const own = await bench.session(user, undefined, wire);
    expect(wire.open()).toBeGreaterThan(0);

    await own.close();

    await isGone(user.username, wire);
  });

  test('is gone after it is closed in the middle of work, and may be closed twice', async () => {
    await using user = await bench.user();
    const to = newPassword();
    await using wire = await relay(bench.server);
    const own = await bench.session(user, undefined, wire);

    const error = await failure(
      engine.exclusively(own, own.account, async () => {
        await own.close();
        await own.close();
        await engine.changeOwnPassword(own, user.password, to);
      }),
    );

    expect(error).toMatchObject({ layer: 'TCP' });
    await isGone(user.username, wire);
    await bench.expectUnchanged(user, to);
  });

  test('is gone after a wrong password', async () => {
    await using user = await bench.user();
    await using wire = await relay(bench.server);

    await bench.login({ ...user, password: new Secret(unique('wrong')) }, { host: wire.host, port: wire.port });

    await isGone(user.username, wire);
  });

  for (const name of STATES) {
    const state = subject.states[name];
    // At the limit, another session has to be there.
    if (isNone(state) || name === 'at its limit of connections') continue;
    test(`is gone after the login of an account ${name}`, async () => {
      await using inState = await bench.userIn(name);
      const { user, to } = inState;
      await using wire = await relay(bench.server);

      await bench.login(user, { ...to, host: wire.host, port: wire.port });

      await isGone(user.username, wire);
    });
  }

  const lock = subject.locks['another session’s hold on the account'];
  if (isNone(lock)) testNone('a statement that is given up while it waits', lock);
  else
    test('is gone after its statement was given up, on both sides', async () => {
      await using user = await bench.user();
      await using holder = await lock.hold(user.username);
      await using wire = await relay(bench.server);
      const own = await bench.session(user, new Deadline(9000), wire); // 1.5 s for statements
      await failure(bench.change(own, user.password, newPassword()));

      await own.close();

      await isGone(user.username, wire);
      await holder.release();
    });

  test.each([
    ['has gone silent', 'stall'],
    ['is cut', 'cut'],
  ] as const)('does not hang when it is ended on a connection that %s', async (_, how) => {
    await using user = await bench.user();
    await using wire = await relay(bench.server);
    const own = await bench.session(user, undefined, wire);
    wire[how]();
    const started = performance.now();

    await own.end();

    expect(performance.now() - started).toBeLessThan(AT_ONCE);
  });
}
