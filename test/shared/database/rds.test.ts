import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Cluster, type Instance, type RdsFake, startRds } from '../../../local/rds.ts';
import { ServiceError } from '../../../local/secrets-manager/errors.ts';
import { Deadline } from '../../../shared/core/deadline.ts';
import { Rds } from '../../../shared/database/rds.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));

const HASH = 'c7tj4example';
const ARN = 'arn:aws:rds:us-east-1:123456789012';

const host = (id: string, kind = '', region = 'us-east-1') => `${id}.${kind}${HASH}.${region}.rds.amazonaws.com`;

function instance(id: string, more: Partial<Instance> = {}): Instance {
  return {
    DBInstanceIdentifier: id,
    DBInstanceArn: `${ARN}:db:${id}`,
    Endpoint: { Address: host(id), Port: 5432 },
    ...more,
  };
}

function cluster(id: string, members: readonly string[]): Cluster {
  return {
    DBClusterIdentifier: id,
    DBClusterArn: `${ARN}:cluster:${id}`,
    Endpoint: host(id, 'cluster-'),
    ReaderEndpoint: host(id, 'cluster-ro-'),
    CustomEndpoints: [host(`${id}-reports`, 'cluster-custom-'), host(`${id}-batch`, 'cluster-custom-')],
    Port: 3306,
    DBClusterMembers: members.map((member, place) => ({
      DBInstanceIdentifier: member,
      IsClusterWriter: place === 0,
    })),
  };
}

const replicaOf = (source: string) => ({ ReadReplicaSourceDBInstanceIdentifier: source });
const inCluster = (id: string) => ({ DBClusterIdentifier: id });

const INSTANCES = [
  instance('main'),
  instance('other'),
  instance('first', replicaOf('main')),
  instance('second', replicaOf('first')),
  instance('third', replicaOf('second')),
  instance('from-afar', replicaOf('arn:aws:rds:eu-west-1:123456789012:db:main')),
  instance('after-afar', replicaOf('from-afar')),
  instance('from-namesake', replicaOf('arn:aws:rds:eu-west-1:123456789012:db:first')),
  instance('orphan', replicaOf('gone')),
  instance('circle', replicaOf('circle')),
  instance('moved', { ...replicaOf('main'), Endpoint: { Address: host('moved-away'), Port: 5432 } }),
  instance('of-moved', replicaOf('moved')),
  instance('creating', { Endpoint: undefined } as object),
  instance('one', inCluster('sales')),
  instance('two', inCluster('sales')),
  instance('three', inCluster('stock')),
];
const CLUSTERS = [cluster('sales', ['one', 'two']), cluster('stock', ['three'])];

const before = { ...process.env };
let fake: RdsFake;

beforeAll(async () => {
  fake = await startRds({ instances: INSTANCES, clusters: CLUSTERS });
  Object.assign(process.env, {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'x',
    AWS_SECRET_ACCESS_KEY: 'x',
    AWS_ENDPOINT_URL_RDS: fake.endpoint,
  });
});

beforeEach(() => {
  fake.calls.length = 0;
});

afterEach(() => {
  fake.hook = () => undefined;
  fake.instances = INSTANCES;
});

afterAll(async () => {
  process.env = before;
  await fake[Symbol.asyncDispose]();
});

const rds = (milliseconds = 60_000) => new Rds(new Deadline(milliseconds));

describe('where a database takes writes', () => {
  test('is the address of an instance', async () => {
    expect(await rds().endpointOf(`${ARN}:db:main`)).toEqual({ host: host('main'), port: 5432 });
    expect(fake.calls).toEqual([{ operation: 'DescribeDBInstances', id: 'main' }]);
  });

  test('is the writer endpoint of a cluster', async () => {
    expect(await rds().endpointOf(`${ARN}:cluster:sales`)).toEqual({ host: host('sales', 'cluster-'), port: 3306 });
    expect(fake.calls).toEqual([{ operation: 'DescribeDBClusters', id: 'sales' }]);
  });

  test.each([
    ['db', 'DBInstanceNotFoundFault'],
    ['cluster', 'DBClusterNotFoundFault'],
  ])('is not known of a %s that is not there, or is elsewhere under the same name', async (kind, code) => {
    const known = kind === 'db' ? 'main' : 'sales';
    for (const arn of [`${ARN}:${kind}:gone`, `arn:aws:rds:eu-west-1:123456789012:${kind}:${known}`])
      await expect(rds().endpointOf(arn)).rejects.toMatchObject({
        name: 'RdsError',
        layer: 'RDS',
        message: expect.stringContaining(`${arn} in the function’s Region`),
        retryHelps: false,
        code,
      });
  });

  test('is not known yet of an instance in creation', async () => {
    await expect(rds().endpointOf(`${ARN}:db:creating`)).rejects.toMatchObject({ name: 'RdsError', retryHelps: true });
  });
});

async function inAProcess(script: string): Promise<string> {
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
    cwd: root,
    env: process.env,
  });
  return stdout;
}

/** Host, the admin's host, and whether they are of one family. */
type Case = [string, string, boolean];

describe('one family', () => {
  test.each<Case>([
    [host('first'), host('main'), true],
    [`${host('first').toUpperCase()}.`, `${host('main').toUpperCase()}.`, true],
    [host('second'), host('main'), true],
    [host('third'), host('main'), true],
    [host('second'), host('first'), true],
    [host('first'), host('other'), false],
    [host('main'), host('first'), false],
    [host('main'), host('other'), false],
    [host('orphan'), host('main'), false],
    [host('circle'), host('main'), false],
    [host('gone'), host('main'), false],
    [host('first'), host('gone'), false],
  ])('a read replica: %s of %s: %s', async (replica, admin, expected) => {
    expect(await rds().sameFamily(replica, admin)).toBe(expected);
  });

  test.each<Case>([
    [host('from-afar'), host('main', '', 'eu-west-1'), true],
    [host('after-afar'), host('main', '', 'eu-west-1'), true],
    [host('from-afar'), host('main', '', 'eu-west-2'), false],
    [host('from-afar'), host('other', '', 'eu-west-1'), false],
    [host('from-afar'), host('main', 'cluster-', 'eu-west-1'), false],
    [host('from-afar'), host('main'), false],
    [host('from-namesake'), host('main'), false],
    [host('first'), host('main', '', 'eu-west-1'), false],
    [host('first', '', 'eu-west-1'), host('main'), false],
    [host('two', '', 'eu-west-1'), host('sales', 'cluster-'), false],
    [host('sales', 'cluster-ro-', 'eu-west-1'), host('sales', 'cluster-'), false],
  ])('across Regions: %s of %s: %s', async (replica, admin, expected) => {
    expect(await rds().sameFamily(replica, admin)).toBe(expected);
  });

  const writer = host('sales', 'cluster-');
  const reader = host('sales', 'cluster-ro-');
  const custom = host('sales-reports', 'cluster-custom-');

  test.each<Case>([
    [reader, writer, true],
    [writer, reader, true],
    [custom, writer, true],
    [writer, custom, true],
    [host('two'), writer, true],
    [writer, host('one'), true],
    [host('two'), host('one'), true],
    [host('two'), custom, true],
    [custom, host('one'), true],
    [host('stock', 'cluster-'), writer, false],
    [host('stock', 'cluster-ro-'), writer, false],
    [host('stock-reports', 'cluster-custom-'), writer, false],
    [host('three'), writer, false],
    [host('three'), host('one'), false],
    [host('main'), writer, false],
    [writer, host('main'), false],
    [custom, host('main'), false],
    [host('gone', 'cluster-'), writer, false],
    [host('gone', 'cluster-ro-'), host('gone', 'cluster-'), false],
    // Nothing says of which cluster the two are.
    [host('sales-batch', 'cluster-custom-'), custom, false],
  ])('endpoints of a cluster: %s and %s: %s', async (one, admin, expected) => {
    expect(await rds().sameFamily(one, admin)).toBe(expected);
  });

  test.each([
    ['moved', 'main'],
    ['of-moved', 'moved'],
  ])('has nobody whose address is not the one that RDS shows: %s and %s', async (one, admin) => {
    expect(await rds().sameFamily(host(one), host(admin))).toBe(false);
  });

  test.each([
    ['first.stranger.us-east-1.rds.amazonaws.com', host('main')],
    [host('first'), 'main.stranger.us-east-1.rds.amazonaws.com'],
    ['sales.cluster-ro-stranger.us-east-1.rds.amazonaws.com', writer],
    ['two.stranger.us-east-1.rds.amazonaws.com', writer],
    ['sales-reports.cluster-custom-stranger.us-east-1.rds.amazonaws.com', writer],
  ])('has nobody who shares only a first label: %s and %s', async (one, admin) => {
    expect(await rds().sameFamily(one, admin)).toBe(false);
  });

  test.each([
    'db.example.com',
    '10.0.0.1',
    'localhost',
    `first.${HASH}.us-east-1.rds.amazonaws.com.example.com`,
    `first.${HASH}.us-east-1.rds.example.com`,
    `first.proxy-${HASH}.us-east-1.rds.amazonaws.com`,
    'first',
    '',
  ])('is not asked of RDS for a name that it never gave: "%s"', async (stranger) => {
    expect(await rds().sameFamily(stranger, host('main'))).toBe(false);
    expect(await rds().sameFamily(host('first'), stranger)).toBe(false);
    expect(fake.calls).toEqual([]);
  });

  test.each(['cn-north-1.rds', 'rds.cn-north-1'])('in China too: %s', async (place) => {
    const inChina = (id: string) => ({
      DBInstanceArn: `arn:aws-cn:rds:cn-north-1:123456789012:db:${id}`,
      Endpoint: { Address: `${id}.${HASH}.${place}.amazonaws.com.cn`, Port: 5432 },
    });
    fake.instances = [
      instance('main', inChina('main')),
      instance('first', { ...inChina('first'), ...replicaOf('main') }),
    ];
    const [admin, replica] = [inChina('main').Endpoint.Address, inChina('first').Endpoint.Address];
    expect(await rds().sameFamily(replica, admin)).toBe(true);
  });

  test('takes few calls', async () => {
    await rds().sameFamily(host('third'), host('main'));
    expect(fake.calls).toHaveLength(4);
    fake.calls.length = 0;
    await rds().sameFamily(reader, writer);
    expect(fake.calls).toHaveLength(1);
  });
});

describe('an error', () => {
  const asks = (milliseconds?: number) => rds(milliseconds).sameFamily(host('first'), host('main'));

  test('of permissions says what to allow', async () => {
    const message =
      'User: arn:aws:sts::123456789012:assumed-role/rotation is not authorized to perform: rds:DescribeDBInstances';
    fake.hook = () => new ServiceError('AccessDenied', message, 403);
    await expect(asks()).rejects.toMatchObject({
      name: 'RdsError',
      layer: 'RDS',
      message: `RDS refused DescribeDBInstances with AccessDenied: ${message}. Allow the function’s role the actions rds:DescribeDBInstances and rds:DescribeDBClusters.`,
      retryHelps: false,
      code: 'AccessDenied',
    });
    expect(fake.calls).toHaveLength(1);
  });

  test.each([
    ['Throttling', 400, true],
    ['InternalFailure', 500, true],
    ['InvalidParameterValue', 400, false],
  ])('is named without its text: %s', async (code, status, retryHelps) => {
    fake.hook = () => new ServiceError(code, 'a text that nobody has read', status);
    await expect(asks()).rejects.toMatchObject({
      name: 'RdsError',
      message: `RDS refused DescribeDBInstances with ${code}.`,
      retryHelps,
      code,
    });
  });

  test('that passes is not seen', async () => {
    let failures = 2;
    fake.hook = () => (failures-- > 0 ? new ServiceError('InternalFailure', 'again', 500) : undefined);
    expect(await asks()).toBe(true);
  });

  test('is not made of one request that the network swallowed', async () => {
    let swallowed = 0;
    fake.hook = () => (swallowed++ === 0 ? new Promise(() => {}) : undefined);
    expect(await asks()).toBe(true);
  });

  // Under Jest, Node's own errors are of another realm, which the SDK takes for no errors.
  test('of the network says what a VPC needs', async () => {
    fake.hook = () => 'no answer';
    const script = `
      import { Deadline } from './shared/core/deadline.ts';
      import { Rds } from './shared/database/rds.ts';
      await new Rds(new Deadline(60_000)).endpointOf('${ARN}:db:main').catch((error) => console.log(JSON.stringify(error), error.message));
    `;
    expect(await inAProcess(script)).toMatch(
      /^\{.*"code":"ECONNRESET","retryHelps":true,"layer":"RDS"\} RDS could not be reached for DescribeDBInstances \(ECONNRESET\)\. .* interface endpoint for rds or a NAT gateway/,
    );
  });

  test('of time too', async () => {
    fake.hook = () => new Promise(() => {});
    await expect(asks(6000)).rejects.toMatchObject({
      name: 'DeadlineError',
      message: expect.stringMatching(
        /^No answer within \d+ ms from RDS’s DescribeDBInstances \(500 ms in all for RDS, .* interface endpoint for rds /,
      ),
    });
  });
});
