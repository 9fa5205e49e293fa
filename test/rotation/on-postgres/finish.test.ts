/** What can go wrong in testSecret and finishSecret, on a real server with the built function. */
import { expect, test } from '@jest/globals';
import { ServiceError } from '../../../local/secrets-manager/errors.ts';
import type { Step } from '../../../local/secrets-manager/rotation.ts';
import { describeOneServer } from '../../servers.ts';
import { newPassword, Rotating } from '../rotating.ts';

const DENIED = new ServiceError(
  'AccessDeniedException',
  'User: arn:aws:sts::123456789012:assumed-role/x is not authorized to perform: secretsmanager:UpdateSecretVersionStage',
);

describeOneServer('finishSecret', (server) => {
  test('whose move of AWSCURRENT is answered by silence, or by an error, is done all the same', async () => {
    await using rotating = await Rotating.on(server);
    for (const answer of ['no answer' as const, new ServiceError('InternalServiceError', 'x', 500)]) {
      rotating.manager.hooks = {
        after: ({ operation }) => (operation === 'UpdateSecretVersionStage' ? answer : undefined),
      };
      const { succeeded, token, attempts } = await rotating.rotate();
      expect(succeeded).toBe(true);
      expect(attempts[0]?.steps.at(-1)).toMatchObject({ step: 'finishSecret', outcome: 'success' });
      await rotating.expectComplete(token);
    }
  });

  test('denied twice, then allowed: the third attempt finishes; AWSPENDING logs in all the while', async () => {
    await using rotating = await Rotating.on(server);
    let denials = 2;
    rotating.manager.hooks = {
      before: ({ operation }) => (operation === 'UpdateSecretVersionStage' && denials-- > 0 ? DENIED : undefined),
    };
    const between: boolean[] = [];
    const { succeeded, token, attempts } = await rotating.rotate({
      attempts: 5,
      onStep: {
        after: async (step, attempt) => {
          if (step === 'finishSecret' && attempt < 3)
            between.push(await rotating.logsIn(rotating.password('AWSPENDING')));
        },
      },
    });
    expect(succeeded).toBe(true);
    expect(attempts.map(({ steps }) => steps.at(-1)?.error?.errorType)).toEqual([
      'SecretsManagerError',
      'SecretsManagerError',
      undefined,
    ]);
    expect(attempts[0]?.steps.at(-1)?.error?.errorMessage).toMatch(/is not authorized to perform/);
    expect(between).toEqual([true, true]);
    await rotating.expectComplete(token);
  });

  test('does not promote over an AWSCURRENT that was edited meanwhile; the next rotation has the edit', async () => {
    await using rotating = await Rotating.on(server);
    const { error } = await rotating.rotate({
      onStep: { before: (step) => step === 'finishSecret' && rotating.edit({ note: 'edited' }) },
    });
    expect(error).toMatch(/PendingMismatchError.*differs from AWSCURRENT in "note"/);
    expect((await rotating.rotate()).error).toMatch(/PendingGivenUpError/);
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    await rotating.expectRotated();
    expect(rotating.value()).toMatchObject({ note: 'edited' });
  });

  test('logs in once more when a person has set another password, in secret and database, in mid-rotation', async () => {
    await using rotating = await Rotating.on(server);
    const byHand = newPassword();
    const { succeeded, attempts, token } = await rotating.rotate({
      attempts: 2,
      onStep: {
        before: async (step, attempt) => {
          if (step !== 'finishSecret' || attempt !== 1) return;
          await rotating.setPassword(byHand);
          rotating.edit({ password: byHand });
        },
      },
    });
    expect(attempts[0]?.steps.at(-1)).toMatchObject({
      step: 'finishSecret',
      outcome: 'error',
      error: { errorType: 'LoginRefusedError' },
    });
    expect(succeeded).toBe(true);
    await rotating.expectComplete(token);
    expect(rotating.password('AWSPREVIOUS')).toBe(byHand);
  });

  test('refuses a version whose value it cannot read', async () => {
    await using rotating = await Rotating.on(server);
    const token = rotating.begin();
    expect((await rotating.step('finishSecret', token)).error?.errorMessage).toMatch(/no value that can be read/);
    expect(rotating.labels[token]).toEqual(['AWSPENDING']);
  });

  test('moves AWSCURRENT from the version that it compared with, and from no other', async () => {
    await using rotating = await Rotating.on(server);
    const { error } = await rotating.rotate({
      onStep: {
        before: (step) => {
          if (step !== 'finishSecret') return;
          rotating.manager.hooks = {
            after: ({ request }) => {
              if (request['VersionStage'] !== 'AWSPENDING') return undefined;
              rotating.manager.hooks = {};
              rotating.edit({ note: 'edited at the last moment' });
              return undefined;
            },
          };
        },
      },
    });
    expect(error).toMatch(/PendingMismatchError: .*differs from AWSCURRENT in "note"/);
    expect(rotating.value()).toMatchObject({ note: 'edited at the last moment' });
    await rotating.rotate(); // gives the pending version up
    await rotating.expectRotated();
  });
});

describeOneServer('an edit of AWSCURRENT', (server) => {
  const steps: Step[] = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'];
  test.each(steps)('before %s is neither lost nor half applied', async (when) => {
    await using rotating = await Rotating.on(server);
    await rotating.rotate({
      attempts: 3,
      onStep: { before: (step, attempt) => step === when && attempt === 1 && rotating.edit({ note: when }) },
    });
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    expect(rotating.value()).toMatchObject({ note: when });
    await rotating.expectRotated();
    expect(rotating.value()).toMatchObject({ note: when });
  });
});

describeOneServer('testSecret', (server) => {
  test('does not believe a pending password that the server refuses', async () => {
    await using rotating = await Rotating.on(server);
    const { error, token } = await rotating.rotate({
      onStep: { before: (step) => step === 'testSecret' && rotating.setPassword('known to nobody') },
    });
    expect(error).toMatch(/testSecret: error, LoginRefusedError/);
    expect(rotating.labels[token]).toEqual(['AWSPENDING']);
  });

  test('proves nothing else if the pending value is not shown any more; the next attempt goes on', async () => {
    await using rotating = await Rotating.on(server);
    const { succeeded, attempts } = await rotating.rotate({
      attempts: 2,
      onStep: {
        before: (step, attempt) => {
          const isHidden = step === 'testSecret' && attempt === 1;
          rotating.manager.hooks = isHidden
            ? {
                before: ({ request }) =>
                  request['VersionStage'] === 'AWSPENDING'
                    ? new ServiceError('ResourceNotFoundException', 'not yet')
                    : undefined,
              }
            : {};
        },
      },
    });
    expect(attempts[0]?.steps.at(-1)).toMatchObject({ step: 'testSecret', error: { errorType: 'StaleReadError' } });
    expect(succeeded).toBe(true);
  });

  test('alone (RotateImmediately false) checks AWSCURRENT', async () => {
    await using rotating = await Rotating.on(server);
    const before = rotating.value();
    expect(await rotating.rotate({ rotateImmediately: false })).toMatchObject({ succeeded: true });
    expect(rotating.value()).toEqual(before);
    expect(rotating.logged).toContainEqual(expect.objectContaining({ outcome: 'checked AWSCURRENT only' }));
    await rotating.setPassword('known to nobody');
    expect((await rotating.rotate({ rotateImmediately: false })).error).toMatch(
      /LoginRefusedError: .*It is the password in AWSCURRENT\. Set AWSCURRENT’s password in the database, or put/,
    );
    expect(rotating.logged).toContainEqual(
      expect.objectContaining({ cause: expect.objectContaining({ name: 'LoginRefusedError', retryHelps: false }) }),
    );
  });
});
