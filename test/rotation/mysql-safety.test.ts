/** What an admin must not be led to do on MySQL and MariaDB. On real servers with the built function. */

import { expect, test } from '@jest/globals';
import { describeServers } from '../servers.ts';
import { quoted } from './mysql-account.ts';
import { newPassword, Rotating, type RotatingOptions } from './rotating.ts';

const BY_ADMIN = {
  admin: { madeTheUser: true },
  environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
} satisfies RotatingOptions;

async function expectRefusal(rotating: Rotating, errorType: string, words: string): Promise<void> {
  const before = rotating.value();
  const { attempts, succeeded } = await rotating.rotate();
  expect(succeeded).toBe(false);
  expect(attempts[0]?.steps.at(-1)?.error).toMatchObject({ errorType, errorMessage: expect.stringContaining(words) });
  expect(rotating.value()).toEqual(before);
}

describeServers('mysql', 'single user by admin', (server) => {
  test('sees what a role holds, also where the roles in it hold less', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    const [user, outer] = [quoted(rotating.user), `r${rotating.user.slice(-8)}`];
    const inner = `${outer}_inner`;
    for (const role of [outer, inner]) await rotating.sql(`CREATE ROLE ${role}`);
    try {
      await rotating.sql(`GRANT CREATE USER ON *.* TO ${outer}`);
      await rotating.sql(`GRANT ${inner} TO ${outer}`);
      await rotating.sql(`GRANT ${outer} TO ${user}`);
      await rotating.setPassword(newPassword());
      await expectRefusal(rotating, 'PrivilegeError', 'which holds CREATE USER on *.*');
    } finally {
      for (const role of [outer, inner]) await rotating.sql(`DROP ROLE ${role}`);
    }
  });
});
