/** What can go wrong in createSecret, on a real server with the built function. */
import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { ServiceError } from '../../../local/secrets-manager/errors.ts';
import { describeServers } from '../../servers.ts';
import { Rotating } from '../rotating.ts';

describeServers('postgres', 'createSecret', (server) => {
  test('called again with the same token keeps the value that is there', async () => {
    await using rotating = await Rotating.on(server);
    const token = rotating.begin();
    expect(await rotating.step('createSecret', token)).toMatchObject({ outcome: 'success' });
    const first = rotating.password(token);

    expect(await rotating.step('createSecret', token)).toMatchObject({ outcome: 'success' });

    expect(rotating.password(token)).toBe(first);
  });

  test('called twice at once stores one value, and both calls are content with it', async () => {
    await using rotating = await Rotating.on(server);
    const token = rotating.begin();
    // Both have looked for a pending value before either stores one.
    const bothLooked = Promise.withResolvers<void>();
    let puts = 0;
    rotating.manager.hooks = {
      before: async ({ operation }) => {
        if (operation === 'PutSecretValue' && ++puts === 2) bothLooked.resolve();
        if (operation === 'PutSecretValue') await bothLooked.promise;
        return undefined;
      },
    };

    const results = await Promise.all([rotating.step('createSecret', token), rotating.step('createSecret', token)]);

    expect(results.map(({ outcome }) => outcome)).toEqual(['success', 'success']);
    expect(rotating.manager.calls.filter(({ error }) => error === 'ResourceExistsException')).toHaveLength(1);
    await rotating.expectRotated();
  });

  test('whose stored value is answered by silence goes on with that value', async () => {
    await using rotating = await Rotating.on(server);
    const token = rotating.begin();
    rotating.manager.hooks = {
      after: ({ operation }) => (operation === 'PutSecretValue' ? 'no answer' : undefined),
    };
    expect(await rotating.step('createSecret', token)).toMatchObject({
      outcome: 'error',
      error: { errorType: 'SecretsManagerError' },
    });
    const stored = rotating.password(token);
    rotating.manager.hooks = {};

    const { succeeded } = await rotating.rotate();

    expect(succeeded).toBe(true);
    await rotating.expectComplete(token);
    expect(rotating.password()).toBe(stored);
  });

  test('survives throttling, errors before and after the effect, and a lost answer of every call', async () => {
    await using rotating = await Rotating.on(server);
    for (const trouble of [
      { before: new ServiceError('ThrottlingException', 'Rate exceeded') },
      { before: new ServiceError('InternalServiceError', 'x', 500) },
      { after: new ServiceError('InternalServiceError', 'x', 500) },
      { after: 'no answer' as const },
    ]) {
      const struck = new Set<string>();
      const once = (answer: ServiceError | 'no answer' | undefined, operation: string) => {
        if (answer === undefined || struck.has(operation)) return undefined;
        struck.add(operation);
        return answer;
      };
      rotating.manager.hooks = {
        before: ({ operation }) => once(trouble.before, operation),
        after: ({ operation }) => once(trouble.after, operation),
      };
      const { succeeded, token } = await rotating.rotate();
      expect(succeeded).toBe(true);
      expect([...struck].sort()).toEqual([
        ...['DescribeSecret', 'GetSecretValue', 'PutSecretValue', 'UpdateSecretVersionStage'],
      ]);
      await rotating.expectComplete(token);
    }
  });

  test.each([
    ['no JSON', 'not json, but "p4ss'],
    ['without a key', '{"engine":"postgres","username":"u","password":"p"}'],
  ])('gives up a pending value that is %s; the next RotateSecret starts afresh', async (_, text) => {
    await using rotating = await Rotating.on(server);
    const token = rotating.begin();
    rotating.putPending(token, text);

    const given = await rotating.rotate();

    expect(given).toMatchObject({ succeeded: false, error: expect.stringMatching(/PendingGivenUpError/) });
    expect(rotating.labels[token]).toBeUndefined();
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    expect(rotating.output).not.toContain('p4ss');
    await rotating.expectRotated();
  });

  test('gives up a pending value that is no longer AWSCURRENT’s successor', async () => {
    await using rotating = await Rotating.on(server);
    const token = rotating.begin();
    await rotating.step('createSecret', token);
    rotating.edit({ note: 'added by a person' });

    const given = await rotating.rotate();

    expect(given.error).toMatch(/PendingGivenUpError.*differs from AWSCURRENT in "note"/);
    const { token: next } = await rotating.rotate();
    await rotating.expectComplete(next);
    expect(rotating.value()).toMatchObject({ note: 'added by a person' });
  });

  test('keeps a pending value that fits, whoever stored it: one of AWS’s function, when the ARN was changed', async () => {
    await using rotating = await Rotating.on(server);
    const token = rotating.begin();
    rotating.putPending(token, rotating.remember({ ...rotating.value(), password: 'made-by-another-function' }));

    const { succeeded } = await rotating.rotate();

    expect(succeeded).toBe(true);
    expect(rotating.password()).toBe('made-by-another-function');
    await rotating.expectComplete(token);
  });

  test('is waited for: a pending value that the next step cannot see at once', async () => {
    await using rotating = await Rotating.on(server);
    let hidden = 3;
    const { succeeded, token } = await rotating.rotate({
      onStep: {
        before: (step) => {
          if (step !== 'setSecret') return;
          rotating.manager.hooks = {
            before: ({ operation, request }) =>
              operation === 'GetSecretValue' && request['VersionId'] !== undefined && hidden-- > 0
                ? new ServiceError('ResourceNotFoundException', 'x')
                : undefined,
          };
        },
      },
    });
    expect(succeeded).toBe(true);
    expect(hidden).toBeLessThan(0);
    await rotating.expectComplete(token);
  });

  test('of a password that the server then refuses is taken back, the policy named', async () => {
    await using rotating = await Rotating.on(server);
    // passwordcheck refuses a verifier of the user's own name.
    await rotating.sql(`ALTER ROLE ${rotating.user} SET session_preload_libraries = 'passwordcheck'`);
    const token = rotating.begin();
    rotating.putPending(token, JSON.stringify({ ...rotating.value(), password: rotating.user }));

    const refused = await rotating.rotate();

    expect(refused.error).toMatch(/PasswordPolicyError/);
    expect(rotating.labels[token]).toBeUndefined();
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    await rotating.expectRotated();
  });

  test('of a password that the server refuses, and that cannot be taken back either, still names the policy', async () => {
    await using rotating = await Rotating.on(server);
    await rotating.sql(`ALTER ROLE ${rotating.user} SET session_preload_libraries = 'passwordcheck'`);
    const token = rotating.begin();
    rotating.putPending(token, JSON.stringify({ ...rotating.value(), password: rotating.user }));
    rotating.manager.hooks = {
      before: ({ operation }) =>
        operation === 'UpdateSecretVersionStage' ? new ServiceError('AccessDeniedException', 'x') : undefined,
    };
    expect((await rotating.rotate()).error).toMatch(/PasswordPolicyError.*AWSPENDING could not be taken off/);
    // The user's name is no secret to look for in the output.
    rotating.manager.store.updateSecretVersionStage({
      SecretId: 'app',
      VersionStage: 'AWSPENDING',
      RemoveFromVersionId: token,
    });
  });

  test('again after its version was given up says so, and does not call the token unknown', async () => {
    await using rotating = await Rotating.on(server);
    rotating.putPending(rotating.begin(), 'no json');
    const { token } = await rotating.rotate();
    const { error } = await rotating.step('createSecret', token);
    expect(error).toMatchObject({
      errorType: 'TokenNotPendingError',
      errorMessage: expect.stringMatching(/AWSPENDING was taken off it.*by an earlier attempt, which then said why/),
    });
  });

  test('of a version that is AWSCURRENT already is success, at every step', async () => {
    await using rotating = await Rotating.on(server);
    const { token } = await rotating.rotate();
    const value = rotating.value();
    for (const step of ['createSecret', 'setSecret', 'testSecret', 'finishSecret'])
      expect(await rotating.step(step, token)).toMatchObject({ outcome: 'success' });
    expect(rotating.value()).toEqual(value);
    expect(rotating.logged.filter(({ outcome }) => outcome === 'already').length).toBeGreaterThanOrEqual(4);
  });

  test('comes to grief alone if two different tokens are used: only one is pending', async () => {
    await using rotating = await Rotating.on(server);
    const token = rotating.begin();
    const other = randomUUID();
    expect((await rotating.step('createSecret', other)).error?.errorType).toBe('TokenNotPendingError');
    expect((await rotating.rotate()).token).toBe(token);
    await rotating.expectComplete(token);
  });
});
