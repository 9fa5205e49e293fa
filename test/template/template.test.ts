/** What template.yaml has for every engine, and what surrounds it. Its parameters and the role have test files of their own. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Lambda } from '../../local/lambda.ts';
import { ENGINES } from '../../scripts/build.ts';
import { Settings } from '../../shared/core/settings.ts';
import { DatabaseSettings } from '../../shared/database/settings.ts';
import {
  capitalised,
  environmentOf,
  evaluate,
  FUNCTION_ARN,
  resourcesOf,
  root,
  statement,
  template,
  text,
} from './template.ts';

const { Parameters, Resources, Outputs, Globals } = template;
const OF_NAME = { Ref: 'functionName' };

describe.each(ENGINES)('the engine %s', (engine) => {
  const name = capitalised(engine);

  test('has a function, built by the Makefile, if the parameter names it', () => {
    expect(Parameters['engine']?.AllowedValues).toContain(engine);
    expect(template.Conditions[`Is${name}`]).toEqual({ 'Fn::Equals': [{ Ref: 'engine' }, engine] });
    expect(Resources[`${name}Function`]).toMatchObject({
      Type: 'AWS::Serverless::Function',
      Condition: `Is${name}`,
      Metadata: { BuildMethod: 'makefile' },
      Properties: { FunctionName: OF_NAME, CodeUri: '.', Role: { 'Fn::GetAtt': 'Role.Arn' } },
    });
  });

  test('lets Secrets Manager of this account invoke it, and nobody else', () => {
    const ofThisFunction = Object.entries(resourcesOf('AWS::Lambda::Permission')).filter(
      ([, { Properties }]) => Properties['FunctionName'].Ref === `${name}Function`,
    );
    expect(ofThisFunction).toEqual([
      [
        `${name}Permission`,
        {
          Type: 'AWS::Lambda::Permission',
          Condition: `Is${name}`,
          Properties: {
            FunctionName: { Ref: `${name}Function` },
            Action: 'lambda:InvokeFunction',
            Principal: 'secretsmanager.amazonaws.com',
            SourceAccount: { Ref: 'AWS::AccountId' },
          },
        },
      ],
    ]);
  });

  test('has an environment in samconfig.toml', () => {
    const config = readFileSync(join(root, 'samconfig.toml'), 'utf8');
    expect(config).toContain(`[${engine}.build.parameters]\nbuild_in_source = true\n`);
    expect(config).toMatch(
      new RegExp(`^\\[${engine}\\.deploy\\.parameters\\]\n(.+\n)*parameter_overrides = "engine=${engine} `, 'm'),
    );
  });

  test('counts failed steps by the metric that the alarm watches', async () => {
    await using lambda = await Lambda.start({ bundle: join(root, 'dist', engine, 'index.mjs') });
    await lambda.invoke({ Step: 'none' });
    const lines = lambda.output.split('\n').filter((line) => line.startsWith('{'));
    const emitted = lines.map((line) => JSON.parse(line)).find((line) => 'FailedSteps' in line);
    const { Namespace, MetricName, Dimensions } = Resources['FailedStepsAlarm']?.Properties ?? {};
    const names = Dimensions.map(({ Name }: { Name: string }) => Name);
    expect(emitted._aws.CloudWatchMetrics).toEqual([
      { Namespace, Dimensions: [names], Metrics: [{ Name: MetricName, Unit: 'Count' }] },
    ]);
    expect(Dimensions).toEqual([
      { Name: 'service', Value: emitted.service },
      { Name: 'function_name', Value: OF_NAME },
    ]);
    expect(emitted.function_name).toBe(`rotate-${engine}`); // the name that Lambda gives it
  });
});

describe('every engine', () => {
  test('is a folder of functions/', () => {
    expect(Parameters['engine']?.AllowedValues).toEqual(expect.arrayContaining(ENGINES));
    expect(Parameters['engine']?.AllowedValues).toHaveLength(ENGINES.length);
    for (const [type, suffix] of [
      ['AWS::Serverless::Function', 'Function'],
      ['AWS::Lambda::Permission', 'Permission'],
    ] as const)
      expect(Object.keys(resourcesOf(type)).sort()).toEqual(
        ENGINES.map((engine) => capitalised(engine) + suffix).sort(),
      );
  });

  test('has the same role, log group, alarms and outputs: they have no condition, and know the function by its name', () => {
    const shared = Object.entries(Resources).filter(([id]) => !/(Function|Permission)$/.test(id));
    expect(shared.map(([id]) => id).sort()).toEqual([
      'DurationAlarm',
      'ErrorsAlarm',
      'FailedStepsAlarm',
      'LogGroup',
      'Role',
    ]);
    for (const [, resource] of shared) expect(resource.Condition).toBeUndefined();
    expect(Object.keys(Outputs)).toEqual(['RotationLambdaARN', 'RotationLambdaRoleARN', 'LogGroupName']);
    for (const output of Object.values(Outputs)) expect(output).not.toHaveProperty('Condition');
    expect(Outputs['RotationLambdaARN']?.Value).toEqual(FUNCTION_ARN);
  });

  test('logs to its own group, with a retention', () => {
    expect(Globals.Function['LoggingConfig']).toEqual({ LogGroup: { Ref: 'LogGroup' } });
    expect(Resources['LogGroup']).toMatchObject({
      Properties: {
        LogGroupName: { 'Fn::Sub': expect.stringMatching(/^\/aws\/lambda\/\$\{functionName\}$/) },
        RetentionInDays: { Ref: 'logRetentionDays' },
      },
    });
  });

  test('has alarms that tell the topic, if there is one, and whose silence is no failure', () => {
    const toTopic = [{ 'Fn::If': ['HasAlarmTopic', { Ref: 'alarmTopicArn' }, { Ref: 'AWS::NoValue' }] }];
    const alarms = Object.values(resourcesOf('AWS::CloudWatch::Alarm'));
    expect(alarms).toHaveLength(3);
    for (const { Properties } of alarms)
      expect(Properties).toMatchObject({
        AlarmActions: toTopic,
        OKActions: toTopic,
        TreatMissingData: 'notBreaching',
        Dimensions: expect.arrayContaining([{ Name: expect.stringMatching(/^function_?name$/i), Value: OF_NAME }]),
      });
    expect(Resources['DurationAlarm']?.Properties['Threshold']).toBe(0.8 * 1000 * Globals.Function['Timeout']);
  });
});

describe('the environment', () => {
  test('is what the code reads, no more and no less', () => {
    const read = new Set<string>();
    const settings = new DatabaseSettings(
      new Proxy({} as NodeJS.ProcessEnv, { get: (_, name) => void (typeof name === 'string' && read.add(name)) }),
    );
    for (const { prototype } of [Settings, DatabaseSettings])
      for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(prototype)))
        if (get) Reflect.get(settings, name);
    expect(Object.keys(Globals.Function['Environment'].Variables).sort()).toEqual([...read].sort());
  });

  test('is read by nothing but the settings', () => {
    const files = ['shared', 'functions'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => join(folder, file)),
    );
    const reading = files.filter((file) => readFileSync(join(root, file), 'utf8').includes('process.env'));
    expect(reading).toEqual([join('shared', 'core', 'handler.ts')]);
  });

  test('of a stack that was given no parameters is that of a function without settings', () => {
    const [deployed, bare] = [new DatabaseSettings(environmentOf()), new DatabaseSettings({})];
    // One differs: a stack that names no admin secret has no admin, and a function without the setting leaves that to its role.
    expect([deployed.masterSecretArns, bare.masterSecretArns]).toEqual([[], undefined]);
    for (const name of [
      'secretsManagerEndpoint',
      'defaultStrategy',
      'adminMaySetPasswords',
      'privateCa',
      'passwords',
    ] as const)
      expect(deployed[name]).toEqual(bare[name]);
  });
});

describe('the admin secrets', () => {
  const arn = (name: string) => `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${name}-AbCdEf`;

  test.each([[[arn('one')]], [[arn('one'), arn('two')]]])('are the same for the code and for the role: %j', (arns) => {
    const given = { masterSecretArn: arns.join(',') };
    expect(new DatabaseSettings(environmentOf(given)).masterSecretArns).toEqual(arns);
    const { onlyIf, Resource } = statement('AdminSecret');
    expect(evaluate(template.Conditions[String(onlyIf)], given)).toBe(true);
    expect(evaluate(Resource, given)).toEqual(arns);
  });

  test.each([
    ['no member', []],
    ['an empty member', ['']],
  ])('are none, for the code and for the role, where the parameter is empty: an empty list has %s', (_, emptyList) => {
    expect(new DatabaseSettings(environmentOf({}, emptyList)).masterSecretArns).toEqual([]);
    expect(evaluate(template.Conditions['HasAdminSecret'], {}, emptyList)).toBe(false);
    expect(evaluate(template.Conditions['HasAdminSecretKey'], {}, emptyList)).toBe(false);
  });

  test('may have a key each', () => {
    const given = {
      masterSecretKmsKeyArn: 'arn:aws:kms:eu-west-1:123456789012:key/1,arn:aws:kms:eu-west-1:123456789012:key/2',
    };
    const { onlyIf, Resource } = statement('KeyOfAdminSecret');
    expect(evaluate(template.Conditions[String(onlyIf)], given)).toBe(true);
    expect(evaluate(Resource, given)).toEqual(given.masterSecretKmsKeyArn.split(','));
  });
});

describe('the template', () => {
  test('names no partition, but in patterns for those that there are', () => {
    for (const line of text.split('\n').filter((each) => each.includes('arn:aws')))
      expect(line).toMatch(/ AllowedPattern: .*arn:aws\(-\[a-z\]\+\)\*:/);
  });

  test('has metadata that the Serverless Application Repository takes', () => {
    const metadata = template.Metadata['AWS::ServerlessRepo::Application'];
    const { version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    // https://docs.aws.amazon.com/serverlessrepo/latest/devguide/applications.html
    expect(metadata.Name).toMatch(/^[a-zA-Z0-9-]{1,140}$/);
    expect(metadata.Author).toMatch(/^[a-z0-9](([a-z0-9]|-(?!-))*[a-z0-9])?$/);
    expect(metadata.Description).toMatch(/^.{1,256}$/);
    expect(metadata.Labels.length).toBeLessThanOrEqual(10);
    for (const label of metadata.Labels) expect(label).toMatch(/^[a-zA-Z0-9+\-_:/@]{1,127}$/);
    expect(metadata).toMatchObject({ SemanticVersion: version, SpdxLicenseId: license });
    expect(JSON.stringify(metadata)).not.toMatch(/"(Ref|Fn::\w+)":/);
    for (const file of [metadata.LicenseUrl, metadata.ReadmeUrl])
      expect(readFileSync(join(root, file)).byteLength).toBeLessThan(5_000_000);
  });

  test('is small enough to be given to CloudFormation by hand', () => {
    // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    expect(Buffer.byteLength(text)).toBeLessThan(51_200);
  });
});
