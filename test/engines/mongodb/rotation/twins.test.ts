/** Two users that take turns on MongoDB, with the built function: what it costs, and what stays valid. */
import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { countLogins } from '../../../rotation/logins.ts';
import { Rotating, type RotatingOptions } from '../../../rotation/rotating.ts';
import { describeServers } from '../../../servers.ts';

const OPTIONS = { admin: { madeTheUser: true } } satisfies RotatingOptions;

/** Whether users have customData, where the mark is: by what is left of it. */
async function hasMarks(rotating: Rotating): Promise<boolean> {
  const user = JSON.stringify(`marked_${randomUUID()}`);
  try {
    await rotating.sql(`db.createUser({ user: ${user}, pwd: ${user}, roles: [], customData: { kept: true } })`);
    const [answer] = await rotating.sql(`db.runCommand({ usersInfo: ${user} })`);
    return JSON.stringify(answer).includes('"kept":true');
  } catch {
    return false;
  } finally {
    await rotating.sql(`db.dropUser(${user})`).catch(() => {});
  }
}

describeServers('mongodb', 'alternating users', (server) => {
  test('make 13 calls and 4 logins, none of them failed; one more each where a login has to prove whose the twin is', async () => {
    await using logins = await countLogins(server);
    const { endpoint } = logins;
    await using rotating = await Rotating.on(server, {
      admin: { ...OPTIONS.admin, secret: endpoint },
      secret: endpoint,
    });
    const { user, twin, admin } = rotating;
    const proofs = (await hasMarks(rotating)) ? 0 : 1;
    const counted = async () => ({
      calls: rotating.calls.length,
      user: await logins.of(user),
      twin: await logins.of(twin),
      admin: await logins.of(admin),
    });

    await rotating.rotate();
    expect(await counted()).toEqual({
      calls: 13,
      user: { accepted: 1, failed: 0 },
      twin: { accepted: 2, failed: 0 },
      admin: { accepted: 1, failed: 0 },
    });
    expect(rotating.value()['username']).toBe(twin);

    await rotating.rotate();
    expect(await counted()).toEqual({
      calls: 26 + proofs,
      user: { accepted: 1 + 2 + proofs, failed: 0 },
      twin: { accepted: 2 + 1, failed: 0 },
      admin: { accepted: 2, failed: 0 },
    });
    expect(rotating.value()['username']).toBe(user);
  });

  test('keep the old credentials valid until the next rotation', async () => {
    await using rotating = await Rotating.on(server, OPTIONS);
    const [first, { user, twin }] = [rotating.password(), rotating];
    await rotating.expectRotated(twin);
    expect(await rotating.logsIn(first, user)).toBe(true);
    await rotating.expectRotated(user);
    expect(await rotating.logsIn(first, user)).toBe(false);
  });

  test.each([
    ['written out', { authSource: 'admin' }, {}],
    ['left out', {}, { authSource: 'admin' }],
  ])('know their passwords of before when "authSource" is %s from now on', async (_, now, before) => {
    await using rotating = await Rotating.on(server, { ...OPTIONS, secret: before });
    await rotating.expectRotated(rotating.twin);
    await rotating.expectRotated(rotating.user);
    rotating.edit({ authSource: undefined, ...now });
    await rotating.expectRotated(rotating.twin);
  });
});
