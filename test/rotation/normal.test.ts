import { expect, test } from '@jest/globals';
import { type EngineName, engineNames } from '../engines/servers.ts';
import { tls } from '../fixtures/tls/tls.ts';
import { describeOwnServers, describeServers, testUnless, testWithLog } from '../servers.ts';
import { countLogins } from './logins.ts';
import { forms, Rotating } from './rotating.ts';

/** As the server's log has them. */
const CHANGE: Record<EngineName, RegExp> = {
  postgres: /ALTER ROLE "app_\w+" PASSWORD 'SCRAM-SHA-256/g,
  mysql: /ALTER USER 'app_\w+'@'%' IDENTIFIED BY <secret> REPLACE <secret>|SET PASSWORD = '\*[0-9A-F]{40}'/g,
  mongodb: /"updateUser":"app_\w+","pwd":"xxx"|"command":"updateUser"/g,
};
/** The others log all here anyway. */
const EVERY_STATEMENT: Record<EngineName, Record<string, string>> = {
  postgres: { log_statement: 'all' },
  mysql: {},
  mongodb: {},
};
/** Where the server takes plain text, too. */
const OVER_TLS: Partial<Record<EngineName, (user: string) => RegExp>> = {
  postgres: (user) => new RegExp(`connection authorized: user=${user} .* SSL enabled`, 'g'),
  mysql: (user) => new RegExp(`Connect\t${user}@\\S+ on \\S* using SSL/TLS`, 'g'),
};
const ONE_CONNECTION: Partial<Record<EngineName, (user: string) => string>> = {
  postgres: (user) => `ALTER ROLE ${user} CONNECTION LIMIT 1`,
  mysql: (user) => `ALTER USER ${user} WITH MAX_USER_CONNECTIONS 1`,
};
const NAME: Record<EngineName, string> = {
  postgres: 'PostgreSQL',
  mysql: 'MySQL and MariaDB',
  mongodb: 'MongoDB and Amazon DocumentDB',
};

for (const engine of engineNames) {
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
              engine: NAME[engine],
              strategy: 'single-user',
              outcome: 'done',
            },
            durationMs: expect.any(Number),
          }),
        ),
      );
      expect(rotating.logged.filter((line) => '_aws' in line)).toHaveLength(4);
      expect(
        rotating.logged
          .filter((line) => line['level'] === 'WARN' && /"ssl": false/.test(String(line['message'])))
          .map(({ step }) => step),
      ).toEqual(['createSecret', 'setSecret', 'testSecret']);
    });

    test('again and again', async () => {
      await using rotating = await Rotating.on(server);
      for (let i = 0; i < 3; i++) await rotating.expectRotated();
    });

    const limit = ONE_CONNECTION[engine];
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

  await describeOwnServers(engine, 'on a server of its own', { tls, settings: EVERY_STATEMENT[engine] }, (own) => {
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

      expect(log.match(CHANGE[engine])).toHaveLength(4);
      for (const password of passwords) for (const form of forms(password)) expect(log).not.toContain(form);
    });

    test('over TLS a rotation is the same, the certificate verified', async () => {
      await using rotating = await Rotating.on(own, { secret: overTls });

      await rotating.expectRotated();

      // The function's, and one of expectComplete's that goes without.
      if (!own.tlsOnly) expect((await own.log()).match(OVER_TLS[engine]?.(rotating.user) ?? '')).toHaveLength(3);
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
