/**
 * The rules of Secrets Manager that a client can see, each with its answer. The emulator must answer so, and moto, an
 * independent implementation of the same API, must answer alike or as is written beside the rule.
 */

import {
  CancelRotateSecretCommand,
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  type PutSecretValueCommandInput,
  RotateSecretCommand,
  type RotateSecretCommandInput,
  type SecretsManagerClient,
  type SecretsManagerServiceException,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateSecretCommand,
  type UpdateSecretCommandInput,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { FUNCTION_ARN } from '../../local/secrets-manager/server.ts';
import { id } from './secrets-manager-client.ts';

export type Rule = {
  /** The rule makes its secret itself. Any other finds one: version "first" is AWSCURRENT, its value "1". */
  isNew?: true;
  /** What is called, and what of the answers matters. */
  calls(s: SecretOnServer): Promise<unknown>;
  /** What AWS answers, as far as anybody knows. */
  answer: unknown;
  /**
   * What the answer rests on. API_X is a page of https://docs.aws.amazon.com/secretsmanager/latest/apireference/,
   * "recorded" an answer of the real service that LocalStack keeps with its tests (test_secretsmanager.snapshot.json).
   */
  source?: string;
} & (
  | { moto?: never }
  /** Where moto answers otherwise: its answer, and why ours is right. */
  | { source: string; moto: unknown }
);

/** What a rule's calls show on this server, with a secret of this name. */
export async function play(rule: Rule, client: SecretsManagerClient, name: string): Promise<unknown> {
  const secret = new SecretOnServer(client, name);
  if (!rule.isNew) await secret.create('1');
  return secret.withoutItsName(await rule.calls(secret));
}

type Reading = { SecretId?: string; version?: string; label?: string };

/** Calls that give what matters of the answer, or the error's name. Rules say "second" for a version's whole id. */
class SecretOnServer {
  readonly client: SecretsManagerClient;
  readonly name: string;

  constructor(client: SecretsManagerClient, name: string) {
    this.client = client;
    this.name = name;
  }

  /** The name and the padding of the ids differ from rule to rule and say nothing. */
  withoutItsName(answer: unknown): unknown {
    if (typeof answer === 'string') return answer.replaceAll(this.name, '$name').replace(/-{8,}/g, '');
    if (Array.isArray(answer)) return answer.map((one) => this.withoutItsName(one));
    if (answer === null || typeof answer !== 'object') return answer;
    const entries = Object.entries(answer).map(([key, value]) => [
      this.withoutItsName(key),
      this.withoutItsName(value),
    ]);
    return Object.fromEntries(entries);
  }

  create(value?: string, version = 'first') {
    const request = { Name: this.name, ClientRequestToken: id(version) };
    const command = new CreateSecretCommand(value === undefined ? request : { ...request, SecretString: value });
    return orName(this.client.send(command), ({ VersionId }) => VersionId ?? 'no version');
  }

  put(version: string, value: string, labels?: string[]) {
    return this.putAs({ ClientRequestToken: id(version), SecretString: value }, labels);
  }

  putAs(request: Partial<PutSecretValueCommandInput>, VersionStages?: string[]) {
    const labels = VersionStages === undefined ? {} : { VersionStages };
    const command = new PutSecretValueCommand({ SecretId: this.name, ...request, ...labels });
    return orName(this.client.send(command), (answer) => answer.VersionStages?.sort());
  }

  reading({ SecretId = this.name, version, label }: Reading) {
    const byVersion = version === undefined ? {} : { VersionId: id(version) };
    return new GetSecretValueCommand({
      SecretId,
      ...byVersion,
      ...(label === undefined ? {} : { VersionStage: label }),
    });
  }

  get(reading: Reading = {}) {
    return orName(this.client.send(this.reading(reading)), ({ SecretString }) => SecretString);
  }

  update(request: Partial<UpdateSecretCommandInput>) {
    const command = new UpdateSecretCommand({ SecretId: this.name, ...request });
    return orName(this.client.send(command), ({ VersionId }) => VersionId ?? 'no version');
  }

  moving(label: string, from?: string, to?: string) {
    return new UpdateSecretVersionStageCommand({
      SecretId: this.name,
      VersionStage: label,
      ...(from === undefined ? {} : { RemoveFromVersionId: id(from) }),
      ...(to === undefined ? {} : { MoveToVersionId: id(to) }),
    });
  }

  move(label: string, from?: string, to?: string) {
    return orName(this.client.send(this.moving(label, from, to)), () => 'moved');
  }

  /** A move that is to be refused: how it was, and where the labels are after it. */
  async moveInVain(label: string, from?: string, to?: string) {
    return [await status(this.client.send(this.moving(label, from, to))), await this.labels()];
  }

  rotating(version: string, more: Partial<RotateSecretCommandInput> = {}) {
    const request = { SecretId: this.name, ClientRequestToken: id(version), RotationLambdaARN: FUNCTION_ARN };
    return new RotateSecretCommand({ ...request, RotationRules: { AutomaticallyAfterDays: 30 }, ...more });
  }

  rotate(version: string, more: Partial<RotateSecretCommandInput> = {}) {
    return orName(this.client.send(this.rotating(version, more)), ({ VersionId }) => VersionId);
  }

  cancel() {
    const command = new CancelRotateSecretCommand({ SecretId: this.name });
    return orName(this.client.send(command), ({ VersionId }) => VersionId ?? 'no version');
  }

  tag(...tags: [string, string][]) {
    const Tags = tags.map(([Key, Value]) => ({ Key, Value }));
    return this.client.send(new TagResourceCommand({ SecretId: this.name, Tags }));
  }

  delete(ForceDeleteWithoutRecovery = false) {
    const command = new DeleteSecretCommand({ SecretId: this.name, ForceDeleteWithoutRecovery });
    return orName(this.client.send(command), () => 'deleted');
  }

  async daysToLive() {
    const { DeletedDate } = await this.describe();
    return Math.round((Number(DeletedDate) - Date.now()) / (24 * 60 * 60 * 1000));
  }

  describe() {
    return this.client.send(new DescribeSecretCommand({ SecretId: this.name }));
  }

  /** Which labels are where. Versions without one are left out, in whatever way the server shows them. */
  async labels() {
    const { VersionIdsToStages = {} } = await this.describe();
    const labelled = Object.entries(VersionIdsToStages).filter(([, labels]) => labels.length > 0);
    return Object.fromEntries(labelled.map(([version, labels]) => [version, labels.sort()]));
  }

  async versions(IncludeDeprecated: boolean) {
    const command = new ListSecretVersionIdsCommand({ SecretId: this.name, IncludeDeprecated });
    const { Versions = [] } = await this.client.send(command);
    return Versions.map(({ VersionId, VersionStages }) => [VersionId, VersionStages]);
  }
}

const orName = <A, B>(call: Promise<A>, pick: (answer: A) => B): Promise<B | string> =>
  call.then(pick, (error: Error) => error.name);

/** The error's name and message. */
const said = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'done',
    (error: Error) => `${error.name}: ${error.message}`,
  );

/** The HTTP status and the error's name. */
const status = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'done',
    ({ name, $metadata }: SecretsManagerServiceException) => `${$metadata.httpStatusCode} ${name}`,
  );

const AS_BEGUN = { first: ['AWSCURRENT'], second: ['AWSPENDING'] };
const INCOMPLETE = "InvalidRequestException: A previous rotation isn't complete. That rotation will be reattempted.";
/** moto looks for the function and finds none. It has registered the pending version by then. */
const NO_SUCH_FUNCTION = `ResourceNotFoundException: Resource not found for ARN '${FUNCTION_ARN}'.`;

export const RULES: Readonly<Record<string, Rule>> = {
  'CreateSecret with a value': {
    isNew: true,
    calls: async (s) => [await s.create('1'), await s.get(), await s.labels()],
    answer: ['first', '1', { first: ['AWSCURRENT'] }],
  },
  'CreateSecret without a value makes no version': {
    isNew: true,
    calls: async (s) => [await s.create(), await s.labels(), await said(s.client.send(s.reading({})))],
    answer: [
      'no version',
      {},
      "ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
    ],
  },
  'DescribeSecret of a secret without a version has no VersionIdsToStages': {
    isNew: true,
    calls: async (s) => {
      await s.create();
      return 'VersionIdsToStages' in (await s.describe());
    },
    answer: false,
  },
  'CreateSecret again, same token and content': {
    calls: async (s) => [await s.create('1'), await s.labels()],
    answer: ['first', { first: ['AWSCURRENT'] }],
  },
  'CreateSecret again, same token, other content': {
    calls: async (s) => [await s.create('2'), await s.get()],
    answer: ['ResourceExistsException', '1'],
  },
  'CreateSecret again, other token': {
    calls: (s) => {
      const request = { Name: s.name, SecretString: '1', ClientRequestToken: id('second') };
      return said(s.client.send(new CreateSecretCommand(request)));
    },
    answer: 'ResourceExistsException: The operation failed because the secret $name already exists.',
  },
  'CreateSecret with a token that is too short': {
    isNew: true,
    calls: (s) => {
      const request = { Name: s.name, SecretString: '1', ClientRequestToken: 'short' };
      return status(s.client.send(new CreateSecretCommand(request)));
    },
    answer: '400 InvalidParameterException',
    source: 'API_CreateSecret, ClientRequestToken',
  },
  'CreateSecret with a name that is none': {
    isNew: true,
    calls: async (s) => {
      const create = async (Name: string) => {
        const { ARN: SecretId } = await s.client.send(new CreateSecretCommand({ Name }));
        await s.client.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
      };
      return Promise.all(['', `${s.name} b`, `${s.name}?`].map((name) => orName(create(name), () => 'created')));
    },
    answer: ['ValidationException', 'ValidationException', 'ValidationException'],
    source: 'API_CreateSecret, Name: 1 to 512 ASCII letters, digits and /_+=.@-.',
    moto: ['created', 'created', 'created'],
  },
  'the ARN ends in a hyphen and six characters': {
    calls: async (s) => (await s.describe()).ARN?.replace(/-[A-Za-z0-9]{6}$/, '-six'),
    answer: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:$name-six',
  },
  'a secret has other ARNs than one of the same name before it': {
    calls: async (s) => {
      const { ARN } = await s.describe();
      await s.delete(true);
      await s.create('1');
      return (await s.describe()).ARN === ARN;
    },
    answer: false,
  },

  'GetSecretValue by name, by ARN, by ARN without suffix': {
    calls: async (s) => {
      const { ARN = '' } = await s.describe();
      const read = async (SecretId: string) => {
        const answer = await s.client.send(new GetSecretValueCommand({ SecretId }));
        return [answer.ARN === ARN, answer.Name, answer.SecretString];
      };
      return [await read(s.name), await read(ARN), await read(ARN.slice(0, -7))];
    },
    answer: [
      [true, '$name', '1'],
      [true, '$name', '1'],
      [true, '$name', '1'],
    ],
  },
  'GetSecretValue reads AWSCURRENT, and says which version that is': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      const { SecretString, VersionId, VersionStages } = await s.client.send(s.reading({}));
      return { SecretString, VersionId, VersionStages };
    },
    answer: { SecretString: '1', VersionId: 'first', VersionStages: ['AWSCURRENT'] },
  },
  'GetSecretValue by label, by id, by both': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return [
        await s.get({ label: 'AWSPENDING' }),
        await s.get({ version: 'second' }),
        await s.get({ version: 'second', label: 'AWSPENDING' }),
      ];
    },
    answer: ['2', '2', '2'],
  },
  'GetSecretValue by an id and a label of another version': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return said(s.client.send(s.reading({ version: 'second', label: 'AWSCURRENT' })));
    },
    answer: 'InvalidRequestException: You provided a VersionStage that is not associated to the provided VersionId.',
    source: 'Recorded.',
  },
  'GetSecretValue by an id and a label of no version': {
    calls: (s) => said(s.client.send(s.reading({ version: 'first', label: 'AWSPENDING' }))),
    answer: 'InvalidRequestException: You provided a VersionStage that is not associated to the provided VersionId.',
    source: 'Recorded.',
  },
  'GetSecretValue by an unknown id and a label of no version': {
    calls: (s) => s.get({ version: 'second', label: 'AWSPENDING' }),
    answer: 'ResourceNotFoundException',
  },
  'GetSecretValue of an unknown secret': {
    calls: (s) => said(s.client.send(s.reading({ SecretId: 'another' }))),
    answer: "ResourceNotFoundException: Secrets Manager can't find the specified secret.",
  },
  'DescribeSecret of an unknown secret': {
    calls: (s) => said(s.client.send(new DescribeSecretCommand({ SecretId: `${s.name}/another` }))),
    answer: "ResourceNotFoundException: Secrets Manager can't find the specified secret.",
  },
  'GetSecretValue of an unknown version': {
    calls: (s) => said(s.client.send(s.reading({ version: 'second' }))),
    answer: "ResourceNotFoundException: Secrets Manager can't find the specified secret value for VersionId: second",
  },
  'GetSecretValue of a label on no version': {
    calls: (s) => said(s.client.send(s.reading({ label: 'AWSPENDING' }))),
    answer:
      "ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: AWSPENDING",
    source: 'Recorded (test_secret_version_not_found). The error name is the same.',
    moto: "ResourceNotFoundException: Secrets Manager can't find the specified secret.",
  },
  'the HTTP status of a refused GetSecretValue or DescribeSecret': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return [
        await status(s.client.send(s.reading({ SecretId: 'another' }))),
        await status(s.client.send(new DescribeSecretCommand({ SecretId: 'another' }))),
        await status(s.client.send(s.reading({ version: 'second', label: 'AWSCURRENT' }))),
      ];
    },
    answer: ['400 ResourceNotFoundException', '400 ResourceNotFoundException', '400 InvalidRequestException'],
    source: 'API_GetSecretValue and API_DescribeSecret, Errors: HTTP status code 400.',
    moto: ['404 ResourceNotFoundException', '404 ResourceNotFoundException', '404 InvalidRequestException'],
  },
  'CreatedDate has a fraction of a second': {
    calls: async (s) => {
      const fractions: boolean[] = [];
      for (const version of ['second', 'third', 'fourth', 'fifth']) {
        await s.put(version, version);
        const { CreatedDate } = await s.client.send(s.reading({}));
        fractions.push((CreatedDate?.getTime() ?? 0) % 1000 !== 0);
      }
      return fractions.some((fraction) => fraction);
    },
    answer: true,
    source: 'API_GetSecretValue, Examples: "CreatedDate":1.523477145713E9.',
    moto: false,
  },

  'PutSecretValue moves AWSCURRENT, and AWSPREVIOUS after it': {
    calls: async (s) => [
      await s.put('second', '2'),
      await s.labels(),
      await s.put('third', '3'),
      await s.labels(),
      await s.get(),
    ],
    answer: [
      ['AWSCURRENT'],
      { first: ['AWSPREVIOUS'], second: ['AWSCURRENT'] },
      ['AWSCURRENT'],
      { second: ['AWSPREVIOUS'], third: ['AWSCURRENT'] },
      '3',
    ],
  },
  'PutSecretValue with AWSPENDING leaves AWSCURRENT alone': {
    calls: async (s) => {
      const request = { SecretId: s.name, ClientRequestToken: id('second'), SecretString: '2' };
      const command = new PutSecretValueCommand({ ...request, VersionStages: ['AWSPENDING'] });
      const { VersionId, VersionStages } = await s.client.send(command);
      return [VersionId, VersionStages, await s.labels(), await s.get()];
    },
    answer: ['second', ['AWSPENDING'], AS_BEGUN, '1'],
  },
  'PutSecretValue takes a label from another version': {
    calls: async (s) => [
      await s.put('second', '2', ['AWSPENDING', 'mine']),
      await s.put('third', '3', ['AWSPENDING']),
      await s.labels(),
    ],
    answer: [
      ['AWSPENDING', 'mine'],
      ['AWSPENDING'],
      { first: ['AWSCURRENT'], second: ['mine'], third: ['AWSPENDING'] },
    ],
  },
  'labels are answered in alphabetical order': {
    calls: async (s) => {
      const request = { SecretId: s.name, ClientRequestToken: id('second'), SecretString: '2' };
      const VersionStages = ['mine', 'AWSPENDING', 'AWSCURRENT'];
      const put = await s.client.send(new PutSecretValueCommand({ ...request, VersionStages }));
      const read = await s.client.send(s.reading({}));
      return [put.VersionStages, read.VersionStages, (await s.describe()).VersionIdsToStages?.[id('second')]];
    },
    answer: [
      ['AWSCURRENT', 'AWSPENDING', 'mine'],
      ['AWSCURRENT', 'AWSPENDING', 'mine'],
      ['AWSCURRENT', 'AWSPENDING', 'mine'],
    ],
    source: 'Recorded. moto keeps the order in which they were put on.',
    moto: [
      ['mine', 'AWSPENDING', 'AWSCURRENT'],
      ['mine', 'AWSPENDING', 'AWSCURRENT'],
      ['mine', 'AWSPENDING', 'AWSCURRENT'],
    ],
  },
  'PutSecretValue gives the first version AWSCURRENT, whatever was asked for': {
    isNew: true,
    calls: async (s) => [await s.create(), await s.put('second', '2', ['AWSPENDING']), await s.labels()],
    answer: ['no version', ['AWSCURRENT', 'AWSPENDING'], { second: ['AWSCURRENT', 'AWSPENDING'] }],
    source: 'API_PutSecretValue',
  },
  'PutSecretValue again, same token and content': {
    calls: async (s) => [await s.put('second', '2'), await s.put('second', '2'), await s.labels()],
    answer: [['AWSCURRENT'], ['AWSCURRENT'], { first: ['AWSPREVIOUS'], second: ['AWSCURRENT'] }],
    source: 'API_PutSecretValue, ClientRequestToken',
  },
  'PutSecretValue again, same token, other content': {
    calls: async (s) => [await s.put('second', '2'), await s.put('second', 'x'), await s.get()],
    answer: [['AWSCURRENT'], 'ResourceExistsException', '2'],
    source: 'API_PutSecretValue, ClientRequestToken',
  },
  'PutSecretValue again for AWSPENDING, same token and content': {
    calls: async (s) => [
      await s.put('second', '2', ['AWSPENDING']),
      await s.put('second', '2', ['AWSPENDING']),
      await s.labels(),
    ],
    answer: [['AWSPENDING'], ['AWSPENDING'], AS_BEGUN],
    source: 'API_PutSecretValue, ClientRequestToken',
  },
  'PutSecretValue again for AWSPENDING, same token, other content': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return [await s.put('second', 'x', ['AWSPENDING']), await s.get({ label: 'AWSPENDING' })];
    },
    answer: ['ResourceExistsException', '2'],
    source: "API_PutSecretValue: other content fails, for one can't modify a version; no exception for AWSPENDING.",
    moto: [['AWSPENDING'], 'x'],
  },
  'PutSecretValue without a value': {
    calls: (s) => s.putAs({ ClientRequestToken: id('second') }),
    answer: 'InvalidRequestException',
  },
  'PutSecretValue with two values': {
    calls: (s) => s.putAs({ SecretString: '2', SecretBinary: new Uint8Array([2]) }),
    answer: 'InvalidParameterException',
    source: 'API_PutSecretValue: SecretBinary or SecretString, but not both. The name of the error is assumed.',
    moto: ['AWSCURRENT'],
  },
  'PutSecretValue of 64 KiB': {
    calls: (s) => s.putAs({ SecretString: 'x'.repeat(65_536) }),
    answer: ['AWSCURRENT'],
    source: 'API_PutSecretValue, SecretString: at most 65536.',
  },
  'PutSecretValue of more than 64 KiB is refused, and the value not repeated': {
    calls: async (s) => {
      const request = { SecretId: s.name, SecretString: 'secret'.repeat(20_000) };
      const told = await said(s.client.send(new PutSecretValueCommand(request)));
      return [told.replace(/:.*/s, ''), told.includes('secret'.repeat(2)), await s.get()];
    },
    answer: ['ValidationException', false, '1'],
    source: 'API_PutSecretValue, SecretString: at most 65536. The name of the error is assumed.',
    moto: ['done', false, 'secret'.repeat(20_000)],
  },
  'PutSecretValue of SecretBinary': {
    calls: async (s) => {
      await s.putAs({ SecretBinary: new Uint8Array([0, 1, 254, 255]) });
      const { SecretBinary, SecretString = 'no text' } = await s.client.send(s.reading({}));
      return [[...(SecretBinary ?? [])], SecretString];
    },
    answer: [[0, 1, 254, 255], 'no text'],
  },
  'a token has 32 to 64 characters': {
    calls: (s) => {
      const put = (length: number) => s.putAs({ SecretString: '2', ClientRequestToken: 'x'.repeat(length) });
      return Promise.all([31, 32, 64, 65].map(put));
    },
    answer: ['InvalidParameterException', ['AWSCURRENT'], ['AWSCURRENT'], 'InvalidParameterException'],
    source: 'API_PutSecretValue, ClientRequestToken',
  },
  'PutSecretValue accepts a RotationToken, and no answer has it': {
    calls: async (s) => {
      const token = 'rotation-token-3f9a';
      const request = { SecretId: s.name, SecretString: '2', RotationToken: token };
      const answers = [
        await s.client.send(new PutSecretValueCommand(request)),
        await s.describe(),
        await s.client.send(s.reading({})),
        await s.client.send(new ListSecretVersionIdsCommand({ SecretId: s.name, IncludeDeprecated: true })),
      ];
      return [await s.get(), JSON.stringify(answers).includes(token)];
    },
    answer: ['2', false],
  },
  'PutSecretValue in mid-rotation leaves AWSPENDING where it is': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return [await s.put('third', '3'), await s.labels()];
    },
    answer: [['AWSCURRENT'], { first: ['AWSPREVIOUS'], second: ['AWSPENDING'], third: ['AWSCURRENT'] }],
  },
  'AWSPENDING goes when PutSecretValue takes AWSCURRENT from its version': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSCURRENT', 'AWSPENDING']);
      return [await s.labels(), await s.put('third', '3'), await s.labels()];
    },
    answer: [
      { first: ['AWSPREVIOUS'], second: ['AWSCURRENT', 'AWSPENDING'] },
      ['AWSCURRENT'],
      { second: ['AWSPREVIOUS'], third: ['AWSCURRENT'] },
    ],
    source: 'Recorded.',
  },
  'a label of our own stays when AWSCURRENT leaves its version': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSCURRENT', 'AWSPENDING', 'mine']);
      await s.put('third', '3');
      return s.labels();
    },
    answer: { second: ['AWSPREVIOUS', 'mine'], third: ['AWSCURRENT'] },
    source: 'API_PutSecretValue names AWSPREVIOUS alone; recorded (…_current_pending_cycle_custom_stages_2).',
    moto: { second: ['AWSPREVIOUS'], third: ['AWSCURRENT'] },
  },

  'UpdateSecret with a value moves AWSCURRENT': {
    calls: async (s) => [
      await s.update({ SecretString: '2', ClientRequestToken: id('second') }),
      await s.labels(),
      await s.get(),
    ],
    answer: ['second', { first: ['AWSPREVIOUS'], second: ['AWSCURRENT'] }, '2'],
    source: 'API_UpdateSecret',
  },
  'UpdateSecret without a value makes no version': {
    calls: async (s) => [await s.update({ Description: 'words' }), (await s.describe()).Description, await s.labels()],
    answer: ['no version', 'words', { first: ['AWSCURRENT'] }],
    source: 'API_UpdateSecret',
  },

  'UpdateSecretVersionStage moves AWSCURRENT, and AWSPREVIOUS after it; AWSPENDING stays': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return [await s.move('AWSCURRENT', 'first', 'second'), await s.labels(), await s.get({ label: 'AWSCURRENT' })];
    },
    answer: ['moved', { first: ['AWSPREVIOUS'], second: ['AWSCURRENT', 'AWSPENDING'] }, '2'],
    source: 'API_UpdateSecretVersionStage',
  },
  'UpdateSecretVersionStage moves AWSCURRENT back': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      await s.move('AWSCURRENT', 'first', 'second');
      await s.move('AWSPENDING', 'second');
      return [await s.move('AWSCURRENT', 'second', 'first'), await s.labels(), await s.get({ label: 'AWSCURRENT' })];
    },
    answer: ['moved', { first: ['AWSCURRENT'], second: ['AWSPREVIOUS'] }, '1'],
    source: 'API_UpdateSecretVersionStage',
  },
  'GetSecretValue without label or id after UpdateSecretVersionStage': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      await s.move('AWSCURRENT', 'first', 'second');
      return s.get();
    },
    answer: '2',
    source:
      'API_GetSecretValue: without either it returns AWSCURRENT. moto returns what was AWSCURRENT before the move.',
    moto: '1',
  },
  'AWSPENDING stays when UpdateSecretVersionStage takes AWSCURRENT from its version': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSCURRENT', 'AWSPENDING']);
      return [await s.move('AWSCURRENT', 'second', 'first'), await s.labels()];
    },
    answer: ['moved', { first: ['AWSCURRENT'], second: ['AWSPENDING', 'AWSPREVIOUS'] }],
    source: 'Assumed; PutSecretValue takes AWSPENDING off.',
  },
  'UpdateSecretVersionStage does not move AWSCURRENT without RemoveFromVersionId': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return s.moveInVain('AWSCURRENT', undefined, 'second');
    },
    answer: ['400 InvalidParameterException', AS_BEGUN],
    source: 'API_UpdateSecretVersionStage, RemoveFromVersionId',
  },
  'UpdateSecretVersionStage: what is said without RemoveFromVersionId': {
    calls: async (s) => {
      await s.put('second', '2');
      return said(s.client.send(s.moving('AWSCURRENT', undefined, 'first')));
    },
    answer:
      "InvalidParameterException: The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is " +
      'currently attached to version second, so you must explicitly reference that version in RemoveFromVersionId.',
  },
  'UpdateSecretVersionStage does not move AWSPENDING without RemoveFromVersionId': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return s.moveInVain('AWSPENDING', undefined, 'first');
    },
    answer: ['400 InvalidParameterException', AS_BEGUN],
    source: 'API_UpdateSecretVersionStage: a label is on one version at a time; without RemoveFromVersionId it fails.',
    moto: ['done', { first: ['AWSCURRENT', 'AWSPENDING'], second: ['AWSPENDING'] }],
  },
  'UpdateSecretVersionStage does not move a label from a version that has it not': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return [
        await s.moveInVain('AWSCURRENT', 'second', 'first'),
        await s.moveInVain('AWSCURRENT', 'second', 'second'),
      ];
    },
    answer: [
      ['400 InvalidParameterException', AS_BEGUN],
      ['400 InvalidParameterException', AS_BEGUN],
    ],
    source: 'API_UpdateSecretVersionStage, RemoveFromVersionId',
  },
  'UpdateSecretVersionStage does not move a label to an unknown version': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return s.moveInVain('AWSCURRENT', 'first', 'x');
    },
    answer: ['400 InvalidParameterException', AS_BEGUN],
    source: 'API_UpdateSecretVersionStage: the operation fails. moto takes the label off before it looks further.',
    moto: ['400 InvalidParameterException', { second: ['AWSPENDING'] }],
  },
  'UpdateSecretVersionStage does not move a label from an unknown version': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return s.moveInVain('AWSCURRENT', 'x', 'second');
    },
    answer: ['400 InvalidParameterException', AS_BEGUN],
  },
  'UpdateSecretVersionStage with neither version': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return s.moveInVain('AWSPENDING');
    },
    answer: ['400 InvalidParameterException', AS_BEGUN],
    source: 'Assumed: nothing is asked for. moto says yes and does nothing.',
    moto: ['done', AS_BEGUN],
  },
  'UpdateSecretVersionStage removes AWSPENDING; the version is still read by id': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return [await s.move('AWSPENDING', 'second'), await s.labels(), await s.get({ version: 'second' })];
    },
    answer: ['moved', { first: ['AWSCURRENT'] }, '2'],
    source: 'API_UpdateSecretVersionStage',
  },
  'UpdateSecretVersionStage does not remove AWSCURRENT': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return s.moveInVain('AWSCURRENT', 'first');
    },
    answer: ['400 InvalidParameterException', AS_BEGUN],
    source: "API_UpdateSecretVersionStage only moves AWSCURRENT; the refusal is quoted in Terraform's AWS provider.",
    moto: ['done', { first: ['AWSPREVIOUS'], second: ['AWSPENDING'] }],
  },
  'UpdateSecretVersionStage puts on a label that is nowhere': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return [await s.move('mine', undefined, 'second'), await s.labels()];
    },
    answer: ['moved', { first: ['AWSCURRENT'], second: ['AWSPENDING', 'mine'] }],
    source: 'API_UpdateSecretVersionStage',
  },
  'UpdateSecretVersionStage changes nothing where the label already is': {
    calls: async (s) => {
      await s.move('mine', undefined, 'first');
      return [await s.move('mine', undefined, 'first'), await s.labels()];
    },
    answer: ['moved', { first: ['AWSCURRENT', 'mine'] }],
    source: 'API_UpdateSecretVersionStage: a label is on a version or not. moto puts it on twice.',
    moto: ['moved', { first: ['AWSCURRENT', 'mine', 'mine'] }],
  },

  'a version without a label is read by id': {
    calls: async (s) => {
      await s.put('second', '2');
      await s.put('third', '3');
      return s.get({ version: 'first' });
    },
    answer: '1',
  },
  'DescribeSecret shows no version without a label': {
    calls: async (s) => {
      await s.put('second', '2');
      await s.put('third', '3');
      return Object.keys((await s.describe()).VersionIdsToStages ?? {}).sort();
    },
    answer: ['second', 'third'],
    source: 'API_DescribeSecret, VersionIdsToStages: the versions that have staging labels attached.',
    moto: ['first', 'second', 'third'],
  },
  'ListSecretVersionIds with deprecated versions, oldest first': {
    calls: async (s) => {
      await s.put('second', '2');
      await s.put('third', '3');
      return s.versions(true);
    },
    answer: [
      ['first', undefined],
      ['second', ['AWSPREVIOUS']],
      ['third', ['AWSCURRENT']],
    ],
    source: 'Recorded: a version without a label has no VersionStages. That the oldest is first is assumed.',
    moto: [
      ['first', []],
      ['second', ['AWSPREVIOUS']],
      ['third', ['AWSCURRENT']],
    ],
  },
  'ListSecretVersionIds without deprecated versions': {
    calls: async (s) => {
      await s.put('second', '2');
      await s.put('third', '3');
      return (await s.versions(false)).map(([version]) => version);
    },
    answer: ['second', 'third'],
    source: 'API_ListSecretVersionIds, IncludeDeprecated; recorded (test_deprecated_secret_version_stage).',
    moto: ['first', 'second', 'third'],
  },
  'ListSecretVersionIds in pages': {
    calls: async (s) => {
      await s.put('second', '2');
      await s.put('third', '3', ['AWSPENDING']);
      const page = (NextToken?: string) => {
        const request = { SecretId: s.name, MaxResults: 2 };
        const command = new ListSecretVersionIdsCommand(NextToken === undefined ? request : { ...request, NextToken });
        return s.client.send(command);
      };
      const one = await page();
      const two = await page(one.NextToken);
      return [
        one.Versions?.map(({ VersionId }) => VersionId),
        one.NextToken ? 'more' : 'the end',
        two.Versions?.map(({ VersionId }) => VersionId),
        two.NextToken,
        await orName(page('made up'), () => 'a page'),
      ];
    },
    answer: [['first', 'second'], 'more', ['third'], undefined, 'InvalidNextTokenException'],
    source: 'API_ListSecretVersionIds, MaxResults and NextToken. moto has no pages.',
    moto: [['first', 'second', 'third'], 'the end', ['first', 'second', 'third'], '', 'a page'],
  },

  'tags are added, overwritten and removed': {
    calls: async (s) => {
      await s.tag(['a', '1'], ['b', '2']);
      await s.tag(['b', '3']);
      const two = (await s.describe()).Tags;
      await s.client.send(new UntagResourceCommand({ SecretId: s.name, TagKeys: ['a'] }));
      return [two, (await s.describe()).Tags];
    },
    answer: [
      [
        { Key: 'a', Value: '1' },
        { Key: 'b', Value: '3' },
      ],
      [{ Key: 'b', Value: '3' }],
    ],
    source: 'API_TagResource, API_UntagResource',
  },
  'tags that were never there, and that were all removed': {
    calls: async (s) => {
      const before = (await s.describe()).Tags;
      await s.tag(['a', '1'], ['b', '2']);
      await s.client.send(new UntagResourceCommand({ SecretId: s.name, TagKeys: ['a', 'b'] }));
      return [before, (await s.describe()).Tags];
    },
    answer: [undefined, []],
  },
  'a secret that is to be deleted is described, and neither read nor rotated nor deleted': {
    calls: async (s) => {
      await s.delete();
      const { DeletedDate } = await s.describe();
      return [DeletedDate instanceof Date, await s.get(), await s.rotate('second'), await s.delete()];
    },
    answer: [true, 'InvalidRequestException', 'InvalidRequestException', 'InvalidRequestException'],
  },
  'a secret is to be deleted after its recovery window': {
    calls: async (s) => {
      await s.client.send(new DeleteSecretCommand({ SecretId: s.name, RecoveryWindowInDays: 7 }));
      return s.daysToLive();
    },
    answer: 7,
    source: 'API_DeleteSecret, RecoveryWindowInDays',
  },
  'a recovery window has 30 days, unless told otherwise': {
    calls: async (s) => {
      await s.delete();
      return s.daysToLive();
    },
    answer: 30,
    source: 'API_DeleteSecret, RecoveryWindowInDays',
  },
  'PutSecretValue into a secret that is to be deleted': {
    calls: async (s) => {
      await s.delete();
      return s.put('second', '2');
    },
    answer: 'InvalidRequestException',
    source: 'API_PutSecretValue, Errors: InvalidRequestException, the secret is scheduled for deletion.',
    moto: ['AWSCURRENT'],
  },
  'CreateSecret with the name of a secret that is to be deleted': {
    calls: async (s) => {
      await s.delete();
      return said(s.client.send(new CreateSecretCommand({ Name: s.name, SecretString: '1' })));
    },
    answer:
      "InvalidRequestException: You can't create this secret because a secret with this name is already scheduled " +
      'for deletion.',
    source: 'Recorded (test_exp_raised_on_creation_of_secret_scheduled_for_deletion).',
    moto: 'ResourceExistsException: The operation failed because the secret $name already exists.',
  },
  'DeleteSecret by force': {
    calls: async (s) => [await s.delete(true), await s.get(), await s.create('1')],
    answer: ['deleted', 'ResourceNotFoundException', 'first'],
  },

  'RotationEnabled is absent until rotation was configured': {
    calls: async (s) => {
      const described = await s.describe();
      return ['RotationEnabled' in described, 'RotationLambdaARN' in described];
    },
    answer: [false, false],
    source: 'API_DescribeSecret; the field may be absent.',
  },
  'RotateSecret without a function is refused, and registers nothing': {
    calls: async (s) => {
      const command = new RotateSecretCommand({ SecretId: s.name, ClientRequestToken: id('second') });
      return [await said(s.client.send(command)), await s.labels()];
    },
    answer: [
      'InvalidRequestException: No Lambda rotation function ARN is associated with this secret.',
      { first: ['AWSCURRENT'] },
    ],
    source: 'API_RotateSecret, Errors: InvalidRequestException without a Lambda function ARN.',
    moto: ['done', { first: ['AWSPREVIOUS'], second: ['AWSCURRENT'] }],
  },
  'RotateSecret knows the function from the first time': {
    calls: async (s) => {
      await s.rotate('second');
      await s.move('AWSPENDING', 'second');
      await orName(
        s.client.send(new RotateSecretCommand({ SecretId: s.name, ClientRequestToken: id('third') })),
        Boolean,
      );
      return [await s.labels(), (await s.describe()).RotationLambdaARN];
    },
    answer: [{ first: ['AWSCURRENT'], third: ['AWSPENDING'] }, FUNCTION_ARN],
    source: 'API_RotateSecret: what the request leaves out stays. moto forgets the function, and rotates without one.',
    moto: [{ first: ['AWSPREVIOUS'], third: ['AWSCURRENT'] }, ''],
  },
  'RotateSecret with a function that does not exist': {
    calls: (s) => s.rotate('second'),
    answer: 'second',
    source:
      'The emulator has one function and calls it whatever the ARN. AWS answers AccessDeniedException (recorded, ' +
      'test_rotate_secret_invalid_lambda_arn; API_RotateSecret does not list it).',
    moto: 'ResourceNotFoundException',
  },
  'RotateSecret registers an empty pending version': {
    calls: async (s) => {
      await s.rotate('second');
      const { RotationEnabled, RotationLambdaARN, RotationRules } = await s.describe();
      return [
        await s.labels(),
        await s.get({ version: 'second', label: 'AWSPENDING' }),
        await s.get(),
        { RotationEnabled, RotationLambdaARN, RotationRules },
      ];
    },
    answer: [
      AS_BEGUN,
      'ResourceNotFoundException',
      '1',
      {
        RotationEnabled: true,
        RotationLambdaARN: FUNCTION_ARN,
        RotationRules: { AutomaticallyAfterDays: 30 },
      },
    ],
    source: 'API_RotateSecret',
  },
  'the empty pending version takes a value': {
    calls: async (s) => {
      await s.rotate('second');
      return [await s.put('second', '2', ['AWSPENDING']), await s.get({ label: 'AWSPENDING' }), await s.labels()];
    },
    answer: [['AWSPENDING'], '2', AS_BEGUN],
  },
  'RotateSecret with days out of range': {
    calls: (s) => s.rotate('second', { RotationRules: { AutomaticallyAfterDays: 1001 } }),
    answer: 'InvalidParameterException',
    source: 'API_RotationRulesType',
  },
  'RotateSecret is refused while AWSPENDING is on another version than AWSCURRENT': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSPENDING']);
      return [await said(s.client.send(s.rotating('third'))), await s.labels()];
    },
    answer: [INCOMPLETE, AS_BEGUN],
    source: 'API_RotateSecret: a rotation is assumed to be in progress, and an error returned. moto starts another.',
    moto: [NO_SUCH_FUNCTION, { first: ['AWSCURRENT'], third: ['AWSPENDING'] }],
  },
  'RotateSecret is refused while an empty pending version waits': {
    calls: async (s) => {
      await s.rotate('second');
      return [await said(s.client.send(s.rotating('third'))), await s.labels()];
    },
    answer: [INCOMPLETE, AS_BEGUN],
    source: 'API_RotateSecret: a rotation is assumed to be in progress, and an error returned. moto starts another.',
    moto: [NO_SUCH_FUNCTION, { first: ['AWSCURRENT'], third: ['AWSPENDING'] }],
  },
  'the HTTP status of a refused RotateSecret': {
    calls: async (s) => {
      await s.rotate('second');
      return status(s.client.send(s.rotating('third')));
    },
    answer: '400 InvalidRequestException',
    source: 'API_RotateSecret, Errors: HTTP status code 400. moto starts another rotation, and finds no function.',
    moto: '404 ResourceNotFoundException',
  },
  'RotateSecret again, same token, is the same rotation': {
    calls: async (s) => {
      await s.rotate('second');
      await s.put('second', '2', ['AWSPENDING']);
      return [await s.rotate('second'), await s.get({ label: 'AWSPENDING' })];
    },
    answer: ['second', '2'],
    source:
      'Assumed from what API_RotateSecret says of the token. moto registers the version again, without its value.',
    moto: ['ResourceNotFoundException', 'ResourceNotFoundException'],
  },
  'RotateSecret while AWSPENDING is on AWSCURRENT starts anew': {
    calls: async (s) => {
      await s.put('second', '2', ['AWSCURRENT', 'AWSPENDING']);
      await s.rotate('third');
      return s.labels();
    },
    answer: { first: ['AWSPREVIOUS'], second: ['AWSCURRENT'], third: ['AWSPENDING'] },
    source: 'API_RotateSecret: that rotation was successful, a new one may start. moto refuses.',
    moto: { first: ['AWSPREVIOUS'], second: ['AWSCURRENT', 'AWSPENDING'] },
  },
  'RotateSecret with RotateImmediately false: the pending version for testSecret': {
    calls: async (s) => {
      await s.rotate('second', { RotateImmediately: false });
      return s.get({ label: 'AWSPENDING' });
    },
    answer: 'ResourceNotFoundException',
    source:
      'API_RotateSecret does not say whether it has a value. Empty is the harder case for a function; the option ' +
      'temporaryVersionHasValue makes the emulator answer as moto does.',
    moto: '1',
  },
  'CancelRotateSecret before rotation was configured': {
    calls: (s) => s.cancel(),
    answer: 'InvalidRequestException',
    source: 'API_CancelRotateSecret',
  },
  'CancelRotateSecret leaves labels and function': {
    calls: async (s) => {
      await s.rotate('second');
      await s.cancel();
      const { RotationEnabled, RotationLambdaARN } = await s.describe();
      return [await s.labels(), RotationEnabled, RotationLambdaARN];
    },
    answer: [AS_BEGUN, false, FUNCTION_ARN],
    source: 'API_CancelRotateSecret',
  },
  'CancelRotateSecret answers with the pending version': {
    calls: async (s) => {
      await s.rotate('second');
      return s.cancel();
    },
    answer: 'second',
    source: 'API_CancelRotateSecret, VersionId: created by the rotation. moto gives AWSCURRENT.',
    moto: 'first',
  },
  'RotateSecret turns rotation on again, though it is refused': {
    calls: async (s) => {
      await s.rotate('second');
      await s.cancel();
      return [await s.rotate('third'), (await s.describe()).RotationEnabled];
    },
    answer: ['InvalidRequestException', true],
    source: 'API_RotateSecret turns rotation on; the rotation before is not complete. moto finds no function.',
    moto: ['ResourceNotFoundException', true],
  },
};
