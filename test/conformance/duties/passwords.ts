/** A user changes its own password, by compare-and-set where the server can. */
import { expect, test } from '@jest/globals';
import { Secret } from '../../../shared/core/secret.ts';
import { type Bench, failure, testNone } from '../bench.ts';
import { relay } from '../relay.ts';
import { isNone } from '../subject.ts';
import { newPassword, unique } from '../unique.ts';

export function passwords(bench: Bench): void {
  const { engine, subject } = bench;

  test('is changed: the new one logs in, the old one does not', async () => {
    await using user = await bench.user();
    const to = newPassword();
    await using own = await bench.session(user);

    expect(await bench.change(own, user.password, to)).toBe('set');

    await bench.expectChanged(user, to);
  });

  test('may be changed again in the same session', async () => {
    await using user = await bench.user();
    const [first, second] = [newPassword(), newPassword()];
    await using own = await bench.session(user);

    expect(await bench.change(own, user.password, first)).toBe('set');
    expect(await bench.change(own, first, second)).toBe('set');

    await bench.expectChanged({ ...user, password: first }, second);
  });

  test('may be set to what it is', async () => {
    await using user = await bench.user();
    await using own = await bench.session(user);

    expect(await bench.change(own, user.password, user.password)).toBe('set');

    expect(await bench.outcome(user, user.password)).toBe('accepted');
  });

  test('changes nothing for open sessions', async () => {
    await using user = await bench.user();
    await using application = await bench.session(user);
    await using own = await bench.session(user);
    const [to, next] = [newPassword(), newPassword()];

    await bench.change(own, user.password, to);

    expect(await bench.change(application, to, next)).toBe('set');
    await bench.expectChanged({ ...user, password: to }, next);
  });

  if (isNone(subject.comparesAndSets)) {
    testNone('a change from a password that is no more the account’s is a conflict', subject.comparesAndSets);

    test('is set by one after the other of two that begin with the same: one of both is valid', async () => {
      await using user = await bench.user();
      const both = [newPassword(), newPassword()] as const;
      await using one = await bench.session(user);
      await using other = await bench.session(user);

      const changes = [bench.change(one, user.password, both[0]), bench.change(other, user.password, both[1])];
      const results = (await Promise.allSettled(changes)).map(({ status }) => status);

      const outcomes = await Promise.all(both.map((to) => bench.outcome(user, to)));
      expect(outcomes.toSorted()).toEqual(['accepted', 'refused']);
      // Without a lock the server may fail one of them; what is valid is what it took.
      if (!isNone(subject.locks['the lock of another rotation'])) expect(results).not.toContain('rejected');
      expect(results[outcomes.indexOf('accepted')]).toBe('fulfilled');
      expect(await bench.outcome(user, user.password)).toBe('refused');
    });
  } else {
    test('is in conflict if it changed meanwhile, and stays', async () => {
      await using user = await bench.user();
      const [others, ours] = [newPassword(), newPassword()];
      await using own = await bench.session(user);
      await bench.users.setPassword({ username: user.username, password: others.reveal() });

      expect(await bench.change(own, user.password, ours)).toBe('conflict');

      expect(await bench.outcome(user, ours)).toBe('refused');
      expect(await bench.outcome(user, others)).toBe('accepted');
      // The session is as good as before.
      expect(await bench.change(own, others, ours)).toBe('set');
    });

    test('is set by one alone of two that begin with the same', async () => {
      await using user = await bench.user();
      const both = [newPassword(), newPassword()];
      await using one = await bench.session(user);
      await using other = await bench.session(user);

      const results = await Promise.all([
        bench.change(one, user.password, both[0] as Secret),
        bench.change(other, user.password, both[1] as Secret),
      ]);

      expect(results.toSorted()).toEqual(['conflict', 'set']);
      for (const [index, result] of results.entries())
        expect(await bench.outcome(user, both[index] as Secret)).toBe(result === 'set' ? 'accepted' : 'refused');
    });
  }

  if (isNone(subject.isTransactional)) {
    testNone('a change that is undone when what follows it fails', subject.isTransactional);
  } else {
    test('does not change if the work goes on to fail', async () => {
      await using user = await bench.user();
      const to = newPassword();
      await using own = await bench.session(user);

      const work = engine.exclusively(own, own.account, async () => {
        await engine.changeOwnPassword(own, user.password, to);
        throw new Error('labels have moved');
      });

      await expect(work).rejects.toThrow('labels have moved');
      await bench.expectUnchanged(user, to);
      expect(await bench.change(own, user.password, to)).toBe('set');
    });

    test('does not change if the connection breaks before the work has ended', async () => {
      await using user = await bench.user();
      const to = newPassword();
      await using wire = await relay(bench.server);
      await using own = await bench.session(user, undefined, wire);

      await failure(
        engine.exclusively(own, own.account, async () => {
          await engine.changeOwnPassword(own, user.password, to);
          wire.cut();
        }),
      );

      await bench.expectUnchanged(user, to);
    });
  }

  test('does not change, and the error says so, if the connection breaks before', async () => {
    await using user = await bench.user();
    const to = newPassword();
    await using wire = await relay(bench.server);
    await using own = await bench.session(user, undefined, wire);

    const error = await failure(
      engine.exclusively(own, own.account, async () => {
        wire.cut();
        await engine.changeOwnPassword(own, user.password, to);
      }),
    );

    expect(error).toMatchObject({ layer: 'TCP', retryHelps: true, user: user.username, host: wire.host });
    expect(error.message).toContain('may have happened');
    await bench.expectUnchanged(user, to);
  });

  const { endSessionsOf, policy, readOnly } = subject;
  if (isNone(endSessionsOf)) testNone('a session that an administrator ends', endSessionsOf);
  else
    test('does not change if an administrator has ended the session, and the error says so', async () => {
      await using user = await bench.user();
      const to = newPassword();
      await using own = await bench.session(user);
      await endSessionsOf(user.username);

      const error = await failure(bench.change(own, user.password, to));

      expect(error).toMatchObject({
        name: 'ConnectionError',
        layer: 'TCP',
        user: user.username,
        host: bench.server.host,
      });
      await bench.expectUnchanged(user, to);
    });

  if (isNone(policy)) testNone('a policy of the server', policy);
  else
    test('is refused by the server’s policy, which the error names, and stays', async () => {
      await using cleanUp = new AsyncDisposableStack();
      const user = cleanUp.use(await bench.user());
      const { refused, leave } = await policy.enter({ username: user.username, password: user.password.reveal() });
      cleanUp.defer(async () => void (await leave?.()));
      const own = cleanUp.use(await bench.session(user));

      const error = await failure(bench.change(own, user.password, new Secret(refused)));

      expect(error).toMatchObject({
        name: 'PasswordPolicyError',
        layer: 'password policy',
        retryHelps: false,
        code: policy.code,
        user: user.username,
      });
      expect(await bench.outcome(user, user.password)).toBe('accepted');
      if (policy.anyPassword) return;
      const better = newPassword();
      expect(await bench.change(own, user.password, better)).toBe('set');
      await bench.expectChanged(user, better);
    });

  if (isNone(readOnly)) testNone('a server that takes no writes', readOnly);
  else
    bench.testAlone('is not changed on a server that takes no writes, which the error names', async () => {
      await using user = await bench.user();
      const to = newPassword();
      await using own = await bench.session(user);
      const leave = await readOnly.enter();
      try {
        const error = await failure(bench.change(own, user.password, to));

        expect(error).toMatchObject({
          name: 'ReadOnlyServerError',
          layer: 'database',
          retryHelps: false,
          code: readOnly.code,
          user: user.username,
          host: bench.server.host,
        });
        expect(error.message).toContain(readOnly.says);
      } finally {
        await leave();
      }
      await bench.expectUnchanged(user, to);
    });

  test('is not the session’s to change for somebody else', async () => {
    await using user = await bench.user();
    await using other = await bench.user({ username: `${user.username}2` });
    await using own = await bench.session(user);
    const to = new Secret(unique('new'));

    await bench.change(own, user.password, to);

    await bench.expectUnchanged(other, to);
  });
}
