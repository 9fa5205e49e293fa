/** Of two that change one account, the second waits for the first; a lock lasts no longer than its holder. */
import { expect, test } from '@jest/globals';
import { Deadline } from '../../../shared/core/deadline.ts';
import { type Bench, failure, testNone } from '../bench.ts';
import { relay } from '../relay.ts';
import { isNone } from '../subject.ts';
import { newPassword } from '../unique.ts';

export function alone(bench: Bench): void {
  const { engine, subject } = bench;

  test('two that work on two accounts go on side by side', async () => {
    await using user = await bench.user();
    await using another = await bench.user();
    await using one = await bench.session(user);
    await using other = await bench.session(another);
    const to = newPassword();

    await engine.exclusively(one, one.account, () => bench.change(other, another.password, to));

    await bench.expectChanged(another, to);
  });

  test('whoever works gets the result, or the error', async () => {
    await using user = await bench.user();
    await using own = await bench.session(user);

    expect(await engine.exclusively(own, own.account, async () => 'result')).toBe('result');
    const error = await failure(engine.exclusively(own, own.account, () => Promise.reject(new Error('failed'))));

    expect(error.message).toBe('failed');
  });

  const lock = subject.locks['the lock of another rotation'];
  if (isNone(lock)) testNone('a lock that keeps two from working on one account', lock);
  else testLock(bench);
}

function testLock(bench: Bench): void {
  const { engine, subject } = bench;

  test('two that work on one account: one after the other, neither fails', async () => {
    await using user = await bench.user();
    await using one = await bench.session(user);
    await using other = await bench.session(user);

    const order: string[] = [];
    const slowly = (own: typeof one) =>
      engine.exclusively(own, own.account, async (stillAlone) => {
        order.push('begin');
        await stillAlone();
        await stillAlone();
        order.push('end');
      });
    await Promise.all([slowly(one), slowly(other)]);

    expect(order).toEqual(['begin', 'end', 'begin', 'end']);
  });

  test('an admin that works on the account, too', async () => {
    await using admin = await bench.admin();
    await using user = await bench.userOf(admin);
    await using own = await bench.session(user);
    await using other = await bench.session(admin, new Deadline(6000)); // 1 s for statements

    const error = await engine.exclusively(own, own.account, () =>
      failure(engine.exclusively(other, own.account, async () => {})),
    );

    expect(error).toMatchObject({ name: 'DeadlineError', user: expect.any(String), host: bench.server.host });
  });

  test('the lock is free when the work has ended, and when it has failed', async () => {
    await using user = await bench.user();
    await using one = await bench.session(user);
    await using other = await bench.session(user, new Deadline(6000));

    await engine.exclusively(one, one.account, async () => {});
    await engine.exclusively(other, other.account, async () => {});
    await failure(engine.exclusively(one, one.account, async () => Promise.reject(new Error('failed'))));

    expect(await engine.exclusively(other, other.account, async () => 'alone')).toBe('alone');
  });

  const { endSessionsOf } = subject;
  if (isNone(endSessionsOf)) testNone('a holder whose session an administrator ends', endSessionsOf);
  else
    test('whoever lost the lock is told before it writes elsewhere', async () => {
      await using user = await bench.user();
      await using own = await bench.session(user);

      const error = await failure(
        engine.exclusively(own, own.account, async (stillAlone) => {
          await stillAlone();
          await endSessionsOf(user.username);
          await stillAlone();
        }),
      );

      expect(error).toMatchObject({ user: user.username, host: bench.server.host });
    });

  test('a holder that has gone silent keeps the lock no longer than its time', async () => {
    await using user = await bench.user();
    await using wire = await relay(bench.server);
    await using silent = await bench.session(user, new Deadline(9000), wire); // 1.5 s for statements
    await using other = await bench.session(user);

    let isOthers = false;
    const lost = failure(
      engine.exclusively(silent, silent.account, async (stillAlone) => {
        wire.stall();
        await engine.exclusively(other, other.account, async () => (isOthers = true));
        await stillAlone();
      }),
    );

    expect(['deadline', 'TCP']).toContain((await lost).layer);
    expect(isOthers).toBe(true);
  });
}
