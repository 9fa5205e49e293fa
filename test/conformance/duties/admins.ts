/** An admin sets the password of a user, and knows what it may not touch. */
import { expect, test } from '@jest/globals';
import type { ByAdmin, Session } from '../../../shared/database/engine.ts';
import { type Bench, failure, testNone } from '../bench.ts';
import { isNone } from '../subject.ts';
import { newPassword, unique } from '../unique.ts';

export function admins(bench: Bench): void {
  const capability = bench.engine.byAdmin(bench.subject.engineKey);
  if ('unsupported' in capability) testNone('a password that an admin sets', { none: capability.unsupported });
  else testAdmins(bench, capability);
}

function testAdmins(bench: Bench, byAdmin: ByAdmin<Session>): void {
  const { engine, subject } = bench;

  const set = (admin: Session, username: string, to = newPassword()) =>
    engine.exclusively(admin, { username, realm: subject.realm }, async () => {
      await byAdmin.setPassword(admin, { username, realm: subject.realm }, to);
      return to;
    });

  test('is set without knowing the old one, and sets no other user’s', async () => {
    await using admin = await bench.admin();
    await using user = await bench.userOf(admin);
    await using other = await bench.userOf(admin);
    await using session = await bench.session(admin);

    const to = await set(session, user.username);

    await bench.expectChanged(user, to);
    await bench.expectUnchanged(other, to);
    await bench.expectUnchanged(admin, to);
  });

  const facts = async (session: Session, username: string) => await byAdmin.facts(session, username, bench.endpoint());

  const { locked } = subject.states;
  if (isNone(locked)) testNone('an account that may not log in', locked);
  else {
    test('is set on an account that may not log in, which stays so', async () => {
      await using admin = await bench.admin();
      await using user = await bench.userOf(admin);
      await locked.enter({ username: user.username, password: user.password.reveal() });
      await using session = await bench.session(admin);

      const to = await set(session, user.username);

      expect(await bench.outcome(user, to)).toBe(locked.is);
      expect(await bench.outcome(user, user.password)).toBe('refused');
    });

    test('is of an account that the admin knows to be locked', async () => {
      await using admin = await bench.admin();
      await using inState = await bench.userIn('locked');
      await using session = await bench.session(admin);

      expect(await facts(session, inState.user.username)).toMatchObject({ barred: expect.stringMatching(/./) });
    });
  }

  const { missingRight, power } = subject;
  if (isNone(missingRight)) testNone('somebody who may not set it', missingRight);
  else
    test('is not set by somebody who may not, and the error says what is missing', async () => {
      await using nobody = await bench.user();
      await using user = await bench.user();
      await using session = await bench.session(nobody);
      const to = newPassword();

      const error = await failure(set(session, user.username, to));

      expect(error).toMatchObject({
        name: 'PrivilegeError',
        layer: 'privilege',
        retryHelps: false,
        code: missingRight,
        user: nobody.username,
        host: bench.server.host,
      });
      expect(error.message).toContain(nobody.username);
      await bench.expectUnchanged(user, to);
    });

  test('is of an account whose facts are known before', async () => {
    await using admin = await bench.admin();
    await using user = await bench.userOf(admin);
    await using session = await bench.session(admin);

    expect(await facts(session, user.username)).toEqual({
      account: { username: user.username, realm: subject.realm },
      owners: [],
    });
    expect(await facts(session, unique('nobody'))).toBeUndefined();
  });

  if (isNone(power)) testNone('somebody with power over the server', power);
  else
    test('is not to be that of somebody with power over the server', async () => {
      await using admin = await bench.admin();
      await using user = await bench.userOf(admin);
      await power(user.username);
      await using session = await bench.session(admin);

      expect(await facts(session, user.username)).toMatchObject({ privileged: expect.stringMatching(/./) });
    });
}
