/** A person who acts while setSecret is at work: between its last look at the labels and the change in the database. */
import { setTimeout } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { HookCall } from '../../local/secrets-manager/server.ts';
import { enginesWithTwins } from '../engines/engines.ts';
import { engineNames } from '../engines/servers.ts';
import { describeServers } from '../servers.ts';
import { Rotating, type RotatingOptions } from './rotating.ts';

const BY_ADMIN: RotatingOptions = {
  admin: { madeTheUser: true },
  environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
};

/** Acts before setSecret looks at the labels again after the change, which shows by a login with the pending password. */
function afterTheChange(rotating: Rotating, act: () => void | Promise<void>): void {
  const { username, password } = rotating.value('AWSPENDING');
  let isDone = false;
  rotating.manager.hooks = {
    before: async ({ operation }: HookCall) => {
      if (isDone || operation !== 'DescribeSecret') return undefined;
      if (!(await rotating.logsIn(String(password), String(username)))) return undefined;
      isDone = true;
      await act();
      return undefined;
    },
  };
}

for (const engine of engineNames)
  describeServers(engine, 'AWSPENDING is taken off while setSecret changes the password', (server) => {
    test.each<[string, RotatingOptions]>([
      ['single user', {}],
      ['single user by admin', BY_ADMIN],
    ])('%s: AWSCURRENT’s is set again, and the next rotation goes through', async (_, options) => {
      await using rotating = await Rotating.on(server, options);
      const before = rotating.value();
      const token = rotating.begin();
      await rotating.step('createSecret', token);
      const pending = rotating.password('AWSPENDING');
      afterTheChange(rotating, () => {
        rotating.manager.store.cancelRotateSecret({ SecretId: 'app' });
        rotating.takePendingOff(token);
      });

      const { error } = await rotating.step('setSecret', token);

      expect(error).toMatchObject({
        errorType: 'TokenNotPendingError',
        errorMessage: expect.stringMatching(
          /AWSPENDING was taken off .* The password of AWSCURRENT was set again; AWSCURRENT works/,
        ),
      });
      expect(rotating.value()).toEqual(before);
      expect(await rotating.logsIn(rotating.password())).toBe(true);
      expect(await rotating.logsIn(pending)).toBe(false);
      rotating.manager.hooks = {};
      await rotating.expectRotated();
    });

    test.each<[string, RotatingOptions]>([
      ['single user', {}],
      ['single user by admin', BY_ADMIN],
    ])('%s: a password that a newer rotation has set since is left alone', async (_, options) => {
      await using rotating = await Rotating.on(server, options);
      const token = rotating.begin();
      await rotating.step('createSecret', token);
      afterTheChange(rotating, async () => {
        rotating.takePendingOff(token);
        await rotating.setPassword('by a newer rotation');
      });

      const { error } = await rotating.step('setSecret', token);

      expect(error).toMatchObject({
        errorType: 'TokenNotPendingError',
        errorMessage: expect.stringMatching(/Another rotation, or a person, has set another password since/),
      });
      expect(await rotating.logsIn('by a newer rotation')).toBe(true);
    });

    test('and another attempt promoted it: nothing is undone', async () => {
      await using rotating = await Rotating.on(server);
      const token = rotating.begin();
      await rotating.step('createSecret', token);
      afterTheChange(rotating, () => rotating.moveCurrent(token));
      expect(await rotating.step('setSecret', token)).toMatchObject({ outcome: 'success' });
      expect(await rotating.logsIn(rotating.password())).toBe(true);
    });
  });

for (const engine of enginesWithTwins)
  describeServers(
    engine,
    'alternating users, AWSCURRENT is moved back while setSecret changes the password',
    (server) => {
      test('of the user that it then names: that one’s is set again', async () => {
        await using rotating = await Rotating.on(server, { admin: { madeTheUser: true } });
        const [first] = Object.keys(rotating.labels);
        await rotating.expectRotated(rotating.twin);
        const token = rotating.begin();
        await rotating.step('createSecret', token);
        afterTheChange(rotating, () => rotating.moveCurrent(String(first)));

        const { error } = await rotating.step('setSecret', token);

        expect(error).toMatchObject({ errorType: 'TokenNotPendingError' });
        expect(rotating.value()['username']).toBe(rotating.user);
        expect(await rotating.logsIn(rotating.password())).toBe(true);
      });
    },
  );

describeServers('postgres', 'a change that waits for a lock', (server) => {
  test('while a person sees AWSCURRENT log in, cancels, and takes AWSPENDING off: AWSCURRENT works in the end', async () => {
    await using rotating = await Rotating.on(server);
    const token = rotating.begin();
    await rotating.step('createSecret', token);
    const holder = rotating.sql(
      `DO $$ BEGIN ALTER ROLE ${rotating.user} CONNECTION LIMIT 50; PERFORM pg_sleep(3); RAISE EXCEPTION 'rolled back'; END $$`,
    );

    const set = rotating.step('setSecret', token);
    await setTimeout(2000);
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    rotating.takePendingOff(token);
    await expect(holder).rejects.toThrow('rolled back');

    expect((await set).error).toMatchObject({ errorType: 'TokenNotPendingError' });
    expect(await rotating.logsIn(rotating.password())).toBe(true);
  });
});
