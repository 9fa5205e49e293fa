/** If any version of the secret has a password that logs in, the next rotations converge, whatever came before. */
import { expect, test } from '@jest/globals';
import { enginesWithTwins } from '../engines/engines.ts';
import { engineNames } from '../engines/servers.ts';
import { describeServers } from '../servers.ts';
import { Rotating } from './rotating.ts';

const PAIR = { admin: { madeTheUser: true } };

for (const engine of enginesWithTwins)
  describeServers(engine, 'alternating users, AWSCURRENT is refused', (server) => {
    test('after a failover that lost its last change: the next rotation goes through', async () => {
      await using rotating = await Rotating.on(server, PAIR);
      await rotating.expectRotated(rotating.twin);
      const lost = rotating.password();
      await rotating.expectRotated(rotating.user);
      await rotating.expectRotated(rotating.twin);
      await rotating.setPassword(lost, rotating.twin);
      expect(await rotating.logsIn(rotating.password(), rotating.twin)).toBe(false);

      await rotating.expectRotated(rotating.user);
      await rotating.expectRotated(rotating.twin);
    });

    test('after a failover that lost the twin: the base is active again, and then a new twin', async () => {
      await using rotating = await Rotating.on(server, PAIR);
      await rotating.expectRotated(rotating.twin);
      await rotating.dropUser(rotating.twin);

      await rotating.expectRotated(rotating.user);
      await rotating.expectRotated(rotating.twin);
    });

    test('as a person wrote a wrong password into it', async () => {
      await using rotating = await Rotating.on(server, PAIR);
      await rotating.expectRotated(rotating.twin);
      rotating.edit({ password: 'a wrong one' });
      await rotating.expectRotated(rotating.user);
    });

    test('and the pending version no longer fits it: that is given up, and the next rotation goes through', async () => {
      await using rotating = await Rotating.on(server, PAIR);
      await rotating.expectRotated(rotating.twin);
      const token = rotating.begin();
      await rotating.step('createSecret', token);
      rotating.edit({ password: 'a wrong one', note: 'edited' });
      expect((await rotating.rotate({ token })).error).toMatch(/PendingGivenUpError/);
      await rotating.expectRotated(rotating.user);
      expect(rotating.value()).toMatchObject({ note: 'edited' });
    });

    test('and nobody knows a password of its user: refused, and the twin is not touched', async () => {
      await using rotating = await Rotating.on(server, PAIR);
      const password = rotating.password();
      await rotating.setPassword('known to nobody');
      const { error } = await rotating.rotate();
      expect(error).toMatch(/setSecret: error, LoginRefusedError: .* The same holds for the other passwords/);
      expect(await rotating.logsIn('known to nobody')).toBe(true);
      expect(await rotating.logsIn(rotating.password('AWSPENDING'), rotating.twin)).toBe(false);
      await rotating.setPassword(password);
    });
  });

for (const engine of engineNames)
  describeServers(engine, 'single user', (server) => {
    test('AWSCURRENT’s host is written otherwise after setSecret: the rotations after it converge', async () => {
      await using rotating = await Rotating.on(server, { secret: { host: 'localhost' } });
      const token = rotating.begin();
      for (const step of ['createSecret', 'setSecret'])
        expect(await rotating.step(step, token)).toMatchObject({ outcome: 'success' });
      rotating.edit({ host: 'LOCALHOST' });
      expect(await rotating.logsIn(rotating.password())).toBe(false);

      expect((await rotating.rotate({ token })).error).toMatch(/PendingGivenUpError/);
      expect(await rotating.logsIn(rotating.password())).toBe(true);
      await rotating.expectRotated();
    });
  });

describeServers('postgres', 'single user', (server) => {
  test('the live password lies behind versions that never reached the database: further attempts find it', async () => {
    await using rotating = await Rotating.on(server);
    const live = rotating.begin();
    for (const step of ['createSecret', 'setSecret']) await rotating.step(step, live);
    rotating.takePendingOff(live);
    for (let dead = 0; dead < 5; dead++) {
      const token = rotating.begin();
      await rotating.step('createSecret', token);
      rotating.takePendingOff(token);
    }
    const { succeeded, attempts, token } = await rotating.rotate({ attempts: 5 });
    expect(succeeded).toBe(true);
    expect(attempts.length).toBeLessThanOrEqual(4);
    await rotating.expectComplete(token);
  });

  test('a version that names another server is not tried, and named', async () => {
    await using rotating = await Rotating.on(server);
    const { host } = rotating.value();
    const password = rotating.password();
    await rotating.setPassword('known to nobody');
    rotating.edit({ password: 'a wrong one', host: host === 'localhost' ? '127.0.0.1' : 'localhost' });
    await rotating.expectRefused('LoginRefusedError', `name another server were not tried: ${host}.`);
    await rotating.setPassword(password);
  });
});
