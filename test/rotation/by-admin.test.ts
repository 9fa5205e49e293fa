/** An admin that sets the password of one user, on real servers with the built function. */

import { expect, test } from '@jest/globals';
import { engines } from '../engines/engines.ts';
import { engineNames } from '../engines/servers.ts';
import { describeServers, testWithLog } from '../servers.ts';
import { countLogins } from './logins.ts';
import { proxy } from './proxy.ts';
import { newPassword, Rotating, type RotatingOptions } from './rotating.ts';

const BY_ADMIN = {
  admin: { madeTheUser: true },
  environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
} satisfies RotatingOptions;

/** The same at another address, as both secrets have it. */
function through({ endpoint: secret }: { endpoint: { host: string; port: number } }): RotatingOptions {
  return { ...BY_ADMIN, admin: { ...BY_ADMIN.admin, secret }, secret };
}

for (const engine of engineNames)
  describeServers(engine, 'single user by admin', (server) => {
    const { rotation } = engines[engine];

    testWithLog(server)('makes 13 calls to Secrets Manager, 4 logins and no failed one', async () => {
      await using logins = await countLogins(server);
      await using rotating = await Rotating.on(server, through(logins));
      const before = rotating.password();

      const { token } = await rotating.rotate();

      expect(await logins.of(rotating.user)).toEqual({ accepted: 3, failed: 0 });
      expect(await logins.of(rotating.admin)).toEqual({ accepted: 1, failed: 0 });
      await rotating.expectComplete(token);
      expect(rotating.calls).toEqual([
        ...['DescribeSecret', 'GetSecretValue', 'GetSecretValue', 'GetSecretValue', 'PutSecretValue'],
        ...['DescribeSecret', 'GetSecretValue', 'GetSecretValue', 'GetSecretValue', 'DescribeSecret'],
        'GetSecretValue',
        ...['GetSecretValue', 'UpdateSecretVersionStage'],
      ]);
      expect(await rotating.logsIn(before)).toBe(false);
    });

    test('is what the tag says, over the function’s default', async () => {
      await using rotating = await Rotating.on(server, {
        ...BY_ADMIN,
        environment: { ADMIN_MAY_SET_PASSWORDS: 'true' },
        tags: { 'rotation-strategy': 'single-user-by-admin' },
      });
      await rotating.setPassword(newPassword());
      await rotating.expectRotated();
      expect(rotating.logged).toContainEqual(
        expect.objectContaining({ step: 'setSecret', strategy: 'single-user-by-admin', outcome: 'done' }),
      );
    });

    test('works where no known password does: a person set another', async () => {
      await using rotating = await Rotating.on(server, BY_ADMIN);
      await rotating.rotate();
      await rotating.setPassword(newPassword());
      await rotating.expectRotated();
    });

    test('killed after the change and before its answer: the next attempt finishes without a person', async () => {
      const state: { committing?: boolean; kill?: (() => void) | undefined } = {};
      await using between = await proxy(server, (from, bytes) => {
        if (from === 'client' && bytes.includes(rotation.changeByAdmin)) state.committing = true;
        if (from === 'client' || !state.committing) return;
        state.kill?.();
        delete state.kill;
      });
      await using rotating = await Rotating.on(server, through(between));
      state.kill = () => rotating.processes.at(-1)?.kill();
      const before = rotating.password();

      const { attempts, token } = await rotating.rotate({
        attempts: 2,
        onStep: {
          after: async (step, attempt) => {
            if (step === 'setSecret' && attempt === 1) expect(await rotating.logsIn(before)).toBe(false);
          },
        },
      });

      expect(attempts[0]?.steps.at(-1)).toMatchObject({ step: 'setSecret', outcome: 'crash' });
      await rotating.expectComplete(token);
    });

    test('twice at once: both end well', async () => {
      await using rotating = await Rotating.on(server, BY_ADMIN);
      const token = rotating.begin();
      await rotating.step('createSecret', token);
      const both = await Promise.all([rotating.step('setSecret', token), rotating.step('setSecret', token)]);
      const outcomes = both.map(({ outcome }) => outcome);
      if (rotation.hasLock) expect(outcomes).toEqual(['success', 'success']);
      else expect(outcomes).toContain('success'); // the server may fail one of them
      await rotating.expectRotated();
    });

    testWithLog(server)(
      'with AWSCURRENT edited after the change: the admin makes AWSCURRENT true again, and the next rotation is whole',
      async () => {
        await using logins = await countLogins(server);
        await using rotating = await Rotating.on(server, through(logins));
        const { error, token } = await rotating.rotate({
          attempts: 2,
          onStep: {
            after: (step, attempt) => step === 'setSecret' && attempt === 1 && rotating.edit({ note: 'edited' }),
          },
        });

        expect(error).toMatch(/PendingGivenUpError.*differs from AWSCURRENT in "note"/);
        expect(rotating.labels[token]).toBeUndefined();
        expect(await rotating.logsIn(rotating.password())).toBe(true);
        expect((await logins.of(rotating.admin)).accepted).toBe(2);
        await rotating.expectRotated();
        expect(rotating.value()).toMatchObject({ note: 'edited' });
      },
    );
  });

describeServers('postgres', 'single user by admin', (server) => {
  test('of a password that the server refuses takes the label off, and names the user and the policy', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    // passwordcheck refuses a verifier of the user's own name.
    await rotating.sql(`ALTER ROLE ${rotating.admin} SET session_preload_libraries = 'passwordcheck'`);
    const token = rotating.begin();
    rotating.putPending(token, JSON.stringify({ ...rotating.value(), password: rotating.user }));

    const { error } = await rotating.rotate();

    expect(error).toMatch(
      new RegExp(
        `PasswordPolicyError: .*refuses the new password of user "${rotating.user}".*AWSPENDING was taken off`,
      ),
    );
    expect(rotating.labels[token]).toBeUndefined();
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    await rotating.expectRotated();
  });
});

describeServers('postgres', 'single user by admin is refused before anything is stored', (server) => {
  test.each<[string, RotatingOptions, string, RegExp]>([
    [
      'without the deployer’s leave',
      { ...BY_ADMIN, environment: { DEFAULT_STRATEGY: 'single-user-by-admin' } },
      'ConfigurationError',
      /ADMIN_MAY_SET_PASSWORDS does not allow/,
    ],
    [
      'without the deployer’s leave, by tag',
      { ...BY_ADMIN, environment: {}, tags: { 'rotation-strategy': 'single-user-by-admin' } },
      'ConfigurationError',
      /ADMIN_MAY_SET_PASSWORDS does not allow/,
    ],
    [
      'without masterarn',
      { ...BY_ADMIN, secret: { masterarn: undefined } },
      'AdminSecretError',
      /The secret has no "masterarn"/,
    ],
  ])('%s', async (_, options, errorType, words) => {
    await using rotating = await Rotating.on(server, options);
    await rotating.expectRefused(errorType, words, { step: 'createSecret', attempts: 2 });
    expect(await rotating.logsIn(rotating.password())).toBe(true);
  });

  test('for the admin itself', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    rotating.edit({ username: rotating.admin });
    await rotating.expectRefused(
      'AdminSecretError',
      new RegExp(`The user "${rotating.admin}" is the admin of the secret's "masterarn" itself`),
      { step: 'createSecret', attempts: 2 },
    );
  });
});

describeServers('postgres', 'single user by admin touches no password', (server) => {
  test.each([
    ['is superuser', 'ALTER ROLE $user SUPERUSER', /has SUPERUSER/],
    ['has CREATEROLE', 'ALTER ROLE $user CREATEROLE', /has CREATEROLE/],
    ['has REPLICATION', 'ALTER ROLE $user REPLICATION', /has REPLICATION/],
    ['has BYPASSRLS', 'ALTER ROLE $user BYPASSRLS', /has BYPASSRLS/],
    [
      'can set a role with CREATEROLE, by way of another',
      'CREATE ROLE $user_boss CREATEROLE; CREATE ROLE $user_clerk; GRANT $user_boss TO $user_clerk; ALTER ROLE $user NOINHERIT; GRANT $user_clerk TO $user',
      /is a member of "\w+_boss", which has CREATEROLE/,
    ],
    [
      'can run programs on the server',
      'GRANT pg_execute_server_program TO $user',
      /is a member of "pg_execute_server_program", which has rights beyond the database/,
    ],
  ])('of a user who %s, and names the reason', async (_, statements, words) => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    await rotating.sql(statements.replaceAll('$user', rotating.user));
    // With a password that nobody knows, as a confused deputy would have it.
    await rotating.setPassword(newPassword());
    await rotating.expectRefused('PrivilegeError', words, { step: 'setSecret', attempts: 2 });
    await rotating.sql(`DROP ROLE IF EXISTS ${rotating.user}_boss, ${rotating.user}_clerk`);
  });

  test('of a user who is another secret’s twin', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    const mark = (secret: string) =>
      rotating.sql(`COMMENT ON ROLE ${rotating.user} IS 'secret-rotation: {"secret":"${secret}","base":"x"}'`);
    await mark('arn:other');
    await rotating.expectRefused('ForeignUserError', /is in the hands of another secret, arn:other/, {
      step: 'setSecret',
      attempts: 2,
    });
    await mark(rotating.arn);
    await rotating.expectRotated();
  });

  test('of a user who is the base of another secret’s twin', async () => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    await rotating.sql(
      `CREATE ROLE ${rotating.twin}; GRANT ${rotating.user} TO ${rotating.twin};
       COMMENT ON ROLE ${rotating.twin} IS 'secret-rotation: {"secret":"arn:other","base":"${rotating.user}"}'`,
    );
    await rotating.expectRefused('ForeignUserError', /is in the hands of another secret, arn:other/, {
      step: 'setSecret',
      attempts: 2,
    });
  });

  test('of a user who does not exist, and goes on once it does', async () => {
    await using rotating = await Rotating.on(server, { ...BY_ADMIN, withoutUser: true });
    await rotating.expectRefused(
      'LoginRefusedError',
      new RegExp(`There is no user "${rotating.user}" at ${server.host}: make it first`),
      { step: 'setSecret', attempts: 2 },
    );
    await rotating.sql(`SET ROLE ${rotating.admin}; CREATE ROLE ${rotating.user} LOGIN`);
    await rotating.expectRotated();
  });

  test.each([
    ['has no LOGIN', 'NOLOGIN', 'LOGIN', /has no LOGIN/],
    [
      'has expired',
      "VALID UNTIL '2020-01-01'",
      "VALID UNTIL 'infinity'",
      /has expired \(VALID UNTIL\); no password was set/,
    ],
  ])(
    'of a user who %s, which it does not lift: neither where AWSCURRENT is right nor where it is not',
    async (_, bar, lift, words) => {
      await using rotating = await Rotating.on(server, BY_ADMIN);
      await rotating.sql(`ALTER ROLE ${rotating.user} ${bar}`);
      await rotating.expectRefused('LoginBarredError', words, { step: 'setSecret', attempts: 2 });
      await rotating.sql(`ALTER ROLE ${rotating.user} ${lift}`);
      expect(await rotating.logsIn(rotating.password())).toBe(true);

      await rotating.sql(`ALTER ROLE ${rotating.user} ${bar}`);
      await rotating.setPassword(newPassword());
      await rotating.expectRefused('LoginBarredError', words, { step: 'setSecret', attempts: 2 });
      await rotating.sql(`ALTER ROLE ${rotating.user} ${lift}`);
      await rotating.expectRotated();
    },
  );

  test('of a user that the admin may not change, and says what a superuser has to run', async () => {
    await using rotating = await Rotating.on(server, { ...BY_ADMIN, admin: { madeTheUser: false } });
    await rotating.sql(`ALTER ROLE ${rotating.admin} NOCREATEROLE`);
    await rotating.expectRefused(
      'PrivilegeError',
      new RegExp(
        `The admin "${rotating.admin}" .*may not set the password of "${rotating.user}".*A superuser has to run: `,
      ),
      { step: 'setSecret', attempts: 2 },
    );
  });
});
