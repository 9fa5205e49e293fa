/** The built function against moto, an implementation of Secrets Manager that is not ours. */
import { randomBytes, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { Lambda } from '../../../local/lambda.ts';
import { STEPS, stepEvent } from '../../../local/secrets-manager/rotation.ts';
import { connect } from '../../engines/postgres/connection.ts';
import { describeMoto } from '../../local/moto.ts';
import { describeServers } from '../../servers.ts';

const bundle = fileURLToPath(new URL('../../../dist/postgres/index.mjs', import.meta.url));

describeMoto('with moto as Secrets Manager', (endpoint) => {
  describeServers('postgres', 'the bundle', (server) => {
    test('rotates', async () => {
      const manager = new SecretsManagerClient({
        endpoint: endpoint(),
        region: 'us-east-1',
        credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
      });
      const username = `app_${randomBytes(6).toString('hex')}`;
      await using superuser = await connect(server);
      await superuser.query(`CREATE ROLE ${username} LOGIN PASSWORD 'first'`);
      const { host, port } = server;
      const value = { engine: 'postgres', host, port, username, password: 'first', ssl: false };
      const SecretString = JSON.stringify(value);
      const { ARN = '' } = await manager.send(new CreateSecretCommand({ Name: username, SecretString }));
      // moto plays no rotation: RotateSecret turns it on, leaves AWSCURRENT on a version without a value, and pending versions
      // are there only with one.
      await manager.send(
        new RotateSecretCommand({
          SecretId: ARN,
          ClientRequestToken: randomUUID(),
          RotationRules: { AutomaticallyAfterDays: 30 },
        }),
      );
      const token = randomUUID();
      const put = (ClientRequestToken: string, password: string, label: string) =>
        manager.send(
          new PutSecretValueCommand({
            ...{ SecretId: ARN, ClientRequestToken, VersionStages: [label] },
            SecretString: JSON.stringify({ ...value, password }),
          }),
        );
      await put(randomUUID(), 'first', 'AWSCURRENT');
      await put(token, 'second-and-long', 'AWSPENDING');

      await using lambda = await Lambda.start({ bundle, environment: { SECRETS_MANAGER_ENDPOINT: endpoint() } });
      for (const step of STEPS)
        expect(await lambda.invoke(stepEvent(step, ARN, token))).toEqual({
          outcome: 'success',
          ms: expect.any(Number),
        });

      const current = await manager.send(new GetSecretValueCommand({ SecretId: ARN, VersionStage: 'AWSCURRENT' }));
      expect(current).toMatchObject({ VersionId: token, SecretString: expect.stringContaining('second-and-long') });
      const { VersionIdsToStages = {} } = await manager.send(new DescribeSecretCommand({ SecretId: ARN }));
      expect(Object.values(VersionIdsToStages).flat()).toContain('AWSPREVIOUS');
      const application = new pg.Client({
        host,
        port,
        user: username,
        password: 'second-and-long',
        database: 'postgres',
      });
      await application.connect();
      await application.end();
      // A second run of the whole changes nothing, and takes an unknown token for what it is.
      for (const step of STEPS)
        expect(await lambda.invoke(stepEvent(step, ARN, token))).toEqual({
          outcome: 'success',
          ms: expect.any(Number),
        });
      for (const step of STEPS)
        expect((await lambda.invoke(stepEvent(step, ARN, randomUUID()))).error?.errorType).toBe('TokenNotPendingError');
      await superuser.query(`DROP ROLE ${username}`);
    });
  });
});
