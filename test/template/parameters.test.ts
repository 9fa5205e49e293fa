/** The parameters of template.yaml: what a console shows of them, and which mistakes are answered before anything is deployed. */
import { describe, expect, test } from '@jest/globals';
import { newPassword } from '../../shared/database/password.ts';
import { DatabaseSettings } from '../../shared/database/settings.ts';
import { type Facts, STRATEGIES, STRATEGY_NAMES, STRATEGY_SETTINGS } from '../../shared/database/strategies/facts.ts';
import { engines } from '../engines/engines.ts';
import { engineNames } from '../engines/servers.ts';
import { defaultEnvironment, template } from './template.ts';

const { Parameters } = template;

describe('a parameter', () => {
  const names = Object.keys(Parameters);
  const described = template.Metadata['AWS::CloudFormation::Interface'];

  test.each(names)('%s has a description, a default that it allows, a label and a group', (name) => {
    const parameter = Parameters[name];
    expect(parameter?.Description).toMatch(/^.{20,}\.$/);
    expect(problem(name, String(parameter?.Default))).toBeUndefined();
    expect(described.ParameterLabels[name]?.default).toMatch(/./);
    const groups = described.ParameterGroups.filter(({ Parameters: its }: { Parameters: string[] }) =>
      its.includes(name),
    );
    expect(groups).toHaveLength(1);
  });

  test('is described only if there is one', () => {
    expect(Object.keys(described.ParameterLabels).sort()).toEqual([...names].sort());
    expect(described.ParameterGroups.flatMap((group: { Parameters: string[] }) => group.Parameters)).toHaveLength(
      names.length,
    );
  });

  test('has the name that AWS’s own applications give it', () => {
    expect(names).toEqual(
      expect.arrayContaining([
        ...['endpoint', 'functionName', 'vpcSubnetIds', 'vpcSecurityGroupIds', 'kmsKeyArn', 'excludeCharacters'],
        ...['masterSecretArn', 'masterSecretKmsKeyArn'],
      ]),
    );
  });

  test('names the strategies that there are', () => {
    expect(Parameters['defaultStrategy']?.AllowedValues).toEqual(STRATEGY_SETTINGS);
  });

  test.each(engineNames)('for the length of passwords has the limits of %s', (engine) => {
    const { password } = engines[engine].rotates;
    const { passwords } = new DatabaseSettings(defaultEnvironment());
    const { MinValue = 0, MaxValue = 0 } = Parameters['passwordLength'] ?? {};
    expect(() => newPassword({ ...passwords, length: MinValue }, password)).not.toThrow();
    expect(() => newPassword({ ...passwords, length: MinValue - 1 }, password)).toThrow('easy to guess');
    expect(MaxValue).toBeGreaterThanOrEqual(password.longest);
  });
});

/** Why CloudFormation would not take this value, from the parameter's constraints; a list is checked by its members. */
function problem(name: string, value: string): string | undefined {
  const { Type, AllowedValues, AllowedPattern, MinValue, MaxValue, MaxLength } = Parameters[name] ?? {};
  if (AllowedValues && !AllowedValues.map(String).includes(value)) return 'is not allowed';
  const pattern = AllowedPattern === undefined ? undefined : new RegExp(AllowedPattern);
  const values = Type === 'CommaDelimitedList' ? value.split(',') : [value];
  if (pattern && !values.every((each) => pattern.exec(each)?.[0] === each)) return 'does not match';
  if (MinValue !== undefined && Number(value) < MinValue) return 'is too small';
  if (MaxValue !== undefined && Number(value) > MaxValue) return 'is too large';
  if (MaxLength !== undefined && value.length > MaxLength) return 'is too long';
  return undefined;
}

const SECRET = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/orders-admin-AbCdEf';
const KEY = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';

describe('a mistake that one parameter shows', () => {
  test.each([
    ['engine', 'oracle'],
    ['functionName', 'rotate orders'],
    ['functionName', 'arn:aws:lambda:eu-west-1:123456789012:function:rotate'],
    ['functionName', 'x'.repeat(65)],
    ['defaultStrategy', 'multi-user'],
    ['reservedConcurrency', '0'],
    ['reservedConcurrency', 'many'],
    ['masterSecretArn', 'prod/orders-admin'],
    ['masterSecretArn', SECRET.slice(0, -7)],
    ['masterSecretArn', `${SECRET.slice(0, -7)}-*`],
    ['masterSecretArn', 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:*'],
    ['masterSecretArn', `${SECRET}\n`],
    ['masterSecretArn', 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd'],
    ['masterSecretKmsKeyArn', 'arn:aws:kms:eu-west-1:123456789012:alias/orders'],
    ['kmsKeyArn', 'arn:aws:kms:eu-west-1:123456789012:key/*'],
    ['kmsKeyArn', '1234abcd-12ab-34cd-56ef-1234567890ab'],
    ['adminMaySetPasswords', 'yes'],
    ['vpcSubnetIds', 'subnet-0a1b2c3d, subnet-0a1b2c3e'],
    ['vpcSubnetIds', 'vpc-0a1b2c3d'],
    ['vpcSecurityGroupIds', 'default'],
    ['endpoint', 'http://vpce.example.com'],
    ['endpoint', 'secretsmanager.eu-west-1.amazonaws.com'],
    ['endpoint', 'https://user@example.com'],
    ['privateCa', 's3://bucket/ca.pem'],
    ['privateCa', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'],
    ['privateCa', certificate(3000)],
    ['passwordLength', '10'],
    ['passwordLength', '513'],
    ['excludeCharacters', 'ä'],
    ['permissionsBoundaryArn', 'arn:aws:iam::123456789012:role/boundary'],
    ['alarmTopicArn', 'ops@example.com'],
    ['alarmTopicArn', 'arn:aws:sns:eu-west-1:123456789012:ops.fifo'],
    ['logRetentionDays', '31'],
    ['logRetentionDays', '0'],
  ])('is refused when the stack is deployed: %s %j', (name, value) => {
    expect(problem(name, value)).toBeDefined();
  });

  test.each([
    ['functionName', 'rotate-orders_2'],
    ['reservedConcurrency', '5'],
    ['masterSecretArn', SECRET],
    ['masterSecretArn', SECRET.replace('arn:aws:', 'arn:aws-us-gov:')],
    ['masterSecretArn', SECRET.replace('prod/orders-admin', 'rds!cluster-1234abcd-12ab-34cd-56ef-1234567890ab')],
    ['masterSecretKmsKeyArn', KEY],
    ['kmsKeyArn', KEY.replace('arn:aws:', 'arn:aws-cn:')],
    ['kmsKeyArn', KEY.replace('key/', 'key/mrk-')],
    ['vpcSubnetIds', 'subnet-0a1b2c3d,subnet-0123456789abcdef0'],
    ['vpcSecurityGroupIds', 'sg-0a1b2c3d'],
    ['endpoint', 'https://vpce-0123-abc.secretsmanager.eu-west-1.vpce.amazonaws.com'],
    ['privateCa', certificate(1500)],
    ['privateCa', `${certificate(1200)} ${certificate(1200)}`.replaceAll('\n', ' ')],
    ['passwordLength', '200'],
    ['excludeCharacters', ' "\'\\~'],
    ['permissionsBoundaryArn', 'arn:aws:iam::123456789012:policy/teams/boundary'],
    ['alarmTopicArn', 'arn:aws-iso-b:sns:us-isob-east-1:123456789012:ops'],
    ['logRetentionDays', '3653'],
  ])('is not seen where there is none: %s %j', (name, value) => {
    expect(problem(name, value)).toBeUndefined();
  });
});

/** The form of one, in lines. */
function certificate(length: number): string {
  const base64 = 'MIIB+/a='.repeat(length / 8).match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...base64, '-----END CERTIFICATE-----'].join('\n');
}

type Given = Record<string, string>;

/**
 * What a rule says of these parameters, as
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-rules.html defines its functions.
 * @param emptyList what an empty list of commas is: the page does not say whether it has no member or an empty one
 */
function holds(expression: unknown, given: Given, emptyList: readonly string[]): boolean {
  const [[name, operands] = ['', []]] = Object.entries(expression as Record<string, unknown[]>);
  const value = (of: unknown): unknown => {
    if (typeof of !== 'object' || of === null || !('Ref' in of)) return of;
    const { Type, Default } = Parameters[String(of.Ref)] ?? {};
    const text = given[String(of.Ref)] ?? String(Default);
    if (Type !== 'CommaDelimitedList') return text;
    return text === '' ? emptyList : text.split(',');
  };
  const [first, second] = operands.map(value);
  switch (name) {
    case 'Fn::Equals':
      return first === second;
    case 'Fn::Contains':
      return (first as string[]).includes(second as string);
    case 'Fn::EachMemberEquals':
      return (first as string[]).every((member) => member === second);
    case 'Fn::Not':
      return !holds(operands[0], given, emptyList);
    case 'Fn::And':
      return operands.every((operand) => holds(operand, given, emptyList));
    default:
      throw new Error(`${name} is not known here`);
  }
}

describe.each([
  ['no member', []],
  ['an empty member', ['']],
])('a mistake that parameters show together, an empty list having %s', (_, emptyList) => {
  const complaints = (given: Given) =>
    Object.values(template.Rules).flatMap(({ RuleCondition, Assertions }) =>
      RuleCondition !== undefined && !holds(RuleCondition, given, emptyList)
        ? []
        : Assertions.filter(({ Assert }) => !holds(Assert, given, emptyList)).map((failed) => failed.AssertDescription),
    );
  const vpc = { vpcSubnetIds: 'subnet-0a1b2c3d,subnet-0a1b2c3e', vpcSecurityGroupIds: 'sg-0a1b2c3d' };
  const noCharacters = { excludeLowercase: 'true', excludeUppercase: 'true', excludeNumbers: 'true' };

  test.each<[string, Given]>([
    ['vpcSubnetIds is given without vpcSecurityGroupIds', { vpcSubnetIds: vpc.vpcSubnetIds }],
    ['vpcSecurityGroupIds is given without vpcSubnetIds', { vpcSecurityGroupIds: vpc.vpcSecurityGroupIds }],
    ['adminMaySetPasswords is true, but there is no masterSecretArn', { adminMaySetPasswords: 'true' }],
    ['masterSecretKmsKeyArn is given without masterSecretArn', { masterSecretKmsKeyArn: KEY }],
    ['no password can be made', { ...noCharacters, excludePunctuation: 'true' }],
  ])('is refused when the stack is deployed: %s', (words, given) => {
    expect(complaints(given)).toEqual([expect.stringContaining(words.replace('’', "'"))]);
  });

  test.each<Given>([
    {},
    vpc,
    { defaultStrategy: 'alternating-users', masterSecretArn: SECRET, masterSecretKmsKeyArn: KEY, ...vpc },
    noCharacters,
  ])('is not seen where there is none: %j', (given) => {
    expect(complaints(given)).toEqual([]);
  });

  const strategies = STRATEGY_NAMES.flatMap((strategy) => engineNames.map((engine) => [strategy, engine] as const));
  test.each(strategies)('is to deploy %s for %s without what it needs', (defaultStrategy, engine) => {
    const { needsAdmin, needsPermission, capability }: Facts = STRATEGIES[defaultStrategy];
    const { rotates } = engines[engine];
    const isThere =
      !capability || rotates.engineKeys.some((engineKey) => !('unsupported' in rotates[capability](engineKey)));
    const admin = needsAdmin ? [expect.stringContaining("give the ARN of the admin's secret")] : [];
    const permission = needsPermission ? [expect.stringContaining('needs adminMaySetPasswords')] : [];
    const otherEngine = isThere ? [] : [expect.stringContaining('needs the engine')];
    const given: Given = { defaultStrategy, engine };
    const withAdmin: Given = { ...given, ...(needsAdmin && { masterSecretArn: SECRET }) };
    const withAll: Given = { ...withAdmin, ...(needsPermission && { adminMaySetPasswords: 'true' }) };

    expect(complaints(given)).toEqual([...admin, ...permission, ...otherEngine]);
    expect(complaints(withAdmin)).toEqual([...permission, ...otherEngine]);
    expect(complaints(withAll)).toEqual(otherEngine);
  });
});
