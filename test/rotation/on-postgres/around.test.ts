/** What can go wrong around a rotation, and bad input, with the built function. */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { ServiceError } from '../../../local/secrets-manager/errors.ts';
import { describeOneServer } from '../../servers.ts';
import { type Json, Rotating, type RotatingOptions } from '../rotating.ts';

/** A step fails with this class and sentence, and nothing is stored or changed. */
async function expectNothingChanged(rotating: Rotating, work: () => Promise<unknown>): Promise<void> {
  const state = async () => ({
    labels: rotating.labels,
    value: rotating.value(),
    roles: await rotating.sql('SELECT * FROM pg_authid WHERE rolname = $1', [rotating.user]),
  });
  const before = await state();
  await work();
  expect(await state()).toEqual(before);
  expect(rotating.calls).not.toContain('PutSecretValue');
}

describeOneServer('Secrets Manager', (server) => {
  test('that cannot be reached is named, with what a VPC needs', async () => {
    await using rotating = await Rotating.on(server, {
      environment: { SECRETS_MANAGER_ENDPOINT: 'http://127.0.0.1:1' },
    });
    const { error } = await rotating.step('createSecret', rotating.begin());
    expect(error).toMatchObject({
      errorType: 'SecretsManagerError',
      errorMessage: expect.stringMatching(
        /could not be reached for DescribeSecret \(ECONNREFUSED\).*interface endpoint/,
      ),
    });
  });

  test('that does not answer is given a sixth of the time, and named', async () => {
    await using silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    await using rotating = await Rotating.on(server, {
      environment: { SECRETS_MANAGER_ENDPOINT: `http://127.0.0.1:${port}` },
      timeoutMs: 6000,
    });
    const { error, ms } = await rotating.step('createSecret', rotating.begin());
    expect(error).toMatchObject({
      errorType: 'DeadlineError',
      errorMessage: expect.stringMatching(
        /Secrets Manager’s DescribeSecret \(\d{3,4} ms in all for Secrets Manager, of \d{4} ms for this step\)\. A function in a VPC needs/,
      ),
    });
    expect(ms).toBeLessThan(6000);
  });

  test('that goes on throttling is named, and a retry is said to help', async () => {
    await using rotating = await Rotating.on(server);
    rotating.manager.hooks = { before: () => new ServiceError('ThrottlingException', 'Rate exceeded') };
    const { error } = await rotating.step('createSecret', rotating.begin());
    expect(error?.errorMessage).toBe('Secrets Manager refused DescribeSecret with ThrottlingException.');
    expect(rotating.logged).toContainEqual(
      expect.objectContaining({
        level: 'ERROR',
        cause: expect.objectContaining({ retryHelps: true, code: 'ThrottlingException' }),
      }),
    );
  });

  test('that refuses for want of a right says which', async () => {
    await using rotating = await Rotating.on(server);
    rotating.manager.hooks = {
      before: ({ operation }) =>
        operation === 'PutSecretValue'
          ? new ServiceError('AccessDeniedException', 'Access to KMS is not allowed')
          : undefined,
    };
    const { error } = await rotating.step('createSecret', rotating.begin());
    expect(error?.errorMessage).toBe(
      'Secrets Manager refused PutSecretValue with AccessDeniedException: Access to KMS is not allowed.',
    );
  });
});

describeOneServer('a bad event', (server) => {
  const token = randomUUID();
  test.each<[string, (arn: string) => Json, string]>([
    ['without a step', (arn) => ({ SecretId: arn, ClientRequestToken: token }), 'InvalidEventError'],
    [
      'with a short token',
      (arn) => ({ Step: 'setSecret', SecretId: arn, ClientRequestToken: 'x' }),
      'InvalidEventError',
    ],
    [
      'with an unknown step',
      (arn) => ({ Step: 'dropSecret', SecretId: arn, ClientRequestToken: token }),
      'UnknownStepError',
    ],
    ...['createSecret', 'setSecret', 'testSecret', 'finishSecret'].map(
      (Step): [string, (arn: string) => Json, string] => [
        `of ${Step} with a token that is no version`,
        (arn) => ({ Step, SecretId: arn, ClientRequestToken: token }),
        'TokenNotPendingError',
      ],
    ),
  ])('%s changes nothing', async (_, event, kind) => {
    await using rotating = await Rotating.on(server);
    await expectNothingChanged(rotating, async () => {
      expect((await rotating.invoke(event(rotating.arn))).error?.errorType).toBe(kind);
    });
  });

  test('for a secret that does not exist, changes nothing', async () => {
    await using rotating = await Rotating.on(server);
    await expectNothingChanged(rotating, async () => {
      const { error } = await rotating.invoke({ Step: 'createSecret', SecretId: 'nope', ClientRequestToken: token });
      expect(error?.errorMessage).toMatch(/refused DescribeSecret with ResourceNotFoundException/);
    });
  });

  test('of a version that is not pending any more, changes nothing', async () => {
    await using rotating = await Rotating.on(server);
    const [previous = ''] = Object.keys(rotating.labels);
    await rotating.rotate();
    rotating.manager.calls.length = 0;
    await expectNothingChanged(rotating, async () => {
      for (const step of ['createSecret', 'setSecret', 'testSecret', 'finishSecret'])
        expect((await rotating.step(step, previous)).error?.errorMessage).toMatch(/is not AWSPENDING but AWSPREVIOUS/);
    });
  });
});

describeOneServer('a secret or a setting that cannot be rotated with', (server) => {
  test.each<[string, RotatingOptions, string, RegExp]>([
    ['a key that lacks', { secret: { username: undefined } }, 'InvalidSecretError', /lacks the key "username"/],
    ['another engine', { secret: { engine: 'mysql' } }, 'EngineMismatchError', /function for PostgreSQL/],
    ['a port that is no number', { secret: { port: 'five' } }, 'InvalidSecretError', /no number from 1 to 65535/],
    [
      'a host that does not resolve',
      { secret: { host: 'no-such-host.invalid' } },
      'HostNotFoundError',
      /does not resolve \(E/,
    ],
    [
      'an RDS Proxy',
      { secret: { host: 'p.proxy-a1b2.eu-west-1.rds.amazonaws.com' } },
      'UnsupportedHostError',
      /rotationhost/,
    ],
    ['a user name too long', { secret: { username: 'x'.repeat(64) } }, 'UserNameError', /longer than 63 bytes/],
    ['an ssl that is misspelt', { secret: { ssl: 'off' } }, 'InvalidSecretError', /neither true nor false/],
    [
      'no alphabet left',
      {
        environment: {
          EXCLUDE_LOWERCASE: 'true',
          EXCLUDE_UPPERCASE: 'true',
          EXCLUDE_NUMBERS: 'true',
          EXCLUDE_PUNCTUATION: 'true',
        },
      },
      'PasswordRulesError',
      /exclude every character/,
    ],
    [
      'a length that is no number',
      { environment: { PASSWORD_LENGTH: 'long' } },
      'ConfigurationError',
      /PASSWORD_LENGTH/,
    ],
    [
      'an unknown strategy as default',
      { environment: { DEFAULT_STRATEGY: 'multi' } },
      'UnknownStrategyError',
      /DEFAULT_STRATEGY is none of/,
    ],
    [
      'an unknown strategy as tag',
      { tags: { 'rotation-strategy': 'multi' } },
      'UnknownStrategyError',
      /tag "rotation-strategy" names none of/,
    ],
    [
      'a strategy the engine lacks',
      { tags: { 'rotation-strategy': 'dual-password' } },
      'UnknownStrategyError',
      /a role has one password only/,
    ],
    [
      'an admin secret that is not there',
      { secret: { masterarn: 'arn:aws:secretsmanager:us-east-1:1:secret:a' } },
      'AdminSecretError',
      /There is no admin secret with the ARN in "masterarn"/,
    ],
  ])('%s changes nothing', async (_, options, kind, message) => {
    await using rotating = await Rotating.on(server, options);
    const token = rotating.begin();
    await expectNothingChanged(rotating, async () => {
      const { error } = await rotating.step('createSecret', token);
      expect(error).toMatchObject({ errorType: kind, errorMessage: expect.stringMatching(message) });
    });
  });

  test('rotation turned off: createSecret and setSecret change nothing', async () => {
    await using rotating = await Rotating.on(server);
    const token = rotating.begin();
    await rotating.step('createSecret', token);
    rotating.manager.store.cancelRotateSecret({ SecretId: 'app' });
    rotating.manager.calls.length = 0;
    await expectNothingChanged(rotating, async () => {
      for (const step of ['createSecret', 'setSecret'])
        expect((await rotating.step(step, token)).error?.errorType).toBe('RotationDisabledError');
    });
  });

  test('a text that is no JSON changes nothing, and shows nothing of it', async () => {
    await using rotating = await Rotating.on(server);
    rotating.manager.store.putSecretValue({
      SecretId: 'app',
      ClientRequestToken: randomUUID(),
      SecretString: 'password=hunter2hunter2',
    });
    const { error } = await rotating.step('createSecret', rotating.begin());
    expect(error).toMatchObject({
      errorType: 'InvalidSecretError',
      errorMessage: "The secret's AWSCURRENT version is not JSON.",
    });
    expect(rotating.output).not.toContain('hunter2');
    expect(rotating.calls).not.toContain('PutSecretValue');
  });
});
