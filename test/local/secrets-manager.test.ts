import {
  CancelRotateSecretCommand,
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FUNCTION_ARN, type SecretsManagerEmulator, startSecretsManager } from '../../local/secrets-manager/server.ts';
import { clientOf, id, refusal } from './secrets-manager-client.ts';

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
const labels = async () => (await describeSecret()).VersionIdsToStages;
const move = (VersionStage: string, RemoveFromVersionId?: string, MoveToVersionId?: string) => {
  const from = RemoveFromVersionId === undefined ? {} : { RemoveFromVersionId };
  const to = MoveToVersionId === undefined ? {} : { MoveToVersionId };
  return client.send(new UpdateSecretVersionStageCommand({ SecretId, VersionStage, ...from, ...to }));
};
const rotate = (token: string, more: { RotateImmediately?: boolean } = {}) =>
  client.send(
    new RotateSecretCommand({ SecretId, ClientRequestToken: token, RotationLambdaARN: FUNCTION_ARN, ...more }),
  );
const versions = async (IncludeDeprecated: boolean) =>
  (await client.send(new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated }))).Versions ?? [];

/** A request that no SDK would make. */
const bare = async (operation: string, body: string) => {
  const headers = { 'x-amz-target': `secretsmanager.${operation}`, 'content-type': 'application/x-amz-json-1.1' };
  const response = await fetch(emulator.endpoint, { method: 'POST', headers, body });
  return { status: response.status, body: await response.json() };
};

describe('a secret', () => {
  test('has an ARN that ends in a hyphen and six characters, and is found by it, by its name and without them', async () => {
    const { ARN = '' } = await describeSecret();

    expect(ARN).toMatch(/^arn:aws:secretsmanager:us-east-1:123456789012:secret:app\/db-[A-Za-z0-9]{6}$/);
    for (const known of [ARN, ARN.slice(0, -7), 'app/db']) {
      expect(await client.send(new GetSecretValueCommand({ SecretId: known }))).toMatchObject({ ARN, Name: 'app/db' });
    }
  });

  test('that is not there is a ResourceNotFoundException with HTTP status 400', async () => {
    expect(await refusal(client.send(new DescribeSecretCommand({ SecretId: 'other' })))).toEqual({
      name: 'ResourceNotFoundException',
      status: 400,
      message: "Secrets Manager can't find the specified secret.",
    });
  });

  test('is created once; the same token and content again change nothing', async () => {
    const create = (SecretString: string, token: string) =>
      client.send(new CreateSecretCommand({ Name: 'app/db', SecretString, ClientRequestToken: token }));

    expect(await create('1', id('first'))).toMatchObject({ VersionId: id('first') });
    expect((await refusal(create('2', id('first')))).name).toBe('ResourceExistsException');
    expect((await refusal(create('1', id('second')))).message).toContain('the secret app/db already exists');
  });

  test('without a value has no version', async () => {
    const created = await client.send(new CreateSecretCommand({ Name: 'empty' }));
    const described = await client.send(new DescribeSecretCommand({ SecretId: 'empty' }));

    expect(created.VersionId).toBeUndefined();
    expect(described.VersionIdsToStages).toBeUndefined();
    expect((await refusal(client.send(new GetSecretValueCommand({ SecretId: 'empty' })))).message).toContain(
      'staging label: AWSCURRENT',
    );
  });

  test.each(['', 'a b', 'a?'])('is not called %j', async (Name) => {
    expect((await refusal(client.send(new CreateSecretCommand({ Name })))).name).toBe('ValidationException');
  });

  test('has tags, added, overwritten and removed', async () => {
    const tags = async () => (await describeSecret()).Tags;
    const tag = (...Tags: { Key: string; Value: string }[]) => client.send(new TagResourceCommand({ SecretId, Tags }));
    expect(await tags()).toBeUndefined();

    await tag({ Key: 'a', Value: '1' }, { Key: 'b', Value: '2' });
    await tag({ Key: 'b', Value: '3' });
    expect(await tags()).toEqual([
      { Key: 'a', Value: '1' },
      { Key: 'b', Value: '3' },
    ]);

    await client.send(new UntagResourceCommand({ SecretId, TagKeys: ['a', 'b'] }));
    expect(await tags()).toEqual([]);
  });

  test('that is to be deleted is described and not read, and its name is taken', async () => {
    await client.send(new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }));

    expect((await describeSecret()).DeletedDate).toEqual(new Date(now + 7 * 24 * HOUR));
    expect((await refusal(get())).name).toBe('InvalidRequestException');
    expect((await refusal(put(id('second'), '2'))).name).toBe('InvalidRequestException');
    expect((await refusal(client.send(new CreateSecretCommand({ Name: 'app/db' })))).message).toContain(
      'already scheduled for deletion',
    );
  });

  test('that is deleted by force is gone, and its successor has another ARN', async () => {
    const { ARN } = await describeSecret();
    await client.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));

    expect((await refusal(get())).name).toBe('ResourceNotFoundException');
    expect((await client.send(new CreateSecretCommand({ Name: 'app/db' }))).ARN).not.toBe(ARN);
  });
});

describe('GetSecretValue', () => {
  beforeEach(() => put(id('second'), '2', ['AWSPENDING']));

  test('reads AWSCURRENT, a label, an id, or both', async () => {
    expect(await get()).toMatchObject({ SecretString: '1', VersionId: id('first'), VersionStages: ['AWSCURRENT'] });
    expect((await get({ VersionStage: 'AWSPENDING' })).SecretString).toBe('2');
    expect((await get({ VersionId: id('second') })).SecretString).toBe('2');
    expect((await get({ VersionId: id('second'), VersionStage: 'AWSPENDING' })).SecretString).toBe('2');
  });

  test('refuses an id and a label that do not belong together', async () => {
    expect(await refusal(get({ VersionId: id('second'), VersionStage: 'AWSCURRENT' }))).toEqual({
      name: 'InvalidRequestException',
      status: 400,
      message: 'You provided a VersionStage that is not associated to the provided VersionId.',
    });
  });

  test('finds no unknown id and no label that is on no version', async () => {
    expect(await refusal(get({ VersionId: id('third') }))).toMatchObject({
      name: 'ResourceNotFoundException',
      message: `Secrets Manager can't find the specified secret value for VersionId: ${id('third')}`,
    });
    expect(await refusal(get({ VersionStage: 'AWSPREVIOUS' }))).toMatchObject({
      name: 'ResourceNotFoundException',
      message: "Secrets Manager can't find the specified secret value for staging label: AWSPREVIOUS",
    });
  });

  test('gives the time of creation to the millisecond', async () => {
    expect((await get()).CreatedDate).toEqual(new Date('2026-01-02T03:04:05.678Z'));
  });
});

describe('PutSecretValue', () => {
  test('with AWSPENDING leaves AWSCURRENT alone', async () => {
    expect(await put(id('second'), '2', ['AWSPENDING'])).toMatchObject({
      VersionId: id('second'),
      VersionStages: ['AWSPENDING'],
    });
    expect(await labels()).toEqual({ [id('first')]: ['AWSCURRENT'], [id('second')]: ['AWSPENDING'] });
  });

  test('without labels moves AWSCURRENT, and AWSPREVIOUS after it', async () => {
    await put(id('second'), '2');
    await put(id('third'), '3');

    expect(await labels()).toEqual({ [id('second')]: ['AWSPREVIOUS'], [id('third')]: ['AWSCURRENT'] });
  });

  test('in mid-rotation leaves AWSPENDING where it is', async () => {
    await put(id('second'), '2', ['AWSPENDING']);
    await put(id('third'), '3');

    expect((await labels())?.[id('second')]).toEqual(['AWSPENDING']);
  });

  test('takes AWSPENDING off the version that AWSCURRENT leaves', async () => {
    await put(id('second'), '2', ['mine', 'AWSPENDING', 'AWSCURRENT']);
    expect((await labels())?.[id('second')]).toEqual(['AWSCURRENT', 'AWSPENDING', 'mine']);
    await put(id('third'), '3');

    expect((await labels())?.[id('second')]).toEqual(['AWSPREVIOUS', 'mine']);
  });

  test('gives the first version AWSCURRENT, whatever was asked for', async () => {
    await client.send(new CreateSecretCommand({ Name: 'empty' }));
    const request = { SecretId: 'empty', SecretString: '1', VersionStages: ['AWSPENDING'] };

    expect((await client.send(new PutSecretValueCommand(request))).VersionStages).toEqual(['AWSCURRENT', 'AWSPENDING']);
  });

  test('with the same token and content changes nothing', async () => {
    await put(id('second'), '2', ['AWSPENDING']);
    const before = await describeSecret();
    now += 1000;
    await put(id('second'), '2', ['AWSPENDING']);

    expect((await get({ VersionId: id('second') })).CreatedDate).toEqual(before.LastChangedDate);
    expect(await labels()).toEqual(before.VersionIdsToStages);
  });

  test('with the same token and other content is refused, and the value stays', async () => {
    await put(id('second'), '2', ['AWSPENDING']);

    expect((await refusal(put(id('second'), 'other', ['AWSPENDING']))).name).toBe('ResourceExistsException');
    expect((await get({ VersionStage: 'AWSPENDING' })).SecretString).toBe('2');
  });

  test('stores SecretBinary', async () => {
    await client.send(new PutSecretValueCommand({ SecretId, SecretBinary: new Uint8Array([0, 254, 255]) }));

    expect([...((await get()).SecretBinary ?? [])]).toEqual([0, 254, 255]);
  });

  test('wants exactly one value, of at most 64 KiB', async () => {
    const send = (value: object) => refusal(client.send(new PutSecretValueCommand({ SecretId, ...value })));

    expect((await send({})).name).toBe('InvalidRequestException');
    expect((await send({ SecretString: 'a', SecretBinary: new Uint8Array([1]) })).name).toBe(
      'InvalidParameterException',
    );
    expect(await send({ SecretString: 'secret'.repeat(20_000) })).toMatchObject({
      name: 'ValidationException',
      message: expect.not.stringContaining('secret'.repeat(2)),
    });
    await client.send(new PutSecretValueCommand({ SecretId, SecretString: 'x'.repeat(65_536) }));
  });

  test.each([31, 65])('refuses a token of %d characters', async (length) => {
    expect((await refusal(put('x'.repeat(length), '2'))).name).toBe('InvalidParameterException');
  });

  test('accepts a RotationToken and keeps it out of every answer', async () => {
    const request = { SecretId, SecretString: '2', RotationToken: 'rotation-token-3f9a' };
    const answers = [
      await client.send(new PutSecretValueCommand(request)),
      await describeSecret(),
      await get(),
      await versions(true),
      emulator.calls,
    ];

    expect(JSON.stringify(answers)).not.toContain('rotation-token-3f9a');
  });
});

describe('UpdateSecret', () => {
  test('with a value moves AWSCURRENT', async () => {
    const request = { SecretId, SecretString: '2', ClientRequestToken: id('second') };

    expect(await client.send(new UpdateSecretCommand(request))).toMatchObject({ VersionId: id('second') });
    expect(await labels()).toEqual({ [id('first')]: ['AWSPREVIOUS'], [id('second')]: ['AWSCURRENT'] });
  });

  test('without a value makes no version', async () => {
    const { VersionId } = await client.send(new UpdateSecretCommand({ SecretId, Description: 'words' }));

    expect(VersionId).toBeUndefined();
    expect(await describeSecret()).toMatchObject({
      Description: 'words',
      VersionIdsToStages: { [id('first')]: ['AWSCURRENT'] },
    });
  });
});

describe('UpdateSecretVersionStage', () => {
  beforeEach(() => put(id('second'), '2', ['AWSPENDING']));

  test('moves AWSCURRENT, and AWSPREVIOUS after it; AWSPENDING stays', async () => {
    await move('AWSCURRENT', id('first'), id('second'));

    expect(await labels()).toEqual({ [id('first')]: ['AWSPREVIOUS'], [id('second')]: ['AWSCURRENT', 'AWSPENDING'] });
    expect((await get()).SecretString).toBe('2');
  });

  test('moves AWSCURRENT back', async () => {
    await move('AWSCURRENT', id('first'), id('second'));
    await move('AWSPENDING', id('second'));
    await move('AWSCURRENT', id('second'), id('first'));

    expect(await labels()).toEqual({ [id('first')]: ['AWSCURRENT'], [id('second')]: ['AWSPREVIOUS'] });
  });

  test.each([
    ['without RemoveFromVersionId', 'AWSCURRENT', undefined, id('second')],
    ['of AWSPENDING without RemoveFromVersionId', 'AWSPENDING', undefined, id('first')],
    ['with another version in RemoveFromVersionId', 'AWSCURRENT', id('second'), id('second')],
    ['to an unknown version', 'AWSCURRENT', id('first'), id('x')],
    ['from an unknown version', 'AWSCURRENT', id('x'), id('second')],
    ['of AWSCURRENT to nowhere', 'AWSCURRENT', id('first'), undefined],
    ['from nowhere to nowhere', 'AWSPENDING', undefined, undefined],
  ])('refuses a move %s, and no label moves', async (_, label, from, to) => {
    const before = await labels();

    expect(await refusal(move(label, from, to))).toMatchObject({ name: 'InvalidParameterException', status: 400 });
    expect(await labels()).toEqual(before);
  });

  test('takes AWSPENDING off; the version is still read by id', async () => {
    await move('AWSPENDING', id('second'));

    expect(await labels()).toEqual({ [id('first')]: ['AWSCURRENT'] });
    expect((await get({ VersionId: id('second') })).SecretString).toBe('2');
  });

  test('puts a label on that is nowhere, and changes nothing where it already is', async () => {
    await move('mine', undefined, id('second'));
    await move('mine', undefined, id('second'));

    expect((await labels())?.[id('second')]).toEqual(['AWSPENDING', 'mine']);
  });
});

describe('ListSecretVersionIds', () => {
  test('lists versions without a label on request, oldest first', async () => {
    for (const version of ['second', 'third']) {
      now += 1;
      await put(id(version), version);
    }

    expect((await versions(false)).map(({ VersionId }) => VersionId)).toEqual([id('second'), id('third')]);
    expect((await versions(true)).map(({ VersionId, VersionStages }) => [VersionId, VersionStages])).toEqual([
      [id('first'), undefined],
      [id('second'), ['AWSPREVIOUS']],
      [id('third'), ['AWSCURRENT']],
    ]);
  });

  test('gives pages', async () => {
    await put(id('second'), '2');
    await put(id('third'), '3', ['AWSPENDING']);
    const page = async (NextToken?: string) =>
      client.send(
        new ListSecretVersionIdsCommand({ SecretId, MaxResults: 2, ...(NextToken === undefined ? {} : { NextToken }) }),
      );

    const one = await page();
    const two = await page(one.NextToken);

    expect([one.Versions?.length, two.Versions?.length, two.NextToken]).toEqual([2, 1, undefined]);
    expect((await refusal(page('made up'))).name).toBe('InvalidNextTokenException');
  });

  test('of more than 100 versions those older than a day are removed, labelled ones never', async () => {
    await move('mine', undefined, id('first'));
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

describe('rotation settings', () => {
  test('are absent until RotateSecret, which registers an empty pending version', async () => {
    expect(await describeSecret()).not.toHaveProperty('RotationEnabled');

    expect(await rotate(id('second'))).toMatchObject({ VersionId: id('second') });

    expect(await describeSecret()).toMatchObject({
      RotationEnabled: true,
      RotationLambdaARN: FUNCTION_ARN,
      VersionIdsToStages: { [id('first')]: ['AWSCURRENT'], [id('second')]: ['AWSPENDING'] },
    });
    expect((await refusal(get({ VersionId: id('second'), VersionStage: 'AWSPENDING' }))).name).toBe(
      'ResourceNotFoundException',
    );
  });

  test('the empty pending version takes a value, and counts as created then', async () => {
    await rotate(id('second'));
    now += 1234;
    await put(id('second'), '2', ['AWSPENDING']);

    expect(await get({ VersionStage: 'AWSPENDING' })).toMatchObject({ SecretString: '2', CreatedDate: new Date(now) });
  });

  test('RotateSecret wants a function once, and then knows it', async () => {
    const plain = (token: string) => client.send(new RotateSecretCommand({ SecretId, ClientRequestToken: token }));
    expect(await refusal(plain(id('second')))).toMatchObject({
      name: 'InvalidRequestException',
      message: 'No Lambda rotation function ARN is associated with this secret.',
    });
    expect(await labels()).toEqual({ [id('first')]: ['AWSCURRENT'] });

    await rotate(id('second'));
    await move('AWSPENDING', id('second'));
    await plain(id('third'));

    expect((await labels())?.[id('third')]).toEqual(['AWSPENDING']);
  });

  test('RotateSecret is refused while AWSPENDING is on another version than AWSCURRENT', async () => {
    await rotate(id('second'));

    expect(await refusal(rotate(id('third')))).toEqual({
      name: 'InvalidRequestException',
      status: 400,
      message: "A previous rotation isn't complete. That rotation will be reattempted.",
    });
    expect(await labels()).toEqual({ [id('first')]: ['AWSCURRENT'], [id('second')]: ['AWSPENDING'] });
  });

  test('RotateSecret with the same token again is the same rotation', async () => {
    await rotate(id('second'));
    await put(id('second'), '2', ['AWSPENDING']);

    expect(await rotate(id('second'))).toMatchObject({ VersionId: id('second') });
    expect((await get({ VersionStage: 'AWSPENDING' })).SecretString).toBe('2');
  });

  test('RotateSecret starts anew where both labels are on one version', async () => {
    await put(id('second'), '2', ['AWSCURRENT', 'AWSPENDING']);
    await rotate(id('third'));

    expect((await labels())?.[id('third')]).toEqual(['AWSPENDING']);
  });

  test('CancelRotateSecret turns rotation off and leaves the labels; RotateSecret turns it on', async () => {
    const cancel = () => client.send(new CancelRotateSecretCommand({ SecretId }));
    expect((await refusal(cancel())).name).toBe('InvalidRequestException');
    await rotate(id('second'));

    expect(await cancel()).toMatchObject({ VersionId: id('second') });
    expect(await describeSecret()).toMatchObject({
      RotationEnabled: false,
      VersionIdsToStages: { [id('second')]: ['AWSPENDING'] },
    });

    await refusal(rotate(id('third')));
    expect((await describeSecret()).RotationEnabled).toBe(true);
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
  await put(id('second'), 'value-7c1e', ['AWSPENDING']);
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
  expect(JSON.stringify(emulator.calls)).not.toContain('value-7c1e');
});
