/** The admin secret, which `masterarn` names: what is refused, what is survived, and where its password goes, with the built function. */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { ServiceError } from '../../../local/secrets-manager/errors.ts';
import { describeServers, testWithLog } from '../../servers.ts';
import { proxy } from '../proxy.ts';
import { type Json, newPassword, Rotating, type RotatingOptions } from '../rotating.ts';

const ALTERNATING = { admin: { madeTheUser: true } } satisfies RotatingOptions;
const BY_ADMIN = {
  ...ALTERNATING,
  environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
} satisfies RotatingOptions;

function adminValue({ manager }: Rotating): Json {
  const found = manager.store.getSecretValue({ SecretId: 'admin' });
  return JSON.parse('SecretString' in found ? found.SecretString : '{}');
}

function putAdmin({ manager }: Rotating, SecretString: string, label = 'AWSCURRENT'): void {
  const version = { ClientRequestToken: randomUUID(), SecretString, VersionStages: [label] };
  manager.store.putSecretValue({ SecretId: 'admin', ...version });
}

function editAdmin(rotating: Rotating, changes: Json, label?: string): void {
  putAdmin(rotating, rotating.remember({ ...adminValue(rotating), ...changes }), label);
}

/** The database has another password of the admin's than the secret. */
async function setAdminPassword(rotating: Rotating, password = newPassword()): Promise<string> {
  await rotating.sql(`ALTER ROLE ${rotating.admin} PASSWORD '${password}'`);
  return password;
}

/** Counts who connects, and says nothing. */
async function listener() {
  const server = createServer((socket) => {
    state.connections++;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const state = {
    connections: 0,
    endpoint: { host: '127.0.0.1', port },
    [Symbol.asyncDispose]: async () => void server.close(),
  };
  return state;
}

/** Of the admin, in the server's own log. */
async function failedLogins({ admin }: Rotating, log: Promise<string>): Promise<number> {
  return (await log).match(new RegExp(`authentication failed for user "${admin}"`, 'g'))?.length ?? 0;
}

function isForAdmin({ manager }: Rotating, request: Json): boolean {
  const { ARN } = manager.store.describeSecret({ SecretId: 'admin' });
  return request['SecretId'] === ARN;
}

describeServers('postgres', 'an admin secret is refused before anything is stored', (server) => {
  test.each<[string, (rotating: Rotating) => void, RegExp]>([
    [
      'that is not there',
      (r) => r.edit({ masterarn: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:none-AbCdEf' }),
      /There is no admin secret with the ARN in "masterarn"/,
    ],
    ['that is this very secret, by its ARN', (r) => r.edit({ masterarn: r.arn }), /names itself in "masterarn"/],
    ['that is this very secret, by its name', (r) => r.edit({ masterarn: 'app' }), /names itself in "masterarn"/],
    ['that is no JSON', (r) => putAdmin(r, 'p4ss'), /The admin secret of "masterarn" cannot be used.*is not JSON/],
    ['without a password', (r) => editAdmin(r, { password: undefined }), /cannot be used.*lacks the key "password"/],
    ['without a user name', (r) => editAdmin(r, { username: '' }), /cannot be used.*lacks the key "username"/],
    ['without a host', (r) => editAdmin(r, { host: undefined }), /cannot be used.*lacks the key "host"/],
    [
      'with two keys only that RDS does not manage',
      (r) => putAdmin(r, r.remember({ username: r.admin, password: adminValue(r)['password'] })),
      /has no "host", and none of the tags aws:rds:primaryDBInstanceArn, aws:rds:primaryDBClusterArn/,
    ],
    ['of another engine', (r) => editAdmin(r, { engine: 'mysql' }), /cannot be used.*function for PostgreSQL/],
    [
      'of another host',
      (r) => editAdmin(r, { host: 'db.example.com' }),
      /The secret's host is .*, that of its admin secret \("masterarn"\) db\.example\.com:\d+: they are not the same server/,
    ],
    [
      'of another port',
      (r) => editAdmin(r, { port: 1 }),
      /that of its admin secret \("masterarn"\) .*:1: they are not the same server/,
    ],
    [
      'of another server, by rotationhost',
      (r) => editAdmin(r, { rotationhost: 'db.example.com' }),
      /db\.example\.com:\d+: they are not the same server/,
    ],
    [
      'whose host is an RDS Proxy',
      (r) => editAdmin(r, { host: 'p.proxy-a1b2.eu-west-1.rds.amazonaws.com' }),
      /cannot be used.*RDS Proxy/,
    ],
    ['whose user is the base', (r) => r.edit({ username: r.admin }), /The user "admin_\w+" is the admin/],
    [
      'whose user is the twin',
      (r) => r.edit({ alternateusername: r.admin }),
      /The user "admin_\w+" is the admin of the secret's "masterarn" itself: rotate the admin by its own secret/,
    ],
    [
      'whose own twin is the base',
      (r) => {
        r.edit({ username: `${r.admin}_clone`, baseusername: `${r.admin}_clone` });
        editAdmin(r, { masterarn: 'arn:another' });
      },
      /The user "admin_\w+_clone" is the admin/,
    ],
    ['whose own base is the base', (r) => editAdmin(r, { baseusername: r.user }), /The user "app_\w+" is the admin/],
    [
      'whose own twin is the twin',
      (r) => editAdmin(r, { alternateusername: r.twin }),
      /The user "app_\w+_clone" is the admin/,
    ],
  ])('%s', async (_, prepare, words) => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    prepare(rotating);
    await rotating.expectRefused('AdminSecretError', words, { step: 'createSecret' });
    expect(rotating.output).not.toContain('p4ss');
  });

  test('that the function may not read, which is told from the secret itself', async () => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    const denied = new ServiceError(
      'AccessDeniedException',
      'not authorized to perform: secretsmanager:GetSecretValue',
    );
    rotating.manager.hooks = {
      before: ({ request }) => (isForAdmin(rotating, request) ? denied : undefined),
    };
    await rotating.expectRefused(
      'SecretsManagerError',
      /AccessDeniedException: not authorized to perform: secretsmanager:GetSecretValue\. It was asked for the admin secret \("masterarn"\)/,
      { step: 'createSecret' },
    );
  });

  test('that is about to be deleted', async () => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    rotating.manager.store.deleteSecret({ SecretId: 'admin' });
    await rotating.expectRefused(
      'SecretsManagerError',
      /InvalidRequestException\. It was asked for the admin secret \("masterarn"\)/,
      { step: 'createSecret' },
    );
  });
});

describeServers('postgres', 'an admin secret', (server) => {
  test('whose host differs in case is of the same server', async () => {
    await using between = await proxy(server, () => {});
    const { port } = between.endpoint;
    await using rotating = await Rotating.on(server, {
      admin: { madeTheUser: true, secret: { host: 'LOCALHOST', port } },
      secret: { host: 'localhost', port },
    });
    await rotating.expectRotated();
  });

  test('whose password is refused is said to be so, and a retry to help, which it does', async () => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    const password = String(adminValue(rotating)['password']);
    await setAdminPassword(rotating);

    const token = await rotating.expectRefused(
      'AdminRefusedError',
      new RegExp(`refuses the password of user "${rotating.admin}".*It is the admin of the secret's "masterarn"`),
      { step: 'setSecret' },
    );

    expect(await rotating.logsIn(rotating.password())).toBe(true);
    expect(rotating.logged).toContainEqual(
      expect.objectContaining({
        level: 'ERROR',
        cause: expect.objectContaining({ layer: 'admin secret', retryHelps: true, user: rotating.admin }),
      }),
    );
    await setAdminPassword(rotating, password);
    expect(await rotating.rotate()).toMatchObject({ succeeded: true, token });
    await rotating.expectComplete(token);
  });

  test('whose user may not log in is not asked for other passwords', async () => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    await rotating.sql(`ALTER ROLE ${rotating.admin} NOLOGIN`);
    await rotating.expectRefused(
      'LoginBarredError',
      new RegExp(`does not let user "${rotating.admin}" log in: the password is right, but the role has no LOGIN`),
      { step: 'setSecret' },
    );
  });

  test('that is rotated between the look at it and the login is looked at again', async () => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    const { token, succeeded } = await rotating.rotate({
      onStep: {
        before: (step) => {
          if (step !== 'setSecret') return;
          rotating.manager.hooks = {
            after: async ({ request }) => {
              if (!isForAdmin(rotating, request)) return undefined;
              rotating.manager.hooks = {};
              editAdmin(rotating, { password: await setAdminPassword(rotating) });
              return undefined;
            },
          };
        },
      },
    });
    expect(succeeded).toBe(true);
    expect(rotating.manager.hooks).toEqual({});
    await rotating.expectComplete(token);
  });

  testWithLog(server)(
    'of which only AWSPENDING works, in mid-rotation, is used with that, after one refusal',
    async () => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      editAdmin(rotating, { password: await setAdminPassword(rotating) }, 'AWSPENDING');
      await rotating.expectRotated();
      expect(await failedLogins(rotating, server.log())).toBe(1);
    },
  );

  test('whose AWSPENDING cannot be read is said to have a refused password, not a broken value', async () => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    await setAdminPassword(rotating);
    putAdmin(rotating, 'p4ss', 'AWSPENDING');
    await rotating.expectRefused('AdminRefusedError', /It is the admin of the secret's "masterarn"/, {
      step: 'setSecret',
    });
    expect(rotating.output).not.toContain('p4ss');
  });

  testWithLog(server)('whose AWSPENDING names another server is tried nowhere', async () => {
    await using elsewhere = await listener();
    await using rotating = await Rotating.on(server, ALTERNATING);
    await setAdminPassword(rotating);
    editAdmin(rotating, { ...elsewhere.endpoint, password: newPassword() }, 'AWSPENDING');
    await rotating.expectRefused('AdminRefusedError', /It is the admin of the secret's "masterarn"/, {
      step: 'setSecret',
    });
    expect(elsewhere.connections).toBe(0);
    expect(await failedLogins(rotating, server.log())).toBe(1);
  });

  test('that wants TLS gets it, whatever the rotated secret says', async () => {
    await using rotating = await Rotating.on(server, { admin: { madeTheUser: true, secret: { ssl: true } } });
    expect(rotating.value()).toMatchObject({ ssl: false });
    await rotating.expectRefused('TlsError', new RegExp(`\\(user "${rotating.admin}"\\) offers no TLS`), {
      step: 'setSecret',
    });
  });
});

describeServers(
  'postgres',
  'no admin password goes to another server that somebody writes into the secret:',
  (server) => {
    test.each([
      ['alternating users', ALTERNATING],
      ['single user by admin', BY_ADMIN],
    ])('%s', async (_, options) => {
      for (const hostKey of ['host', 'rotationhost']) {
        await using elsewhere = await listener();
        await using rotating = await Rotating.on(server, options);
        const { host, port } = elsewhere.endpoint;
        const token = rotating.begin();
        await rotating.step('createSecret', token);
        rotating.edit({ [hostKey]: host, port });

        const before = await rotating.stored();
        const { error } = await rotating.step('setSecret', token);
        expect(error).toMatchObject({
          errorType: 'AdminSecretError',
          errorMessage: expect.stringMatching(/not the same server/),
        });
        rotating.manager.store.updateSecretVersionStage({
          SecretId: 'app',
          VersionStage: 'AWSPENDING',
          RemoveFromVersionId: token,
        });
        rotating.manager.calls.length = 0;
        await rotating.expectRefused('AdminSecretError', /nothing was sent to either/, { step: 'createSecret' });

        expect(await rotating.stored()).toEqual(before);
        expect(elsewhere.connections).toBe(0);
      }
    });
  },
);
