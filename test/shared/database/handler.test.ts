import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { postgres } from '../../../functions/postgres/engine.ts';
import {
  FUNCTION_ARN,
  type SecretsManagerEmulator,
  startSecretsManager,
} from '../../../local/secrets-manager/server.ts';
import { InternalError } from '../../../shared/core/errors.ts';
import type { Engine } from '../../../shared/database/engine.ts';
import { rotationHandler } from '../../../shared/database/handler.ts';

const PASSWORD = 'h"unt\'er2 %&\\';
let manager: SecretsManagerEmulator;
let written = '';
const before = { ...process.env };

beforeEach(async () => {
  manager = await startSecretsManager();
  written = '';
  for (const stream of [process.stdout, process.stderr])
    jest.spyOn(stream, 'write').mockImplementation((chunk) => {
      written += chunk;
      return true;
    });
  Object.assign(process.env, {
    ...{ SECRETS_MANAGER_ENDPOINT: manager.endpoint, AWS_REGION: 'us-east-1' },
    ...{ AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x' },
  });
});

afterEach(async () => {
  jest.restoreAllMocks();
  process.env = before;
  await manager[Symbol.asyncDispose]();
});

/** An engine that breaks the contract as a driver would: with an error that holds the statement, the password in it. */
const careless = {
  ...(postgres as unknown as Engine),
  login: async () => {
    throw Object.assign(new Error(`ALTER USER … '${PASSWORD}'`), { sql: PASSWORD, cause: new Error(PASSWORD) });
  },
};

test('an error that no class of ours is for leaves neither in what is thrown nor in what is logged', async () => {
  const { store } = manager;
  const value = { engine: 'postgres', host: 'localhost', username: 'app', password: PASSWORD };
  store.createSecret({ Name: 'app', ClientRequestToken: randomUUID(), SecretString: JSON.stringify(value) });
  const ClientRequestToken = randomUUID();
  const { arn } = store.beginRotation({ SecretId: 'app', ClientRequestToken, RotationLambdaARN: FUNCTION_ARN });
  const handler = rotationHandler(careless);
  const context = { functionName: 'rotate-orders', getRemainingTimeInMillis: () => 60_000 };
  const event = { SecretId: arn, ClientRequestToken, RotationToken: 'the-rotation-token' };
  await handler({ ...event, Step: 'createSecret' }, context);

  const error = await handler({ ...event, Step: 'setSecret' }, { ...context }).then(undefined, (thrown) => thrown);

  expect(error).toBeInstanceOf(InternalError);
  expect(error.stack).toContain('handler.test.ts');
  expect(written).toMatch(/"level":"ERROR".*"step":"setSecret".*"name":"InternalError"/);
  expect(written).toMatch(
    /"Dimensions":\[\["service","function_name"\]\].*"function_name":"rotate-orders","FailedSteps":1/,
  );
  for (const shown of [inspect(error, { depth: 9, showHidden: true }), JSON.stringify(error), written]) {
    expect(shown).not.toContain('er2');
    expect(shown).not.toContain('the-rotation-token');
  }
});
