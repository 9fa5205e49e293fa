/** The parameters of template.yaml: what a console shows of them, and which mistakes are answered before anything is deployed. */
import { describe, expect, test } from '@jest/globals';
import { newPassword } from '../../shared/database/password.ts';
import { DatabaseSettings } from '../../shared/database/settings.ts';
import { type Facts, STRATEGIES, STRATEGY_NAMES, STRATEGY_SETTINGS } from '../../shared/database/strategies/facts.ts';
import { engines } from '../engines/engines.ts';
import { engineNames } from '../engines/servers.ts';
import { environmentOf, evaluate, type Given, problem, template } from './template.ts';

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

  // sam deploy --guided saves it so that SAM reads something else.
  test.each(names)('%s takes no backslash', (name) => {
    for (const value of ['\\', `${Parameters[name]?.Default}\\`]) expect(problem(name, value)).toBeDefined();
  });

  test.each(engineNames)(
    'for characters to leave out need not name for %s what AWS’s functions leave out',
    (engine) => {
      const { alphabet } = engines[engine].rotates.password;
      for (const character of '/@"\'\\') expect(alphabet).not.toContain(character);
    },
  );

  test.each(engineNames)('for the length of passwords has the limits of %s', (engine) => {
    const { password } = engines[engine].rotates;
    const { passwords } = new DatabaseSettings(environmentOf());
    const { MinValue = 0, MaxValue = 0 } = Parameters['passwordLength'] ?? {};
    expect(() => newPassword({ ...passwords, length: MinValue }, password)).not.toThrow();
    expect(() => newPassword({ ...passwords, length: MinValue - 1 }, password)).toThrow('easy to guess');
    expect(MaxValue).toBeGreaterThanOrEqual(password.longest);
  });
});

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
    ['masterSecretArn', `${SECRET},prod/orders-admin`],
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
    ['excludeCharacters', '/@"\'\\'],
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
    ['masterSecretArn', `${SECRET},${SECRET.replace('orders', 'billing')}`],
    ['masterSecretKmsKeyArn', KEY],
    ['masterSecretKmsKeyArn', `${KEY},${KEY.replace('1234abcd', '5678ef01')}`],
    ['kmsKeyArn', KEY.replace('arn:aws:', 'arn:aws-cn:')],
    ['kmsKeyArn', KEY.replace('key/', 'key/mrk-')],
    ['vpcSubnetIds', 'subnet-0a1b2c3d,subnet-0123456789abcdef0'],
    ['vpcSecurityGroupIds', 'sg-0a1b2c3d'],
    ['endpoint', 'https://vpce-0123-abc.secretsmanager.eu-west-1.vpce.amazonaws.com'],
    ['privateCa', certificate(1500)],
    ['privateCa', `${certificate(1200)} ${certificate(1200)}`.replaceAll('\n', ' ')],
    ['passwordLength', '200'],
    ['excludeCharacters', ' "\'[]~'],
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

describe.each([
  ['no member', []],
  ['an empty member', ['']],
])('a mistake that parameters show together, an empty list having %s', (_, emptyList) => {
  const complaints = (given: Given) =>
    Object.values(template.Rules).flatMap(({ RuleCondition, Assertions }) =>
      RuleCondition !== undefined && !evaluate(RuleCondition, given, emptyList)
        ? []
        : Assertions.filter(({ Assert }) => !evaluate(Assert, given, emptyList)).map((each) => each.AssertDescription),
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
    { masterSecretArn: `${SECRET},${SECRET}`, masterSecretKmsKeyArn: `${KEY},${KEY}` },
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
