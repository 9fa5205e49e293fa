/** A twin gets the rights of its base and nothing more, by the server's own judgement, and its password last. */
import { expect, test } from '@jest/globals';
import type { Secret } from '../../../shared/core/secret.ts';
import type { Credential, Difference, Pair, Session, Twins } from '../../../shared/database/engine.ts';
import { type Bench, failure, testNone, type User } from '../bench.ts';
import { type Granted, isNone, type Right } from '../subject.ts';
import { newPassword } from '../unique.ts';

type Paired = {
  admin: Session;
  asAdmin: Credential;
  base: User;
  pair: Pair;
  asTwin: { username: string };
} & AsyncDisposable;

export function twins(bench: Bench): void {
  const capability = bench.engine.twins(bench.subject.engineKey);
  if ('unsupported' in capability) testNone('a twin', { none: capability.unsupported });
  else testTwins(bench, capability);
}

function testTwins(bench: Bench, twins: Twins<Session>): void {
  const { engine, subject, users } = bench;

  /** A base that the admin made, and the admin's session; no twin yet. */
  async function pairOf(): Promise<Paired> {
    await using cleanUp = new AsyncDisposableStack();
    const adminUser = cleanUp.use(await bench.admin());
    const base = cleanUp.use(await bench.userOf(adminUser));
    const admin = cleanUp.use(await bench.session(adminUser));
    const { realm } = subject;
    const username = `${base.username}_clone`;
    cleanUp.defer(() => users.dropUser(username));
    const made = cleanUp.move();
    return {
      admin,
      asAdmin: adminUser,
      base,
      pair: { base: { username: base.username, realm }, twin: { username, realm }, owner: `arn:${base.username}` },
      asTwin: { username },
      [Symbol.asyncDispose]: () => made.disposeAsync(),
    };
  }

  /** Inside `exclusively` for the base, as all that changes a pair is. */
  const alone = <T>({ admin, pair }: Paired, work: () => Promise<T>) =>
    engine.exclusively(admin, pair.base, () => work());

  const seen = async (session: Session, pair: Pair): Promise<readonly Difference[]> => {
    const differences = await twins.differences(session, pair);
    return differences === 'not visible' ? [] : differences;
  };

  /** All that differs, until nothing does. */
  async function converge({ admin, pair }: Paired): Promise<void> {
    for (let round = 0; round < 3; round++) {
      const differences = await seen(admin, pair);
      if (differences.length === 0) return;
      for (const difference of differences) await twins.apply(admin, pair, difference);
    }
    expect(await twins.differences(admin, pair)).toEqual([]);
  }

  async function makeTwin(paired: Paired, to: Secret): Promise<void> {
    await alone(paired, async () => {
      expect(await twins.create(paired.admin, paired.pair, to)).toBe('created');
      await converge(paired);
      await twins.enable(paired.admin, paired.pair, 'twin', to);
    });
  }

  const { locksNewTwins, right, missingRight } = subject;
  if (isNone(locksNewTwins)) testNone('a new twin that cannot log in', locksNewTwins);
  else
    test('is made unable to log in', async () => {
      await using paired = await pairOf();
      const to = newPassword();

      await alone(paired, () => twins.create(paired.admin, paired.pair, to));

      expect(await bench.outcome(paired.asTwin, to)).not.toBe('accepted');
    });

  test('is made, and is the secret’s own', async () => {
    await using paired = await pairOf();
    const to = newPassword();

    expect(await alone(paired, () => twins.create(paired.admin, paired.pair, to))).toBe('created');

    const state = await twins.state(paired.admin, paired.pair);
    expect(state.base).toBeDefined();
    expect(state.twin?.owner ?? paired.pair.owner).toBe(paired.pair.owner);
    await bench.expectUnchanged(paired.base, to);
  });

  test('is in conflict with a user of that name, whose password stays', async () => {
    await using paired = await pairOf();
    await using stranger = await bench.user({ username: paired.asTwin.username });
    const to = newPassword();

    expect(await alone(paired, () => twins.create(paired.admin, paired.pair, to))).toBe('conflict');

    await bench.expectUnchanged(stranger, to);
  });

  test('logs in when it is enabled, and nothing differs; the base is as it was', async () => {
    await using paired = await pairOf();
    const { base, pair, asTwin } = paired;
    const to = newPassword();

    await makeTwin(paired, to);

    expect(await bench.outcome(asTwin, to)).toBe('accepted');
    await bench.expectUnchanged(base, to);
    expect(await twins.differences(paired.admin, pair)).toEqual([]);
    await using own = await bench.session({ ...asTwin, password: to });
    expect(await seen(own, pair)).toEqual([]);
  });

  if (isNone(right)) testNone('rights that a twin has to share', right);
  else testRights(right);

  test('keeps its own password when the base gets one, and the other way round', async () => {
    await using paired = await pairOf();
    const { admin, pair, base, asTwin } = paired;
    const [ofTwin, ofBase] = [newPassword(), newPassword()];
    await makeTwin(paired, ofTwin);

    await alone(paired, () => twins.enable(admin, pair, 'base', ofBase));

    await bench.expectChanged(base, ofBase);
    expect(await bench.outcome(asTwin, ofTwin)).toBe('accepted');
    expect(await bench.outcome(asTwin, ofBase)).toBe('refused');
  });

  test('that was there already is marked as the secret’s by adoption and by the statement for people, where there is a place for it', async () => {
    for (const by of ['statement', 'admin']) {
      await using paired = await pairOf();
      const { admin, pair, asAdmin, asTwin } = paired;
      await using stranger = await bench.userOf(asAdmin, asTwin);
      const owner = async () => (await twins.state(admin, pair)).twin?.owner;
      expect(await owner()).toBeUndefined();
      const adoption = twins.adoption(admin, pair);

      if (by === 'admin')
        await alone(paired, async () => {
          await twins.adopt(admin, pair);
          await converge(paired);
        });
      else if (typeof adoption === 'string') await users.run(adoption);

      expect(await owner()).toBe(typeof adoption === 'string' ? pair.owner : undefined);
      await bench.expectUnchanged(stranger, newPassword());
    }
  });

  if (isNone(missingRight)) testNone('somebody who may not make it', missingRight);
  else
    test('needs an admin, or the error names what is missing', async () => {
      await using paired = await pairOf();
      await using nobody = await bench.user();
      await using session = await bench.session(nobody);
      const to = newPassword();

      const error = await failure(
        engine.exclusively(session, paired.pair.base, () => twins.create(session, paired.pair, to)),
      );

      expect(error).toMatchObject({ name: 'PrivilegeError', layer: 'privilege', user: nobody.username });
      expect(await bench.outcome(paired.asTwin, to)).toBe('refused');
    });

  function testRights(right: Right): void {
    const held = (as: Credential, granted: Granted) =>
      right.has({ username: as.username, password: as.password.reveal() }, granted);

    test('has the base’s rights', async () => {
      await using paired = await pairOf();
      const { base, pair, asTwin } = paired;
      const granted = await right.grant(base.username);
      try {
        const to = newPassword();
        await makeTwin(paired, to);

        const twin = { ...asTwin, password: to };
        expect(await held(twin, granted)).toBe(true);
        expect(await held(base, granted)).toBe(true);
        expect(await twins.differences(paired.admin, pair)).toEqual([]);
        await using own = await bench.session(twin);
        expect(await seen(own, pair)).toEqual([]);
      } finally {
        await granted.drop();
      }
    });

    test('follows what is granted to the base and revoked from it later', async () => {
      await using paired = await pairOf();
      const { base, asTwin } = paired;
      const to = newPassword();
      const twin = { ...asTwin, password: to };
      await makeTwin(paired, to);

      const granted = await right.grant(base.username);
      try {
        await alone(paired, () => converge(paired));
        expect(await held(twin, granted)).toBe(true);
        await granted.revoke();
        await alone(paired, () => converge(paired));
        expect(await held(twin, granted)).toBe(false);
        expect(await held(base, granted)).toBe(false);
      } finally {
        await granted.drop();
      }
    });

    test('that has more than its base is found to differ, with what a person may choose to do', async () => {
      await using paired = await pairOf();
      const { admin, pair, asTwin } = paired;
      const to = newPassword();
      await makeTwin(paired, to);
      const granted = await right.grant(asTwin.username);
      try {
        const more = (await seen(admin, pair)).filter(({ kind }) => kind === 'more');

        expect(more).toHaveLength(1);
        expect(more[0]?.remedies.join()).toContain(asTwin.username);
        // Looking at it changes nothing.
        expect((await seen(admin, pair)).map(({ what }) => what)).toContain(more[0]?.what);
      } finally {
        await granted.drop();
      }
    });
  }
}
