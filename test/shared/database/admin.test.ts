/** What needs names of hosts that RDS gives, which lead nowhere here. */

import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startSecretsManager } from '../../../local/secrets-manager/server.ts';
import { Deadline } from '../../../shared/core/deadline.ts';
import { Secret } from '../../../shared/core/secret.ts';
import { connectSecretsManager, SecretVersions } from '../../../shared/core/versions.ts';
import { AdminSecret } from '../../../shared/database/admin.ts';
import { Refusals } from '../../../shared/database/refusals.ts';
import { parseSecret } from '../../../shared/database/secret-value.ts';
import { Account } from './account.ts';

const before = { ...process.env };

beforeEach(() => {
  Object.assign(process.env, { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x' });
});

afterEach(() => {
  process.env = before;
});

const WRITER = 'orders.cluster-abc123.eu-west-1.rds.amazonaws.com';
const READER = 'orders.cluster-ro-abc123.eu-west-1.rds.amazonaws.com';

async function adminOf(host: string, isOneFamily: boolean) {
  const manager = await startSecretsManager();
  const value = {
    engine: 'postgres',
    username: 'admin',
    password: 'right',
    host: WRITER,
    sslservername: 'admin.example.com',
  };
  manager.store.createSecret({ Name: 'admin', ClientRequestToken: randomUUID(), SecretString: JSON.stringify(value) });
  const masterarn = manager.store.describeSecret({ SecretId: 'admin' }).ARN;
  const account = new Account('right');
  const deadline = new Deadline(60_000);
  const asked: string[][] = [];
  const text = new Secret(JSON.stringify({ ...value, username: 'app', password: 'own', host, masterarn }));
  const admin = new AdminSecret({
    engine: account.engine,
    versions: new SecretVersions(connectSecretsManager(manager.endpoint), 'app', deadline),
    databases: {
      endpointOf: () => Promise.reject(new Error('not asked')),
      sameFamily: async (...hosts) => {
        asked.push(hosts);
        return isOneFamily;
      },
    },
    deadline,
    refusals: new Refusals(),
    secretArn: 'arn',
    current: parseSecret({ text, called: 'AWSCURRENT' }, account.engine),
    warnings: new Set(),
  });
  const edit = (changes: object, VersionStages = ['AWSCURRENT']) =>
    manager.store.putSecretValue({
      SecretId: 'admin',
      ClientRequestToken: randomUUID(),
      SecretString: JSON.stringify({ ...value, ...changes }),
      VersionStages,
    });
  return { admin, account, asked, edit, [Symbol.asyncDispose]: () => manager[Symbol.asyncDispose]() };
}

test('an admin of the same cluster logs in at its own endpoint, where the other one may lag behind', async () => {
  await using given = await adminOf(READER, true);
  const guarded = await given.admin.guarded(['app']);
  expect(guarded.isAtAnotherHost).toBe(true);
  await (await guarded.login()).close();
  expect(given.asked).toEqual([[READER, WRITER]]);
  expect(given.account.reached).toMatchObject([{ host: WRITER, tls: { servername: 'admin.example.com' } }]);
});

test('an admin of another cluster does not log in at all', async () => {
  await using given = await adminOf(READER.replace('orders', 'others'), false);
  await expect(given.admin.guarded(['app'])).rejects.toThrow(
    'not the same server, nor of the same RDS cluster or replicas',
  );
  expect(given.account.reached).toEqual([]);
});

test('the same host in other letters is the same, and RDS is not asked', async () => {
  await using given = await adminOf(`${WRITER.toUpperCase()}.`, false);
  expect(await given.admin.guarded(['app'])).toMatchObject({ isAtAnotherHost: false });
  expect(given.asked).toEqual([]);
});

test('an admin secret that meanwhile names the rotated user is not logged in with', async () => {
  await using given = await adminOf(WRITER, false);
  given.account.password = 'changed';
  const guarded = await given.admin.guarded(['app']);
  given.edit({ username: 'app', password: 'changed' });
  await expect(guarded.login()).rejects.toThrow('refused');
  expect(given.account.reached).toHaveLength(1);
});

test('one that meanwhile names another admin is', async () => {
  await using given = await adminOf(WRITER, false);
  given.account.password = 'changed';
  const guarded = await given.admin.guarded(['app']);
  given.edit({ username: 'other_admin', password: 'changed' });
  await (await guarded.login()).close();
});
