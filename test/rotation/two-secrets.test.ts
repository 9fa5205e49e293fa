/** Two secrets on one user: where a mark says so, the second one is refused. */
import { expect, test } from '@jest/globals';
import { describeServers, testUnless } from '../servers.ts';
import { Rotating } from './rotating.ts';

for (const engine of ['postgres', 'mysql'] as const)
  describeServers(engine, 'a secret of a single user', (server) => {
    const why = server.row.startsWith('mariadb') ? 'MariaDB has no place for a mark' : undefined;
    testUnless(why)(
      'that names the active twin of another secret’s pair is refused, and that one works on',
      async () => {
        await using rotating = await Rotating.on(server, { admin: { madeTheUser: true } });
        await rotating.expectRotated(rotating.twin);
        rotating.makeOther({ masterarn: undefined, baseusername: undefined, alternateusername: undefined });

        expect(await rotating.rotateOther()).toMatchObject({
          errorType: 'ForeignUserError',
          errorMessage: expect.stringContaining(rotating.arn),
        });

        expect(await rotating.logsIn(rotating.password(), rotating.twin)).toBe(true);
        await rotating.expectRotated(rotating.user);
      },
    );
  });

describeServers('postgres', 'a secret of a single user', (server) => {
  test('that names the base of another secret’s pair is refused, too', async () => {
    await using rotating = await Rotating.on(server, { admin: { madeTheUser: true } });
    await rotating.expectRotated(rotating.twin);
    await rotating.expectRotated(rotating.user);
    rotating.makeOther({ masterarn: undefined, baseusername: undefined, alternateusername: undefined });
    expect(await rotating.rotateOther()).toMatchObject({ errorType: 'ForeignUserError' });
    expect(await rotating.logsIn(rotating.password())).toBe(true);
  });
});
