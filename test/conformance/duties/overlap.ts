/** Two passwords of one user are valid: the one that was kept, and the new one. */
import { expect, test } from '@jest/globals';
import type { Secret } from '../../../shared/core/secret.ts';
import type { Overlap, Session } from '../../../shared/database/engine.ts';
import { type Bench, failure, testNone } from '../bench.ts';
import { newPassword } from '../unique.ts';

export function overlap(bench: Bench): void {
  const capability = bench.engine.overlap(bench.subject.engineKey);
  if ('unsupported' in capability) testNone('a second password', { none: capability.unsupported });
  else testOverlap(bench, capability);
}

function testOverlap(bench: Bench, overlap: Overlap<Session>): void {
  const { engine, subject } = bench;

  const keeping = (session: Session, keep: Secret, to: Secret) =>
    engine.exclusively(session, session.account, () => overlap.changeKeeping(session, keep, to));

  test('is added: the old one stays valid until the next', async () => {
    await using user = await bench.user();
    await subject.allowSecondPassword(user.username);
    await using own = await bench.session(user);
    const [first, second] = [newPassword(), newPassword()];

    expect(await keeping(own, user.password, first)).toBe('set');
    expect(await bench.outcome(user, user.password)).toBe('accepted');
    expect(await bench.outcome(user, first)).toBe('accepted');

    expect(await keeping(own, first, second)).toBe('set');
    expect(await bench.outcome(user, user.password)).toBe('refused');
    expect(await bench.outcome(user, first)).toBe('accepted');
    expect(await bench.outcome(user, second)).toBe('accepted');
  });

  test('is in conflict if what is to be kept is primary no more, and both stay', async () => {
    await using user = await bench.user();
    await subject.allowSecondPassword(user.username);
    await using own = await bench.session(user);
    const [others, ours] = [newPassword(), newPassword()];
    await keeping(own, user.password, others);

    expect(await keeping(own, user.password, ours)).toBe('conflict');

    expect(await bench.outcome(user, user.password)).toBe('accepted');
    expect(await bench.outcome(user, others)).toBe('accepted');
    expect(await bench.outcome(user, ours)).toBe('refused');
  });

  test('leaves the kept one primary when it is anchored again', async () => {
    await using user = await bench.user();
    await subject.allowSecondPassword(user.username);
    await using own = await bench.session(user);
    const [abandoned, to] = [newPassword(), newPassword()];
    await keeping(own, user.password, abandoned);

    await engine.exclusively(own, own.account, () => overlap.reanchor(own, user.password));

    // The secondary one stays, so what was primary is gone.
    expect(await bench.outcome(user, user.password)).toBe('accepted');
    expect(await bench.outcome(user, abandoned)).toBe('refused');
    expect(await keeping(own, user.password, to)).toBe('set');
    expect(await bench.outcome(user, user.password)).toBe('accepted');
    expect(await bench.outcome(user, to)).toBe('accepted');
    expect(await bench.outcome(user, abandoned)).toBe('refused');
  });

  test('is not added by a user that may not, and the error says what is missing; the old one stays', async () => {
    await using user = await bench.user();
    await using own = await bench.session(user);
    const to = newPassword();

    const error = await failure(keeping(own, user.password, to));

    expect(error).toMatchObject({ name: 'PrivilegeError', layer: 'privilege', code: subject.missingRight });
    expect(error.message).toContain('GRANT');
    expect(error.message).toContain(user.username);
    await bench.expectUnchanged(user, to);
  });
}
