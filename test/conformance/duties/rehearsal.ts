/** A rehearsal tells what a change would be refused for. Nothing of it lasts: no change, no lock, no session. */
import { expect, test } from '@jest/globals';
import { Deadline } from '../../../shared/core/deadline.ts';
import type { Session, Twins } from '../../../shared/database/engine.ts';
import { type Bench, failure, testNone } from '../bench.ts';
import { eventually } from '../eventually.ts';
import { relay } from '../relay.ts';
import { isNone } from '../subject.ts';
import { newPassword } from '../unique.ts';

export function rehearsal(bench: Bench): void {
  const { engine, subject, server } = bench;

  test('sets no password, also when it fails, and the session sets one for real afterwards', async () => {
    await using user = await bench.user();
    await using own = await bench.session(user);
    const to = newPassword();
    const change = async () => void (await engine.changeOwnPassword(own, user.password, to));

    await engine.rehearse(own, own.account, change);
    const error = await failure(
      engine.rehearse(own, own.account, () => change().then(() => Promise.reject(new Error('failed')))),
    );

    expect(error.message).toBe('failed');
    await bench.expectUnchanged(user, to);
    await bench.change(own, user.password, to);
    await bench.expectChanged(user, to);
  });

  const twins = engine.twins(subject.engineKey);
  if ('unsupported' in twins) testNone('a twin', { none: twins.unsupported });
  else testTwin(bench, twins);

  const byAdmin = engine.byAdmin(subject.engineKey);
  const { missingRight } = subject;
  if ('unsupported' in byAdmin) testNone('a password that an admin sets', { none: byAdmin.unsupported });
  else if (isNone(missingRight)) testNone('somebody who may not set it', missingRight);
  else
    test('tells what right somebody lacks', async () => {
      await using nobody = await bench.user();
      await using user = await bench.user();
      await using session = await bench.session(nobody);
      const account = { username: user.username, realm: subject.realm };

      const error = await failure(
        engine.rehearse(session, account, () => byAdmin.setPassword(session, account, newPassword())),
      );

      expect(error).toMatchObject({ name: 'PrivilegeError', user: nobody.username, host: server.host });
    });

  const lock = subject.locks['the lock of another rotation'];
  if (isNone(lock)) testNone('a lock that keeps others from the account', lock);
  else
    test('keeps others from the account, and no longer than it lasts', async () => {
      await using user = await bench.user();
      await using own = await bench.session(user);
      let error: unknown;
      await engine.rehearse(own, own.account, async () => {
        await using other = await bench.session(user, new Deadline(6000)); // 1 s for statements
        error = await failure(engine.exclusively(other, other.account, async () => {}));
      });
      await using another = await bench.session(user, new Deadline(6000));

      expect(error).toMatchObject({ name: 'DeadlineError', user: user.username, host: server.host });
      expect(await engine.exclusively(another, another.account, async () => 'alone')).toBe('alone');
    });

  test('ends in time at a server that has gone silent', async () => {
    await using user = await bench.user();
    await using wire = await relay(server);
    await using own = await bench.session(user, new Deadline(9000), wire); // 1.5 s for statements
    wire.stall();
    const started = performance.now();

    const error = await failure(
      engine.rehearse(own, own.account, async () => {
        await engine.changeOwnPassword(own, user.password, newPassword());
      }),
    );

    expect(performance.now() - started).toBeLessThan(9000);
    expect(error).toMatchObject({ layer: 'deadline', user: user.username, host: wire.host });
  });
}

function testTwin(bench: Bench, twins: Twins<Session>): void {
  const { engine, subject, users } = bench;

  test('makes no twin and changes no user, goes on after a change that fails, and leaves no session', async () => {
    await using asAdmin = await bench.admin();
    await using base = await bench.userOf(asAdmin);
    await using wire = await relay(bench.server);
    await using admin = await bench.session(asAdmin, undefined, wire);
    const [realm, to] = [subject.realm, newPassword()];
    const twin = { username: `${base.username}_clone`, realm };
    const pair = { base: { username: base.username, realm }, twin, owner: `arn:${base.username}` };
    const before = await users.stored(base.username);

    await engine.rehearse(admin, pair.base, async () => {
      expect((await twins.state(admin, pair)).twin).toBeUndefined();
      // There is no twin yet. A server that is sent this change refuses it.
      await twins.enable(admin, pair, 'twin', to).catch(() => {});
      await twins.create(admin, pair, to);
      await twins.enable(admin, pair, 'twin', to);
    });

    expect(await users.stored(base.username)).toEqual(before);
    await admin.close();
    await eventually(() => bench.isGone(asAdmin.username, wire));
  });
}
