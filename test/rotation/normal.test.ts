import { expect, test } from '@jest/globals';
import { startServer } from '../../local/servers/server.ts';
import { describeServers } from '../servers.ts';
import { newPassword, Rotating } from './rotating.ts';

describeServers('a normal rotation', (server) => {
  test('makes 11 calls to Secrets Manager, 3 logins and no failed one', async () => {
    await using rotating = await Rotating.on(server);
    const before = rotating.password();

    const { succeeded, token } = await rotating.rotate();

    expect(succeeded).toBe(true);
    await rotating.expectComplete(token);
    expect(rotating.calls).toEqual([
      ...['DescribeSecret', 'GetSecretValue', 'GetSecretValue', 'PutSecretValue'],
      ...['DescribeSecret', 'GetSecretValue', 'GetSecretValue'],
      'GetSecretValue',
      ...['GetSecretValue', 'GetSecretValue', 'UpdateSecretVersionStage'],
    ]);
    const log = await server.log();
    // One login is expectComplete's; the function's name themselves.
    const logins = log.match(new RegExp(`connection authorized: user=${rotating.user} .*secret-rotation`, 'g'));
    expect(logins).toHaveLength(3);
    expect(log).not.toMatch(new RegExp(`authentication failed for user "${rotating.user}"`));
    expect(await rotating.logsIn(before)).toBe(false);
  });

  test('keeps every other key, and says in one line a step what it did', async () => {
    await using rotating = await Rotating.on(server, {
      secret: { note: 'kept', nested: { a: [1] }, port: `${server.port}` },
    });
    const { password: before, ...others } = rotating.value();

    const { token } = await rotating.rotate();

    const { password: after, ...kept } = rotating.value();
    expect(kept).toEqual(others);
    expect(after).not.toBe(before);
    const steps = rotating.logged.filter((line) => line['level'] === 'INFO');
    expect(steps).toEqual(
      ['createSecret', 'setSecret', 'testSecret', 'finishSecret'].map((step) =>
        expect.objectContaining({
          ...{
            step,
            secretArn: rotating.arn,
            versionId: token,
            engine: 'PostgreSQL',
            strategy: 'single-user',
            outcome: 'done',
          },
          durationMs: expect.any(Number),
        }),
      ),
    );
    expect(rotating.logged.filter((line) => '_aws' in line)).toHaveLength(4);
    expect(
      rotating.logged.filter((line) => line['level'] === 'WARN' && /"ssl": false/.test(String(line['message']))),
    ).toHaveLength(4);
  });

  test('again and again', async () => {
    await using rotating = await Rotating.on(server);
    for (let i = 0; i < 3; i++) await rotating.expectComplete((await rotating.rotate()).token);
  });

  test('of a user with a CONNECTION LIMIT of one', async () => {
    await using rotating = await Rotating.on(server);
    await rotating.sql(`ALTER ROLE ${rotating.user} CONNECTION LIMIT 1`);
    await rotating.expectComplete((await rotating.rotate()).token);
  });

  test('by the strategy that the tag names, although the secret names an admin', async () => {
    await using rotating = await Rotating.on(server, {
      secret: { masterarn: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:admin-AbCdEf' },
      tags: { 'rotation-strategy': 'single-user' },
    });
    await rotating.expectComplete((await rotating.rotate()).token);
  });
});

describeServers('the server’s own log of every statement', (server) => {
  test('holds no password', async () => {
    await using own = await startServer(server.row, {
      settings: { log_statement: 'all' },
      from: ['docker', 'path', 'embedded'],
    });
    await using rotating = await Rotating.on(own);
    const first = newPassword();
    rotating.edit({ password: first });
    await rotating.setPassword(first);

    const { succeeded } = await rotating.rotate();

    expect(succeeded).toBe(true);
    const log = await own.log();
    expect(log).toMatch(new RegExp(`ALTER ROLE "${rotating.user}" PASSWORD 'SCRAM-SHA-256`));
    expect(log).not.toContain(rotating.password());
  });
});
