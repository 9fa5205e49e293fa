/** What the function's role may do: that which is called, by all strategies and on all servers, and nothing else. */
import { describe, expect, test } from '@jest/globals';
import { startRds } from '../../local/rds.ts';
import { engineNames } from '../engines/servers.ts';
import { tls } from '../fixtures/tls/tls.ts';
import { Rotating, type RotatingOptions } from '../rotation/rotating.ts';
import { describeServersWith, type SharedServer } from '../servers.ts';
import { FUNCTION_ARN, resourcesOf, statement, statements, text } from './template.ts';

describe('the role', () => {
  test('has a reason in the template for each statement', () => {
    const [, ...parts] = text.slice(text.indexOf('\n      Policies:')).split(/Statement:|- Sid: \w+/);
    const before = parts.slice(0, statements.length);
    for (const each of before) expect(each).toMatch(/\n +# \S.*\n(?: +- !If\n +- \w+\n)? +$/);
  });

  test('may do nothing on everything but look at network interfaces', () => {
    const onEverything = statements.filter(
      (each) =>
        each.Effect === 'Allow' && [each.Resource].flat().some((resource) => /^(\*|arn:\*)/.test(String(resource))),
    );
    expect(onEverything).toMatchObject([
      {
        Sid: 'SeeNetworkInterfaces',
        onlyIf: 'IsInVpc',
        Action: ['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets'],
      },
    ]);
    for (const { Action } of statements) expect(JSON.stringify(Action)).not.toContain('*');
  });

  test('reaches the secrets that the function is attached to', () => {
    expect(statement('RotatedSecrets').Condition).toEqual({
      StringEquals: { 'secretsmanager:resource/AllowRotationLambdaArn': FUNCTION_ARN },
    });
  });

  test('has what only some stacks need only in those', () => {
    expect(Object.fromEntries(statements.map(({ Sid, onlyIf }) => [Sid, onlyIf]))).toEqual({
      RotatedSecrets: undefined,
      Log: undefined,
      AdminSecret: 'HasAdminSecret',
      DatabaseOfAdminSecret: 'HasAdminSecret',
      KeyOfRotatedSecrets: 'HasKey',
      KeyOfAdminSecret: 'HasAdminSecretKey',
      NetworkInterfaces: 'IsInVpc',
      SeeNetworkInterfaces: 'IsInVpc',
      NetworkInterfacesNotByFunctionCode: 'IsInVpc',
    });
    expect(statement('AdminSecret').Resource).toEqual({ Ref: 'masterSecretArn' });
    expect(statement('KeyOfRotatedSecrets').Resource).toEqual({ Ref: 'kmsKeyArn' });
    expect(statement('KeyOfAdminSecret').Resource).toEqual({ Ref: 'masterSecretKmsKeyArn' });
  });

  test('gives the function’s own code nothing of what Lambda needs for a VPC', () => {
    const forLambda = [statement('NetworkInterfaces'), statement('SeeNetworkInterfaces')].flatMap(
      ({ Action }) => Action,
    );
    const denied = statement('NetworkInterfacesNotByFunctionCode');
    expect(denied).toMatchObject({
      Effect: 'Deny',
      Resource: '*',
      Condition: { ArnEquals: { 'lambda:SourceFunctionArn': FUNCTION_ARN } },
    });
    expect([...denied.Action].sort()).toEqual(forLambda.sort());
  });

  test('has no name, and is the only one', () => {
    const roles = resourcesOf('AWS::IAM::Role');
    expect(Object.keys(roles)).toEqual(['Role']);
    expect(Object.keys(roles['Role']?.Properties ?? {}).sort()).toEqual([
      ...['AssumeRolePolicyDocument', 'Description', 'PermissionsBoundary', 'Policies'],
    ]);
    expect(roles['Role']?.Properties['Policies']).toHaveLength(1);
  });
});

/** By statement of the role: the actions that rotations were seen to take. */
class Recorder {
  readonly actions = {
    RotatedSecrets: new Set<string>(),
    AdminSecret: new Set<string>(),
    DatabaseOfAdminSecret: new Set<string>(),
  };
  readonly #server: SharedServer;

  constructor(server: SharedServer) {
    this.#server = server;
  }

  /** One rotation, after what is done to `prepare` it. */
  async record(
    options: RotatingOptions,
    prepare: (rotating: Rotating) => Promise<unknown> = async () => {},
  ): Promise<void> {
    await using rds = await startRds(this.#rds);
    await using rotating = await Rotating.on(this.#server, {
      ...options,
      cold: true, // the client that asks RDS is made once in a process
      secret: { host: 'localhost', ssl: true },
      environment: { PRIVATE_CA: tls.ca, AWS_ENDPOINT_URL_RDS: rds.endpoint, ...options.environment },
    });
    await prepare(rotating);
    const admin = options.admin && rotating.arnOf('admin');
    rotating.manager.hooks = {
      before: ({ operation, request }) => {
        const { RotatedSecrets, AdminSecret } = this.actions;
        (request['SecretId'] === admin ? AdminSecret : RotatedSecrets).add(`secretsmanager:${operation}`);
        return undefined;
      },
    };
    const { token, error } = await rotating.rotate();
    expect(error).toBeUndefined();
    await rotating.expectComplete(token);
    for (const { operation } of rds.calls) this.actions.DatabaseOfAdminSecret.add(`rds:${operation}`);
  }

  /** One instance and one cluster, both at the server's address. */
  get #rds() {
    const { port } = this.#server;
    return {
      instances: [
        { DBInstanceIdentifier: 'main', DBInstanceArn: INSTANCE, Endpoint: { Address: 'localhost', Port: port } },
      ],
      clusters: [
        {
          ...{
            DBClusterIdentifier: 'main',
            DBClusterArn: CLUSTER,
            Endpoint: 'localhost',
            ReaderEndpoint: 'x',
            Port: port,
          },
          DBClusterMembers: [{ DBInstanceIdentifier: 'main', IsClusterWriter: true }],
        },
      ],
    };
  }
}

const INSTANCE = 'arn:aws:rds:us-east-1:123456789012:db:main';
const CLUSTER = 'arn:aws:rds:us-east-1:123456789012:cluster:main';

/** The database has a password that only a version without a label knows. */
async function loseThePassword(rotating: Rotating): Promise<void> {
  const first = rotating.password();
  for (let i = 0; i < 2; i++) expect((await rotating.rotate()).error).toBeUndefined();
  await rotating.setPassword(first);
}

for (const engine of engineNames)
  await describeServersWith(engine, 'the role', { tls }, (server) => {
    test('may do what the function does, no more and no less', async () => {
      const recorder = new Recorder(server);
      const admin = { madeTheUser: true };
      const managedBy = (tag: string, arn: string) => ({ admin: { ...admin, managedByRds: { tag, arn } } });

      await recorder.record({});
      await recorder.record({}, loseThePassword);
      await recorder.record({
        admin: { ...admin, secret: { host: 'localhost', ssl: true } },
        environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
      });
      await recorder.record(managedBy('aws:rds:primaryDBInstanceArn', INSTANCE));
      await recorder.record(managedBy('aws:rds:primaryDBClusterArn', CLUSTER));
      if (server.row === 'mysql 9.7')
        await recorder.record({ environment: { DEFAULT_STRATEGY: 'dual-password' } }, async (rotating) =>
          rotating.sql("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ?@'%'", [rotating.user]),
        );

      for (const [sid, actions] of Object.entries(recorder.actions)) {
        expect([...actions].sort()).toEqual([...statement(sid).Action].sort());
      }
      const others = statements.filter(({ Sid }) => !(Sid in recorder.actions)).flatMap(({ Action }) => Action);
      for (const action of others) expect(action).not.toMatch(/^(secretsmanager|rds):/);
    });
  });
