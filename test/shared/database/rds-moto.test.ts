/** What the fake in local/rds.ts cannot show: that an implementation which is not ours gives such answers. */
import { randomBytes } from 'node:crypto';
import {
  CreateDBClusterCommand,
  CreateDBInstanceCommand,
  type CreateDBInstanceCommandInput,
  CreateDBInstanceReadReplicaCommand,
  RDSClient,
} from '@aws-sdk/client-rds';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Deadline } from '../../../shared/core/deadline.ts';
import { Rds } from '../../../shared/database/rds.ts';
import { describeMoto } from '../../local/moto.ts';

const before = { ...process.env };
// A moto given by its address may have seen an earlier run.
const run = randomBytes(4).toString('hex');
const id = (name: string) => `${name}-${run}`;

describeMoto('with moto as RDS', (endpoint) => {
  const rds = new Rds(new Deadline(60_000));
  const hosts: Record<string, string> = {};
  const arns: Record<string, string> = {};

  beforeAll(async () => {
    Object.assign(process.env, {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'x',
      AWS_SECRET_ACCESS_KEY: 'x',
      AWS_ENDPOINT_URL_RDS: endpoint(),
    });
    const client = new RDSClient();
    const login = { MasterUsername: 'admin1', MasterUserPassword: 'not-a-secret' };
    const common = { DBInstanceClass: 'db.t4g.micro', AllocatedStorage: 20 };

    async function create(name: string, more: Partial<CreateDBInstanceCommandInput> = {}) {
      const asked = { DBInstanceIdentifier: id(name), Engine: 'mysql', ...common, ...login, ...more };
      const { DBInstance } = await client.send(new CreateDBInstanceCommand(asked));
      hosts[name] = DBInstance?.Endpoint?.Address ?? '';
      arns[name] = DBInstance?.DBInstanceArn ?? '';
    }

    async function replicate(name: string, source: string) {
      const asked = { DBInstanceIdentifier: id(name), SourceDBInstanceIdentifier: id(source) };
      const { DBInstance } = await client.send(new CreateDBInstanceReadReplicaCommand(asked));
      hosts[name] = DBInstance?.Endpoint?.Address ?? '';
    }

    await create('main');
    await create('other');
    await replicate('first', 'main');
    await replicate('second', 'first');
    const asked = { DBClusterIdentifier: id('sales'), Engine: 'aurora-mysql', ...login };
    const { DBCluster } = await client.send(new CreateDBClusterCommand(asked));
    hosts['writer'] = DBCluster?.Endpoint ?? '';
    hosts['reader'] = DBCluster?.ReaderEndpoint ?? '';
    arns['sales'] = DBCluster?.DBClusterArn ?? '';
    await create('one', { DBClusterIdentifier: id('sales'), Engine: 'aurora-mysql' });
  });

  afterAll(() => {
    process.env = before;
  });

  test('addresses are found', async () => {
    expect(await rds.endpointOf(arns['main'] ?? '')).toEqual({ host: hosts['main'], port: 3306 });
    expect(await rds.endpointOf(arns['sales'] ?? '')).toEqual({ host: hosts['writer'], port: 3306 });
  });

  test('errors are named', async () => {
    for (const name of ['main', 'sales'])
      await expect(rds.endpointOf(`${arns[name]}x`)).rejects.toMatchObject({ name: 'RdsError', retryHelps: false });
  });

  test.each([
    ['first', 'main', true],
    ['second', 'main', true],
    ['first', 'other', false],
    ['reader', 'writer', true],
    ['one', 'writer', true],
    ['main', 'writer', false],
  ])('%s is of the family of %s: %s', async (name, admin, expected) => {
    expect(await rds.sameFamily(hosts[name] ?? '', hosts[admin] ?? '')).toBe(expected);
  });
});
