import {
  CancelRotateSecretCommand,
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  type GetSecretValueCommandInput,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  type PutSecretValueCommandInput,
  RotateSecretCommand,
  type RotateSecretCommandInput,
  type SecretsManagerClient,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
  type UpdateSecretVersionStageCommandInput,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { FUNCTION_ARN, type SecretsManagerEmulator, startSecretsManager } from '../../local/secrets-manager/server.ts';
import { describeMoto } from './moto.ts';
import { clientOf, id, refusal } from './secrets-manager-client.ts';

/** A secret on one of the two servers: calls that give back what matters, the error's name for a refusal among it. */
class Subject {
  readonly name: string;
  readonly client: SecretsManagerClient;

  constructor(client: SecretsManagerClient, name: string) {
    this.client = client;
    this.name = name;
  }

  create(value?: string, token = id('first')) {
    const SecretString = value === undefined ? {} : { SecretString: value };
    return named(
      this.client.send(new CreateSecretCommand({ Name: this.name, ClientRequestToken: token, ...SecretString })),
      ({ VersionId }) => VersionId ?? 'no version',
    );
  }

  put(token: string, value: string, more: Partial<PutSecretValueCommandInput> = {}) {
    const request = { SecretId: this.name, ClientRequestToken: token, SecretString: value, ...more };
    return named(this.client.send(new PutSecretValueCommand(request)), ({ VersionStages }) => VersionStages?.sort());
  }

  get(request: Partial<GetSecretValueCommandInput> = {}) {
    return named(
      this.client.send(new GetSecretValueCommand({ SecretId: this.name, ...request })),
      ({ SecretString }) => SecretString,
    );
  }

  move(label: string, request: Partial<UpdateSecretVersionStageCommandInput>) {
    return named(
      this.client.send(new UpdateSecretVersionStageCommand({ SecretId: this.name, VersionStage: label, ...request })),
      () => 'moved',
    );
  }

  rotate(request: Partial<RotateSecretCommandInput> = {}) {
    return named(
      this.client.send(
        new RotateSecretCommand({
          SecretId: this.name,
          ClientRequestToken: id('second'),
          RotationLambdaARN: FUNCTION_ARN,
          RotationRules: { AutomaticallyAfterDays: 30 },
          ...request,
        }),
      ),
      () => 'rotating',
    );
  }

  describe() {
    return this.client.send(new DescribeSecretCommand({ SecretId: this.name }));
  }

  /** Which labels are where. Versions without one are left out, in whatever way the server shows them. */
  async labels() {
    const { VersionIdsToStages = {} } = await this.describe();
    const labelled = Object.entries(VersionIdsToStages).filter(([, stages]) => stages.length > 0);
    return Object.fromEntries(labelled.map(([version, stages]) => [version, [...stages].sort()]));
  }

  async versions(IncludeDeprecated: boolean) {
    const request = { SecretId: this.name, IncludeDeprecated };
    const { Versions = [] } = await this.client.send(new ListSecretVersionIdsCommand(request));
    return Versions.map(({ VersionId }) => VersionId).sort();
  }
}

async function named<A, B>(call: Promise<A>, pick: (answer: A) => B): Promise<B | string> {
  try {
    return pick(await call);
  } catch (error) {
    return (error as Error).name;
  }
}

/** Each is run on both servers, with a secret of its own, and gives what it saw. */
const SCENARIOS: Record<string, (s: Subject) => Promise<unknown>> = {
  'CreateSecret with a value': async (s) => [await s.create('1'), await s.get(), await s.labels()],
  'CreateSecret without a value': async (s) => [await s.create(), await s.get(), await s.labels()],
  'CreateSecret again, same token and content': async (s) => [await s.create('1'), await s.create('1')],
  'CreateSecret again, same token, other content': async (s) => [await s.create('1'), await s.create('2')],
  'CreateSecret again, other token': async (s) => [await s.create('1'), await s.create('1', id('second'))],
  'a token that is too short': (s) => s.create('1', 'short'),

  'GetSecretValue by ARN and by ARN without suffix': async (s) => {
    await s.create('1');
    const { ARN = '' } = await s.describe();
    return [await s.get({ SecretId: ARN }), await s.get({ SecretId: ARN.slice(0, -7) })];
  },
  'GetSecretValue by label, by id, by both': async (s) => {
    await s.create('1');
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] });
    return [
      await s.get({ VersionStage: 'AWSPENDING' }),
      await s.get({ VersionId: id('second') }),
      await s.get({ VersionId: id('second'), VersionStage: 'AWSPENDING' }),
    ];
  },
  'GetSecretValue by an id and a label that do not belong together': async (s) => {
    await s.create('1');
    const call = { SecretId: s.name, VersionId: id('first'), VersionStage: 'AWSPENDING' };
    const { name, message } = await refusal(s.client.send(new GetSecretValueCommand(call)));
    return { name, message };
  },
  'GetSecretValue of what is not there': async (s) => {
    await s.create('1');
    return [
      await s.get({ SecretId: 'another' }),
      await s.get({ VersionId: id('second') }),
      await s.get({ VersionStage: 'AWSPENDING' }),
      await s.get({ VersionId: id('second'), VersionStage: 'AWSPENDING' }),
    ];
  },
  'GetSecretValue: what is said of an unknown version': async (s) => {
    await s.create('1');
    const call = new GetSecretValueCommand({ SecretId: s.name, VersionId: id('second') });
    return (await refusal(s.client.send(call))).message;
  },
  'GetSecretValue: what is said of a label on no version': async (s) => {
    await s.create('1');
    const call = new GetSecretValueCommand({ SecretId: s.name, VersionStage: 'AWSPENDING' });
    return (await refusal(s.client.send(call))).message;
  },
  'the HTTP status of ResourceNotFoundException': async (s) =>
    (await refusal(s.client.send(new GetSecretValueCommand({ SecretId: 'another' })))).status,
  'the HTTP status of InvalidParameterException': async (s) =>
    (await refusal(s.client.send(new CreateSecretCommand({ Name: s.name, ClientRequestToken: 'short' })))).status,
  'CreatedDate has a fraction of a second': async (s) => {
    const fractions: boolean[] = [];
    for (const version of ['first', 'second', 'third', 'fourth']) {
      await (version === 'first' ? s.create('1') : s.put(id(version), version));
      const { CreatedDate } = await s.client.send(new GetSecretValueCommand({ SecretId: s.name }));
      fractions.push((CreatedDate?.getTime() ?? 0) % 1000 !== 0);
    }
    return fractions.some((fraction) => fraction);
  },

  'PutSecretValue moves AWSCURRENT, and AWSPREVIOUS after it': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2'),
    await s.labels(),
    await s.put(id('third'), '3'),
    await s.labels(),
  ],
  'PutSecretValue with AWSPENDING': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] }),
    await s.labels(),
    await s.get(),
  ],
  'PutSecretValue takes a label from another version': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING', 'mine'] }),
    await s.put(id('third'), '3', { VersionStages: ['AWSPENDING'] }),
    await s.labels(),
  ],
  'PutSecretValue into a secret without a version': async (s) => [
    await s.create(),
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] }),
    await s.labels(),
  ],
  'PutSecretValue again, same token and content': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2'),
    await s.put(id('second'), '2'),
    await s.labels(),
  ],
  'PutSecretValue again, same token, other content': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2'),
    await s.put(id('second'), 'x'),
    await s.get(),
  ],
  'PutSecretValue again for AWSPENDING, same token and content': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] }),
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] }),
    await s.labels(),
  ],
  'PutSecretValue again for AWSPENDING, same token, other content': async (s) => {
    await s.create('1');
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] });
    return [
      await s.put(id('second'), 'x', { VersionStages: ['AWSPENDING'] }),
      await s.get({ VersionStage: 'AWSPENDING' }),
    ];
  },
  'PutSecretValue without a value, and with two': async (s) => {
    await s.create('1');
    const both = { SecretString: '2', SecretBinary: new Uint8Array([2]) };
    const send = (request: object) =>
      named(
        s.client.send(new PutSecretValueCommand({ SecretId: s.name, ClientRequestToken: id('second'), ...request })),
        () => 'put',
      );
    return [await send({}), await send(both)];
  },
  'PutSecretValue of SecretBinary': async (s) => {
    await s.create('1');
    const value = { SecretId: s.name, SecretBinary: new Uint8Array([0, 1, 255]) };
    await s.client.send(new PutSecretValueCommand(value));
    return (await s.client.send(new GetSecretValueCommand({ SecretId: s.name }))).SecretBinary?.join();
  },
  'PutSecretValue in mid-rotation leaves AWSPENDING where it is': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] }),
    await s.put(id('third'), '3'),
    await s.labels(),
  ],
  'AWSPENDING goes when PutSecretValue takes AWSCURRENT from its version': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2', { VersionStages: ['AWSCURRENT', 'AWSPENDING'] }),
    await s.put(id('third'), '3'),
    await s.labels(),
  ],
  'a label of our own stays when AWSCURRENT leaves its version': async (s) => {
    await s.create('1');
    await s.put(id('second'), '2', { VersionStages: ['AWSCURRENT', 'mine'] });
    await s.put(id('third'), '3');
    return (await s.labels())[id('second')];
  },

  'UpdateSecret with a value, then with a description': async (s) => {
    await s.create('1');
    const update = (request: object) =>
      named(
        s.client.send(new UpdateSecretCommand({ SecretId: s.name, ...request })),
        ({ VersionId }) => VersionId ?? 'no version',
      );
    return [
      await update({ SecretString: '2', ClientRequestToken: id('second') }),
      await update({ Description: 'words' }),
      (await s.describe()).Description,
      await s.labels(),
    ];
  },

  'UpdateSecretVersionStage promotes, and goes back': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] }),
    await s.move('AWSCURRENT', { MoveToVersionId: id('second'), RemoveFromVersionId: id('first') }),
    await s.labels(),
    await s.get({ VersionStage: 'AWSCURRENT' }),
    await s.move('AWSCURRENT', { MoveToVersionId: id('first'), RemoveFromVersionId: id('second') }),
    (await s.labels())[id('first')],
  ],
  'GetSecretValue without label or id after UpdateSecretVersionStage': async (s) => {
    await s.create('1');
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] });
    await s.move('AWSCURRENT', { MoveToVersionId: id('second'), RemoveFromVersionId: id('first') });
    return s.get();
  },
  'AWSPENDING stays when UpdateSecretVersionStage takes AWSCURRENT from its version': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2', { VersionStages: ['AWSCURRENT', 'AWSPENDING'] }),
    await s.move('AWSCURRENT', { MoveToVersionId: id('first'), RemoveFromVersionId: id('second') }),
    await s.labels(),
  ],
  'UpdateSecretVersionStage moves AWSCURRENT without RemoveFromVersionId': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] }),
    await s.move('AWSCURRENT', { MoveToVersionId: id('second') }),
    await s.labels(),
  ],
  'UpdateSecretVersionStage: what is said without RemoveFromVersionId': async (s) => {
    await s.create('1');
    const call = { SecretId: s.name, VersionStage: 'AWSCURRENT', MoveToVersionId: id('first') };
    await s.put(id('second'), '2');
    return (await refusal(s.client.send(new UpdateSecretVersionStageCommand(call)))).message;
  },
  'UpdateSecretVersionStage moves AWSPENDING without RemoveFromVersionId': async (s) => {
    await s.create('1');
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] });
    return [await s.move('AWSPENDING', { MoveToVersionId: id('first') }), await s.labels()];
  },
  'UpdateSecretVersionStage removes from a version that has not the label': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] }),
    await s.move('AWSCURRENT', { MoveToVersionId: id('first'), RemoveFromVersionId: id('second') }),
    await s.labels(),
  ],
  'UpdateSecretVersionStage to or from an unknown version': async (s) => [
    await s.create('1'),
    await s.move('AWSCURRENT', { MoveToVersionId: id('x'), RemoveFromVersionId: id('first') }),
    await s.move('AWSCURRENT', { MoveToVersionId: id('first'), RemoveFromVersionId: id('x') }),
  ],
  'UpdateSecretVersionStage refused leaves the labels alone': async (s) => {
    await s.create('1');
    await s.move('AWSCURRENT', { MoveToVersionId: id('x'), RemoveFromVersionId: id('first') });
    return s.labels();
  },
  'UpdateSecretVersionStage removes AWSPENDING': async (s) => [
    await s.create('1'),
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] }),
    await s.move('AWSPENDING', { RemoveFromVersionId: id('second') }),
    await s.labels(),
    await s.get({ VersionId: id('second') }),
  ],
  'UpdateSecretVersionStage removes AWSCURRENT': async (s) => {
    await s.create('1');
    return [await s.move('AWSCURRENT', { RemoveFromVersionId: id('first') }), await s.labels()];
  },
  'UpdateSecretVersionStage puts a new label on': async (s) => [
    await s.create('1'),
    await s.move('mine', { MoveToVersionId: id('first') }),
    await s.labels(),
  ],

  'a version without a label is read by id': async (s) => {
    await s.create('1');
    await s.put(id('second'), '2');
    await s.put(id('third'), '3');
    return s.get({ VersionId: id('first') });
  },
  'DescribeSecret shows no version without a label': async (s) => {
    await s.create('1');
    await s.put(id('second'), '2');
    await s.put(id('third'), '3');
    return Object.keys((await s.describe()).VersionIdsToStages ?? {}).sort();
  },
  'ListSecretVersionIds with deprecated versions': async (s) => {
    await s.create('1');
    await s.put(id('second'), '2');
    await s.put(id('third'), '3');
    return s.versions(true);
  },
  'ListSecretVersionIds without deprecated versions': async (s) => {
    await s.create('1');
    await s.put(id('second'), '2');
    await s.put(id('third'), '3');
    return s.versions(false);
  },
  'ListSecretVersionIds in pages': async (s) => {
    await s.create('1');
    await s.put(id('second'), '2');
    const request = { SecretId: s.name, MaxResults: 1 };
    const { Versions, NextToken } = await s.client.send(new ListSecretVersionIdsCommand(request));
    return [Versions?.length, NextToken ? 'more' : 'end'];
  },

  'tags are added, overwritten and removed': async (s) => {
    await s.create('1');
    const tag = (Key: string, Value: string) => ({ Key, Value });
    await s.client.send(new TagResourceCommand({ SecretId: s.name, Tags: [tag('a', '1'), tag('b', '2')] }));
    await s.client.send(new TagResourceCommand({ SecretId: s.name, Tags: [tag('b', '3')] }));
    const two = (await s.describe()).Tags;
    await s.client.send(new UntagResourceCommand({ SecretId: s.name, TagKeys: ['a'] }));
    return [two, (await s.describe()).Tags];
  },
  'a secret that is to be deleted': async (s) => {
    await s.create('1');
    await s.client.send(new DeleteSecretCommand({ SecretId: s.name }));
    return [
      await s.get(),
      await s.rotate(),
      (await s.describe()).DeletedDate instanceof Date,
      await named(s.client.send(new DeleteSecretCommand({ SecretId: s.name })), () => 'deleted'),
    ];
  },
  'PutSecretValue into a secret that is to be deleted': async (s) => {
    await s.create('1');
    await s.client.send(new DeleteSecretCommand({ SecretId: s.name }));
    return s.put(id('second'), '2');
  },
  'CreateSecret with the name of a secret that is to be deleted': async (s) => {
    await s.create('1');
    await s.client.send(new DeleteSecretCommand({ SecretId: s.name }));
    return s.create('1', id('second'));
  },
  'DeleteSecret by force': async (s) => {
    await s.create('1');
    await s.client.send(new DeleteSecretCommand({ SecretId: s.name, ForceDeleteWithoutRecovery: true }));
    return [await s.get(), await s.create('1')];
  },

  'RotationEnabled is absent until rotation was configured': async (s) => {
    await s.create('1');
    const { RotationEnabled = 'absent', RotationLambdaARN = 'absent' } = await s.describe();
    return [RotationEnabled, RotationLambdaARN];
  },
  'RotateSecret without a function': async (s) => {
    await s.create('1');
    return named(s.client.send(new RotateSecretCommand({ SecretId: s.name })), () => 'rotating');
  },
  'RotateSecret with a function that does not exist': async (s) => {
    await s.create('1');
    return s.rotate();
  },
  'RotateSecret registers an empty pending version': async (s) => {
    await s.create('1');
    await s.rotate();
    const { RotationEnabled, RotationLambdaARN, RotationRules } = await s.describe();
    return [
      await s.labels(),
      await s.get({ VersionId: id('second'), VersionStage: 'AWSPENDING' }),
      await s.get(),
      { RotationEnabled, RotationLambdaARN, RotationRules },
    ];
  },
  'RotateSecret with days out of range': async (s) => [
    await s.create('1'),
    await s.rotate({ RotationRules: { AutomaticallyAfterDays: 1001 } }),
  ],
  'RotateSecret while AWSPENDING is on another version than AWSCURRENT': async (s) => {
    await s.create('1');
    await s.put(id('second'), '2', { VersionStages: ['AWSPENDING'] });
    return [await s.rotate({ ClientRequestToken: id('third') }), await s.labels()];
  },
  'RotateSecret while AWSPENDING is on AWSCURRENT': async (s) => {
    await s.create('1');
    await s.put(id('second'), '2', { VersionStages: ['AWSCURRENT', 'AWSPENDING'] });
    await s.rotate({ ClientRequestToken: id('third') });
    return Object.keys(await s.labels()).sort();
  },
  'RotateSecret with RotateImmediately false: the pending version for testSecret': async (s) => {
    await s.create('1');
    await s.rotate({ RotateImmediately: false });
    return s.get({ VersionStage: 'AWSPENDING' });
  },
  'CancelRotateSecret before rotation was configured': async (s) => [
    await s.create('1'),
    await named(s.client.send(new CancelRotateSecretCommand({ SecretId: s.name })), () => 'cancelled'),
  ],
  'CancelRotateSecret leaves labels and function': async (s) => {
    await s.create('1');
    await s.rotate();
    await s.client.send(new CancelRotateSecretCommand({ SecretId: s.name }));
    const { RotationEnabled, RotationLambdaARN } = await s.describe();
    return [await s.labels(), RotationEnabled, RotationLambdaARN];
  },
};

type Difference = { case: string; emulator: unknown; moto: unknown; reason: string };

/**
 * Every case in which the two do not answer alike, and what the emulator's answer rests on. API_X is a page of
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/, "recorded" an answer of the real service that
 * LocalStack keeps with its tests (test_secretsmanager.snapshot.json).
 */
const DIFFERENCES: readonly Difference[] = [
  {
    case: 'GetSecretValue: what is said of a label on no version',
    emulator: "Secrets Manager can't find the specified secret value for staging label: AWSPENDING",
    moto: "Secrets Manager can't find the specified secret.",
    reason: 'Recorded (test_secret_version_not_found). The error name is the same.',
  },
  {
    case: 'the HTTP status of ResourceNotFoundException',
    emulator: 400,
    moto: 404,
    reason: 'API_GetSecretValue, Errors: HTTP status code 400.',
  },
  {
    case: 'CreatedDate has a fraction of a second',
    emulator: true,
    moto: false,
    reason: 'API_GetSecretValue, Examples: "CreatedDate":1.523477145713E9.',
  },
  {
    case: 'PutSecretValue again for AWSPENDING, same token, other content',
    emulator: ['ResourceExistsException', '2'],
    moto: [['AWSPENDING'], 'x'],
    reason: "API_PutSecretValue: other content fails, for one can't modify a version; no exception for AWSPENDING.",
  },
  {
    case: 'PutSecretValue without a value, and with two',
    emulator: ['InvalidRequestException', 'InvalidParameterException'],
    moto: ['InvalidRequestException', 'put'],
    reason: 'API_PutSecretValue: SecretBinary or SecretString, but not both. The name of the second error is assumed.',
  },
  {
    case: 'a label of our own stays when AWSCURRENT leaves its version',
    emulator: ['AWSPREVIOUS', 'mine'],
    moto: ['AWSPREVIOUS'],
    reason: 'API_PutSecretValue names AWSPREVIOUS alone; recorded (…_current_pending_cycle_custom_stages_2).',
  },
  {
    case: 'GetSecretValue without label or id after UpdateSecretVersionStage',
    emulator: '2',
    moto: '1',
    reason:
      'API_GetSecretValue: without either it returns AWSCURRENT. moto returns what was AWSCURRENT before the move.',
  },
  {
    case: 'UpdateSecretVersionStage moves AWSPENDING without RemoveFromVersionId',
    emulator: ['InvalidParameterException', { [id('first')]: ['AWSCURRENT'], [id('second')]: ['AWSPENDING'] }],
    moto: ['moved', { [id('first')]: ['AWSCURRENT', 'AWSPENDING'], [id('second')]: ['AWSPENDING'] }],
    reason: 'API_UpdateSecretVersionStage: a label is on one version at a time; without RemoveFromVersionId it fails.',
  },
  {
    case: 'UpdateSecretVersionStage refused leaves the labels alone',
    emulator: { [id('first')]: ['AWSCURRENT'] },
    moto: {},
    reason: 'API_UpdateSecretVersionStage: the operation fails. moto takes the label off before it looks further.',
  },
  {
    case: 'UpdateSecretVersionStage removes AWSCURRENT',
    emulator: ['InvalidParameterException', { [id('first')]: ['AWSCURRENT'] }],
    moto: ['moved', { [id('first')]: ['AWSPREVIOUS'] }],
    reason: "API_UpdateSecretVersionStage only moves AWSCURRENT; the refusal is quoted in Terraform's AWS provider.",
  },
  {
    case: 'DescribeSecret shows no version without a label',
    emulator: [id('second'), id('third')],
    moto: [id('first'), id('second'), id('third')],
    reason: 'API_DescribeSecret, VersionIdsToStages: the versions that have staging labels attached.',
  },
  {
    case: 'ListSecretVersionIds without deprecated versions',
    emulator: [id('second'), id('third')],
    moto: [id('first'), id('second'), id('third')],
    reason: 'API_ListSecretVersionIds, IncludeDeprecated; recorded (test_deprecated_secret_version_stage).',
  },
  {
    case: 'ListSecretVersionIds in pages',
    emulator: [1, 'more'],
    moto: [2, 'end'],
    reason: 'API_ListSecretVersionIds, MaxResults and NextToken. moto has no pages.',
  },
  {
    case: 'PutSecretValue into a secret that is to be deleted',
    emulator: 'InvalidRequestException',
    moto: ['AWSCURRENT'],
    reason: 'API_PutSecretValue, Errors: InvalidRequestException, the secret is scheduled for deletion.',
  },
  {
    case: 'CreateSecret with the name of a secret that is to be deleted',
    emulator: 'InvalidRequestException',
    moto: 'ResourceExistsException',
    reason: 'Recorded (test_exp_raised_on_creation_of_secret_scheduled_for_deletion).',
  },
  {
    case: 'RotateSecret without a function',
    emulator: 'InvalidRequestException',
    moto: 'rotating',
    reason: 'API_RotateSecret, Errors: InvalidRequestException without a Lambda function ARN.',
  },
  {
    case: 'RotateSecret with a function that does not exist',
    emulator: 'rotating',
    moto: 'ResourceNotFoundException',
    reason:
      'The emulator has one function and calls it whatever the ARN. AWS answers AccessDeniedException (recorded, ' +
      'test_rotate_secret_invalid_lambda_arn; API_RotateSecret does not list it).',
  },
  {
    case: 'RotateSecret while AWSPENDING is on another version than AWSCURRENT',
    emulator: ['InvalidRequestException', { [id('first')]: ['AWSCURRENT'], [id('second')]: ['AWSPENDING'] }],
    moto: ['ResourceNotFoundException', { [id('first')]: ['AWSCURRENT'], [id('third')]: ['AWSPENDING'] }],
    reason: 'API_RotateSecret: a rotation is assumed to be in progress, and an error returned. moto starts another.',
  },
  {
    case: 'RotateSecret while AWSPENDING is on AWSCURRENT',
    emulator: [id('first'), id('second'), id('third')],
    moto: [id('first'), id('second')],
    reason: 'API_RotateSecret: that rotation was successful, a new one may start. moto refuses.',
  },
  {
    case: 'RotateSecret with RotateImmediately false: the pending version for testSecret',
    emulator: 'ResourceNotFoundException',
    moto: '1',
    reason:
      'API_RotateSecret does not say whether it has a value. Empty is the harder case for a function; the option ' +
      'temporaryVersionHasValue makes the emulator answer as moto does.',
  },
];

describeMoto('the emulator and moto answer alike', (endpoint) => {
  let emulator: SecretsManagerEmulator;
  // A moto given by its address may have seen an earlier run.
  const run = Date.now().toString(36);

  beforeAll(async () => {
    emulator = await startSecretsManager();
  });

  afterAll(async () => {
    await emulator[Symbol.asyncDispose]();
  });

  test.each(Object.entries(SCENARIOS))('%s', async (name, scenario) => {
    const secret = `${run}/${Object.keys(SCENARIOS).indexOf(name)}`;

    const ours = await scenario(new Subject(clientOf(emulator.endpoint), secret));
    const theirs = await scenario(new Subject(clientOf(endpoint()), secret));

    const known = DIFFERENCES.find((difference) => difference.case === name);
    if (known === undefined) expect(ours).toEqual(theirs);
    else expect({ emulator: ours, moto: theirs }).toEqual({ emulator: known.emulator, moto: known.moto });
  });
});

test('every known difference is one, and belongs to a scenario', () => {
  for (const difference of DIFFERENCES) {
    expect(Object.keys(SCENARIOS)).toContain(difference.case);
    expect(difference.emulator).not.toEqual(difference.moto);
  }
});
