/** What cannot be timed from outside the process. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FUNCTION_ARN, startSecretsManager } from '../../../local/secrets-manager/server.ts';
import { Deadline } from '../../../shared/core/deadline.ts';
import { Proven } from '../../../shared/core/proven.ts';
import { runStep } from '../../../shared/core/rotation.ts';
import { connectSecretsManager, SecretVersions } from '../../../shared/core/versions.ts';
import { databaseAccounts } from '../../../shared/database/kind.ts';
import { Rds } from '../../../shared/database/rds.ts';
import { Refusals } from '../../../shared/database/refusals.ts';
import { DatabaseSettings } from '../../../shared/database/settings.ts';
import { Account } from './account.ts';

const before = { ...process.env };

beforeEach(() => {
  Object.assign(process.env, { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x' });
});

afterEach(() => {
  process.env = before;
});

test('with its time nearly up, setSecret begins no change', async () => {
  await using manager = await startSecretsManager();
  const value = { engine: 'postgres', host: 'localhost', username: 'app', password: 'old' };
  manager.store.createSecret({ Name: 'app', ClientRequestToken: randomUUID(), SecretString: JSON.stringify(value) });
  const token = randomUUID();
  manager.store.beginRotation({ SecretId: 'app', ClientRequestToken: token, RotationLambdaARN: FUNCTION_ARN });
  const account = new Account('old');
  const run = (step: 'createSecret' | 'setSecret', milliseconds: number) => {
    const deadline = new Deadline(milliseconds);
    const versions = new SecretVersions(connectSecretsManager(manager.endpoint), 'app', deadline);
    const warnings = new Set<string>();
    const kind = databaseAccounts({
      engine: account.engine,
      versions,
      databases: new Rds(deadline),
      deadline,
      settings: new DatabaseSettings({}),
      refusals: new Refusals(),
      secretId: 'app',
      warnings,
    });
    const event = { step, secretId: 'app', token, rotationToken: undefined };
    return runStep({ kind, versions, deadline, event, proven: new Proven(), report: { warnings } });
  };
  await run('createSecret', 60_000);
  // The processor is taken away for a while, outside of anything that has a limit of its own.
  account.beforeLogin = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2600);

  await expect(run('setSecret', 3000)).rejects.toThrow(
    'Too little time is left to begin a change: nothing was changed.',
  );

  expect(account).toMatchObject({ password: 'old', changes: 0 });
});
