import { expect, test } from '@jest/globals';
import { engines } from '../engines/engines.ts';
import { engineNames } from '../engines/servers.ts';
import { tls } from '../fixtures/tls/tls.ts';
import { describeOwnServers, describeServers, testUnless, testWithLog } from '../servers.ts';
import { countLogins } from './logins.ts';
import { forms, Rotating } from './rotating.ts';

for (const engine of engineNames) {
  const { rotation } = engines[engine];

  describeServers(engine, 'a normal rotation', (server) => {
    testWithLog(server)('makes 11 calls to Secrets Manager, 3 logins and no failed one', async () => {
      await using logins = await countLogins(server);
      await using rotating = await Rotating.on(server, { cold: true, secret: logins.endpoint });
      const before = rotating.password();

      const { succeeded, token } = await rotating.rotate();
      const ofUser = await logins.of(rotating.user);

      expect(succeeded).toBe(true);
      expect(ofUser).toEqual({ accepted: 3, failed: 0 });
      await rotating.expectComplete(token);
      expect(rotating.calls).toEqual([
        ...['DescribeSecret', 'GetSecretValue', 'GetSecretValue', 'PutSecretValue'],
        ...['DescribeSecret', 'GetSecretValue', 'GetSecretValue', 'DescribeSecret'],
        'GetSecretValue',
        ...['GetSecretValue', 'UpdateSecretVersionStage'],
      ]);
      expect(await rotating.logsIn(before)).toBe(false);
    });

    test('keeps every other key, and says in one line a step what it did', async () => {
      await using rotating = await Rotating.on(server, {
        cold: true,
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
              engine: rotation.name,
              strategy: 'single-user',
              outcome: 'done',
            },
            durationMs: expect.any(Number),
          }),
        ),
      );
      expect(rotating.logged.filter((line) => '_aws' in line)).toEqual([
        expect.objectContaining({ function_name: expect.any(String), Rotations: 1 }),
      ]);
      expect(
        rotating.logged
          .filter((line) => line['level'] === 'WARN' && /"ssl": false/.test(String(line['message'])))
          .map(({ step }) => step),
      ).toEqual(['createSecret', 'setSecret', 'testSecret']);
    });

    test('at rotationport, where port is a pooler’s', async () => {
      await using rotating = await Rotating.on(server, { secret: { port: 1, rotationport: server.port } });
      await rotating.expectRotated();
      expect(rotating.value()).toMatchObject({ port: 1, rotationport: server.port });
    });

    test('again and again', async () => {
      await using rotating = await Rotating.on(server);
      for (let i = 0; i < 3; i++) await rotating.expectRotated();
    });

    const limit = rotation.oneConnection;
    testUnless(limit ? undefined : 'it limits the connections of all, not of a user')(
      'of a user with a CONNECTION LIMIT of one',
      async () => {
        await using rotating = await Rotating.on(server);
        await rotating.sql(limit?.(rotating.user) ?? '');
        await rotating.expectRotated();
      },
    );

    test('by the strategy that the tag names, although the secret names an admin', async () => {
      await using rotating = await Rotating.on(server, {
        secret: { masterarn: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:admin-AbCdEf' },
        tags: { 'rotation-strategy': 'single-user' },
      });
      await rotating.expectRotated();
    });
  });

  await describeOwnServers(engine, 'on a server of its own', { tls, settings: rotation.everyStatement }, (own) => {
    const overTls = { host: 'localhost', ssl: true, sslca: tls.ca };

    test('its log of every statement holds no password, not even of a change that was taken back', async () => {
      const before = (await own.log()).length;
      await using rotating = await Rotating.on(own, own.tlsOnly ? { secret: overTls } : {});
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

      const log = (await own.log()).slice(before);

      expect(log.match(rotation.changeInLog)).toHaveLength(4);
      for (const password of passwords) for (const form of forms(password)) expect(log).not.toContain(form);
    });

    test('over TLS a rotation is the same, the certificate verified', async () => {
      await using rotating = await Rotating.on(own, { secret: overTls });

      await rotating.expectRotated();

      // The function's, and one of expectComplete's that goes without.
      if (!own.tlsOnly) expect((await own.log()).match(rotation.loginOverTls?.(rotating.user) ?? '')).toHaveLength(3);
      expect(rotating.logged.filter(({ level }) => level === 'WARN')).toEqual([]);
      rotating.edit({ sslca: tls.otherCa });
      expect((await rotating.rotate()).error).toMatch(/setSecret: error, TlsError: The certificate of localhost/);
    });

    test('over TLS the authority may be the deployer’s', async () => {
      const secret = { host: 'localhost', ssl: true };
      await using theirs = await Rotating.on(own, { secret, environment: { PRIVATE_CA: tls.otherCa } });
      expect((await theirs.rotate()).error).toMatch(/setSecret: error, TlsError: The certificate of localhost/);

      await using ours = await Rotating.on(own, { secret, environment: { PRIVATE_CA: tls.ca } });
      await ours.expectRotated();

      await using noOnes = await Rotating.on(own, { secret, environment: { PRIVATE_CA: 'ca.pem' } });
      expect((await noOnes.rotate()).error).toMatch(/setSecret: error, ConfigurationError: PRIVATE_CA holds no/);
      expect(await noOnes.logsIn(noOnes.password())).toBe(true);
    });
  });
}
