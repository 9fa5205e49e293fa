import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetRandomPasswordCommand,
  type GetRandomPasswordCommandInput,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FUNCTION_ARN, type SecretsManagerEmulator, startSecretsManager } from '../../local/secrets-manager/server.ts';
import { clientOf, id, refusal } from './secrets-manager-client.ts';
import { play, RULES } from './secrets-manager-rules.ts';

const HOUR = 60 * 60 * 1000;

let emulator: SecretsManagerEmulator;
let client: ReturnType<typeof clientOf>;
let now: number;

beforeEach(async () => {
  now = Date.parse('2026-01-02T03:04:05.678Z');
  emulator = await startSecretsManager({ now: () => now });
  client = clientOf(emulator.endpoint);
  await client.send(new CreateSecretCommand({ Name: 'app/db', SecretString: '1', ClientRequestToken: id('first') }));
});

afterEach(async () => {
  await emulator[Symbol.asyncDispose]();
});

const SecretId = 'app/db';
const put = (token: string, value: string, VersionStages?: string[]) => {
  const request = { SecretId, ClientRequestToken: token, SecretString: value };
  return client.send(new PutSecretValueCommand(VersionStages === undefined ? request : { ...request, VersionStages }));
};
const get = (request: { VersionId?: string; VersionStage?: string } = {}) =>
  client.send(new GetSecretValueCommand({ SecretId, ...request }));
const describeSecret = () => client.send(new DescribeSecretCommand({ SecretId }));

/** A request that no SDK would make. */
const bare = async (operation: string, body: string) => {
  const headers = { 'x-amz-target': `secretsmanager.${operation}`, 'content-type': 'application/x-amz-json-1.1' };
  const response = await fetch(emulator.endpoint, { method: 'POST', headers, body });
  return { status: response.status, body: await response.json() };
};

test.each(Object.entries(RULES))('%s', async (_, rule) => {
  await using usual = await startSecretsManager();

  expect(await play(rule, clientOf(usual.endpoint), 'app/rule')).toStrictEqual(rule.answer);
});

describe('the emulator’s clock', () => {
  test('gives a value its time of creation, to the millisecond', async () => {
    expect((await get()).CreatedDate).toEqual(new Date('2026-01-02T03:04:05.678Z'));
  });

  test('stands still for a value that is put again', async () => {
    await put(id('second'), '2', ['AWSPENDING']);
    const before = await describeSecret();
    now += 1000;
    await put(id('second'), '2', ['AWSPENDING']);

    expect((await get({ VersionId: id('second') })).CreatedDate).toEqual(before.LastChangedDate);
    expect((await describeSecret()).VersionIdsToStages).toEqual(before.VersionIdsToStages);
  });

  test('gives an empty pending version the time at which its value was put', async () => {
    const rotation = { SecretId, ClientRequestToken: id('second'), RotationLambdaARN: FUNCTION_ARN };
    await client.send(new RotateSecretCommand(rotation));
    now += 1234;
    await put(id('second'), '2', ['AWSPENDING']);

    expect(await get({ VersionStage: 'AWSPENDING' })).toMatchObject({ SecretString: '2', CreatedDate: new Date(now) });
  });

  test('says when a secret is deleted', async () => {
    await client.send(new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }));

    expect((await describeSecret()).DeletedDate).toEqual(new Date(now + 7 * 24 * HOUR));
  });

  test('of more than 100 versions those older than a day are removed, labelled ones never', async () => {
    emulator.store.updateSecretVersionStage({ SecretId, VersionStage: 'mine', MoveToVersionId: id('first') });
    for (let count = 0; count < 110; count += 1) await put(id(`v${count}`), `${count}`);
    const all = () => emulator.store.listSecretVersionIds({ SecretId, IncludeDeprecated: true, MaxResults: 1000 });
    expect(all().Versions).toHaveLength(111);

    now += 25 * HOUR;
    await put(id('last'), 'last');

    const kept = all().Versions.map(({ VersionId }) => VersionId);
    expect(kept).toHaveLength(100);
    expect(kept).toEqual(expect.arrayContaining([id('first'), id('v109'), id('last')]));
    expect(kept).not.toContain(id('v0'));
  });
});

describe('a random password', () => {
  const passwords = async (request: GetRandomPasswordCommandInput) =>
    Promise.all(
      Array.from({ length: 20 }, async () => (await client.send(new GetRandomPasswordCommand(request))).RandomPassword),
    );

  test('has 32 characters, of each kind', async () => {
    const all = await passwords({});
    expect(new Set(all).size).toBe(20);
    for (const password of all)
      expect(password).toMatch(/^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[!-/:-@[-`{-~])[!-~]{32}$/);
  });

  test('has nothing that was excluded', async () => {
    for (const password of await passwords({ ExcludePunctuation: true, ExcludeCharacters: 'abc0', PasswordLength: 8 }))
      expect(password).toMatch(/^[d-zA-Z1-9]{8}$/);
    const nothing = { ExcludePunctuation: true, ExcludeNumbers: true, ExcludeLowercase: true, ExcludeUppercase: true };
    await expect(client.send(new GetRandomPasswordCommand(nothing))).rejects.toThrow('all excluded');
  });
});

describe('bare HTTP', () => {
  test.each([
    ['CreateSecret', { Name: 'new', SecretString: '1' }, 'InvalidRequestException'],
    ['PutSecretValue', { SecretId, SecretString: '2' }, 'InvalidRequestException'],
    ['UpdateSecret', { SecretId, SecretString: '2' }, 'InvalidRequestException'],
    ['RotateSecret', { SecretId, RotationLambdaARN: FUNCTION_ARN }, 'InvalidParameterException'],
  ])('%s without a token is refused', async (operation, body, __type) => {
    expect(await bare(operation, JSON.stringify(body))).toEqual({
      status: 400,
      body: { __type, message: 'You must provide a ClientRequestToken value. We recommend a UUID-type value.' },
    });
  });

  test('an unknown operation, and a body that is not JSON', async () => {
    expect(await bare('MakeCoffee', '{}')).toMatchObject({
      status: 400,
      body: { __type: 'UnknownOperationException' },
    });
    expect(await bare('DescribeSecret', '{')).toMatchObject({
      status: 400,
      body: { __type: 'SerializationException' },
    });
  });
});

test('every call is written down, with its error and without its parameters', async () => {
  emulator.calls.length = 0;
  const request = { SecretId, SecretString: 'value-7c1e', RotationToken: 'rotation-token-3f9a' };
  await client.send(new PutSecretValueCommand({ ...request, VersionStages: ['AWSPENDING'] }));
  await refusal(get({ VersionStage: 'AWSPREVIOUS' }));

  expect(emulator.calls).toEqual([
    { operation: 'PutSecretValue', by: 'other', startedAt: expect.any(Number), ms: expect.any(Number) },
    {
      operation: 'GetSecretValue',
      by: 'other',
      startedAt: expect.any(Number),
      ms: expect.any(Number),
      error: 'ResourceNotFoundException',
    },
  ]);
  expect(JSON.stringify(emulator.calls)).not.toMatch(/value-7c1e|rotation-token-3f9a/);
});
