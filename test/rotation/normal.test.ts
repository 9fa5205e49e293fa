import { expect, test } from '@jest/globals';
import { tls } from '../fixtures/tls/tls.ts';
import { describeOwnServers, describeServers, testWithLog } from '../servers.ts';
import { forms, Rotating } from './rotating.ts';

describeServers('postgres', 'a normal rotation', (server) => {
  testWithLog(server)('makes 11 calls to Secrets Manager, 3 logins and no failed one', async () => {
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

await describeOwnServers(
  'postgres',
  'the server’s own log of every statement',
  { settings: { log_statement: 'all' } },
  (own) => {
    test('holds no password, not even of a change that was taken back', async () => {
      await using rotating = await Rotating.on(own);
      const passwords = [rotating.password()];
      await rotating.rotate();
      passwords.push(rotating.password());
      // The key that a person adds makes the next attempt put AWSCURRENT's password back.
      await rotating.rotate({
        attempts: 2,
        onStep: {
          after: (step, attempt) => step === 'setSecret' && attempt === 1 && rotating.edit({ note: 'edited' }),
        },
      });
      await rotating.rotate();
      passwords.push(rotating.password());

      const log = await own.log();

      expect(log.match(new RegExp(`ALTER ROLE "${rotating.user}" PASSWORD 'SCRAM-SHA-256`, 'g'))).toHaveLength(4);
      for (const password of passwords) for (const form of forms(password)) expect(log).not.toContain(form);
    });
  },
);

await describeOwnServers('postgres', 'over TLS', { tls }, (own) => {
  test('a rotation is the same, the certificate verified', async () => {
    await using rotating = await Rotating.on(own, { secret: { host: 'localhost', ssl: true, sslca: tls.ca } });

    await rotating.expectComplete((await rotating.rotate()).token);

    const logins = (await own.log()).match(
      new RegExp(`connection authorized: user=${rotating.user} .*secret-rotation SSL enabled`, 'g'),
    );
    expect(logins).toHaveLength(3);
    expect(rotating.logged.filter(({ level }) => level === 'WARN')).toEqual([]);
    rotating.edit({ sslca: tls.otherCa });
    expect((await rotating.rotate()).error).toMatch(/setSecret: error, TlsError: The certificate of localhost/);
  });
});
