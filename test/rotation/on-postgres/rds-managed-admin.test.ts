/** An admin secret that RDS manages: two keys, and tags that say of which database. The answers of RDS are a fake's, in the recorded shape. */

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Plugin } from 'esbuild';
import { temporaryDirectory } from '../../../local/owner.ts';
import { type RdsFake, startRds } from '../../../local/rds.ts';
import { buildFunction } from '../../../scripts/build.ts';
import { tls } from '../../fixtures/tls/tls.ts';
import { describeServersWith } from '../../servers.ts';
import { Rotating } from '../rotating.ts';

const ARN = 'arn:aws:rds:us-east-1:123456789012:db:main';

/** Such a secret cannot name an authority, and Amazon's have signed no server here: the function trusts the tests' as one of them. */
const amazonIsTheTests: Plugin = {
  name: 'amazon-is-the-tests',
  setup({ onLoad }) {
    onLoad({ filter: /\/shared\/database\/tls\.ts$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replace('...amazon.ca', `...amazon.ca, ${JSON.stringify(tls.ca)}`),
      loader: 'ts',
    }));
  },
};

const cleanUp = new AsyncDisposableStack();
let bundle: string;

beforeAll(async () => {
  bundle = join(cleanUp.use(await temporaryDirectory()).path, 'postgres', 'index.mjs');
  await buildFunction('postgres', { folder: dirname(bundle), plugins: [amazonIsTheTests] });
});
afterAll(() => cleanUp.disposeAsync());

await describeServersWith('postgres', 'an admin secret that RDS manages', { tls }, (server) => {
  const options = (rds: RdsFake, tag = 'aws:rds:primaryDBInstanceArn', arn = ARN) => ({
    cold: true, // the client that asks RDS is made once in a process
    bundle,
    admin: { madeTheUser: true, managedByRds: { tag, arn } },
    secret: { host: 'localhost', ssl: true, sslca: tls.ca },
    environment: { AWS_ENDPOINT_URL_RDS: rds.endpoint },
  });
  const instance = {
    DBInstanceIdentifier: 'main',
    DBInstanceArn: ARN,
    Endpoint: { Address: 'localhost', Port: server.port },
  };

  test('is used at the endpoint that RDS names, with one call more in each of two steps', async () => {
    await using rds = await startRds({ instances: [instance] });
    await using rotating = await Rotating.on(server, options(rds));
    const { token, error } = await rotating.rotate();
    expect(error).toBeUndefined();
    await rotating.expectComplete(token);
    expect(rotating.value()['username']).toBe(rotating.twin);
    expect(rds.calls).toEqual([
      { operation: 'DescribeDBInstances', id: 'main' },
      { operation: 'DescribeDBInstances', id: 'main' },
    ]);
    expect(rotating.calls).toHaveLength(15);
  });

  test('may be a cluster’s', async () => {
    const [arn, name] = [ARN.replace(':db:', ':cluster:'), 'main'];
    const DBClusterMembers = [{ DBInstanceIdentifier: 'one', IsClusterWriter: true }];
    const cluster = {
      DBClusterIdentifier: name,
      DBClusterArn: arn,
      Endpoint: 'localhost',
      ReaderEndpoint: 'x',
      Port: server.port,
      DBClusterMembers,
    };
    await using rds = await startRds({ clusters: [cluster] });
    await using rotating = await Rotating.on(server, options(rds, 'aws:rds:primaryDBClusterArn', arn));
    await rotating.expectRotated();
  });

  test('may have its tag in lower case', async () => {
    await using rds = await startRds({ instances: [instance] });
    await using rotating = await Rotating.on(server, options(rds, 'aws:rds:primarydbinstancearn'));
    await rotating.expectRotated();
  });

  test('of another server is refused, and nothing is stored', async () => {
    await using rds = await startRds({
      instances: [{ ...instance, Endpoint: { Address: 'db.example.com', Port: 5432 } }],
    });
    await using rotating = await Rotating.on(server, options(rds));
    const { error } = await rotating.rotate();
    expect(error).toMatch(
      /AdminSecretError.*localhost:\d+, that of its admin secret \("masterarn"\) db\.example\.com:5432/,
    );
    expect(rotating.calls).not.toContain('PutSecretValue');
  });

  test('without RDS’s tags says what is missing', async () => {
    await using rds = await startRds();
    await using rotating = await Rotating.on(server, options(rds, 'some', 'tag'));
    const { error } = await rotating.rotate();
    expect(error).toMatch(/AdminSecretError.*none of the tags aws:rds:primaryDBInstanceArn/);
  });

  test('of which RDS knows nothing is named by its ARN', async () => {
    await using rds = await startRds();
    await using rotating = await Rotating.on(server, options(rds));
    expect((await rotating.rotate()).error).toMatch(new RegExp(`RdsError: RDS knows no instance ${ARN}`));
  });
});
