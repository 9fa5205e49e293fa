/** No session is left on the server. */
import { expect, test } from '@jest/globals';
import { Deadline } from '../../../shared/deadline.ts';
import { Secret } from '../../../shared/secret.ts';
import { type Bench, eventually, failure, newPassword, unique } from '../bench.ts';
import { relay } from '../relay.ts';
import { isNone, STATES } from '../subject.ts';

/** Longer than any good-bye. */
const AT_ONCE = 3000;

export function sessions(bench: Bench): void {
  const { engine, subject } = bench;

  test('is gone when it is closed', async () => {
    await using user = await bench.user();
    const own = await bench.session(user);
    expect(await subject.sessionsOf(user.username)).toHaveLength(1);

    await own.close();

    await eventually(() => bench.isGone(user.username));
  });

  test('is gone after it is closed in the middle of work, and may be closed twice', async () => {
    await using user = await bench.user();
    const to = newPassword();
    const own = await bench.session(user);

    const error = await failure(
      engine.exclusively(own, own.account, async () => {
        await own.close();
        await own.close();
        await engine.changeOwnPassword(own, user.password, to);
      }),
    );

    expect(error).toMatchObject({ layer: 'TCP' });
    await eventually(() => bench.isGone(user.username));
    await bench.expectUnchanged(user, to);
  });

  test('is gone after a wrong password', async () => {
    await using user = await bench.user();

    await bench.outcome(user, new Secret(unique('wrong')));

    await eventually(() => bench.isGone(user.username));
  });

  for (const name of STATES) {
    const state = subject.states[name];
    // At the limit, another session has to be there.
    if (isNone(state) || name === 'at its limit of connections') continue;
    test(`is gone after the login of an account ${name}`, async () => {
      await using inState = await bench.userIn(name);
      const { user, to } = inState;

      await bench.login(user, to);

      await eventually(() => bench.isGone(user.username));
    });
  }

  test('is gone after its statement was given up, on both sides', async () => {
    await using user = await bench.user();
    await using holder = await subject.locks['another session’s hold on the account'].hold(user.username);
    await using own = await bench.session(user, new Deadline(9000)); // 1.5 s for statements
    await failure(bench.change(own, user.password, newPassword()));

    await own.close();

    await eventually(() => bench.isGone(user.username));
    await holder.release();
  });

  test.each([
    ['has gone silent', 'stall'],
    ['is cut', 'cut'],
  ] as const)('does not hang when it is closed on a connection that %s', async (_, how) => {
    await using user = await bench.user();
    await using wire = await relay(bench.server);
    const own = await bench.session(user, undefined, wire);
    wire[how]();
    const started = performance.now();

    await own.close();

    expect(performance.now() - started).toBeLessThan(AT_ONCE);
  });
}
