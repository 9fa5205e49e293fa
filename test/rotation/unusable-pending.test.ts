/** A pending version that no attempt can use, stored by another function or a person. With the built function. */
import { describe, expect, test } from '@jest/globals';
import { ServiceError } from '../../local/secrets-manager/errors.ts';
import { engines } from '../engines/engines.ts';
import { engineNames } from '../engines/servers.ts';
import { describeServers } from '../servers.ts';
import { Rotating, type RotatingOptions } from './rotating.ts';

const NO_KEY = 'Secrets Manager can’t decrypt the protected secret text using the provided KMS key.';

/** Makes the rotation's pending version so. */
const UNUSABLE = {
  'of SecretBinary': (rotating: Rotating, token: string) =>
    rotating.manager.store.putSecretValue({
      SecretId: 'app',
      ClientRequestToken: token,
      SecretBinary: Buffer.from('{"password":"x"}').toString('base64'),
      VersionStages: ['AWSPENDING'],
    }),
  'that cannot be decrypted': (rotating: Rotating, token: string) => {
    rotating.putPending(token, '{}');
    rotating.manager.hooks = {
      before: ({ operation, request }) =>
        operation === 'GetSecretValue' && request['VersionId'] === token
          ? new ServiceError('DecryptionFailure', NO_KEY)
          : undefined,
    };
  },
};

const STRATEGIES: Record<string, RotatingOptions> = {
  'single-user': {},
  'alternating-users': { admin: { madeTheUser: true } },
};

for (const engine of engineNames) {
  describeServers(engine, 'a pending version', (server) => {
    describe.each(Object.entries(STRATEGIES))('of %s', (strategy, options) => {
      test.each(Object.entries(UNUSABLE))('%s is given up; the next rotation starts afresh', async (_, make) => {
        await using rotating = await Rotating.on(server, options);
        const token = rotating.begin();
        make(rotating, token);
        const before = rotating.value();

        const { error } = await rotating.rotate();

        expect(error).toMatch(/createSecret: error, PendingGivenUpError: .*(SecretBinary|DecryptionFailure)/);
        expect(rotating.labels[token]).toBeUndefined();
        expect(rotating.value()).toEqual(before);
        await rotating.expectRotated(strategy === 'single-user' ? rotating.user : rotating.twin);
      });
    });

    test.each(Object.entries(UNUSABLE))('%s keeps its label while AWSCURRENT does not log in', async (_, make) => {
      await using rotating = await Rotating.on(server);
      const token = rotating.begin();
      make(rotating, token);
      await rotating.setPassword('known to nobody');

      const { error } = await rotating.rotate();

      expect(error).toMatch(/createSecret: error, LoginRefusedError: .*AWSPENDING is left as it is/);
      expect(rotating.labels[token]).toEqual(['AWSPENDING']);
    });
  });
  describeServers(engine, 'a pending password that not every client and server can bear', (server) => {
    // The longest of MySQL without TLS has 213 bytes, and that of MySQL has 256.
    const tooLong = Object.entries(STRATEGIES).flatMap((entry) =>
      [230, 600].map((length) => [...entry, length] as const),
    );
    test.each(tooLong)('of %s is given up; the next rotation starts afresh', async (_, options, length) => {
      const { longest } = (await engines[engine].subject(server, true)).engine.password;
      await using rotating = await Rotating.on(server, options);
      const { user, twin } = rotating;
      const names = options.admin && { username: twin, baseusername: user, alternateusername: twin };
      const [token, password] = [rotating.begin(), 'x'.repeat(Math.max(length, longest + 1))];
      rotating.putPending(token, rotating.remember({ ...rotating.value(), ...names, password }));
      const [before, stored] = [rotating.value(), await rotating.stored()];

      const { error } = await rotating.rotate();

      expect(error).toMatch(/createSecret: error, PendingGivenUpError: .*has a password of more than \d+ bytes/);
      expect(rotating.labels[token]).toBeUndefined();
      expect(rotating.value()).toEqual(before);
      expect(await rotating.stored()).toEqual(stored);
      await rotating.expectRotated(options.admin ? twin : user);
    });

    test('is given up where it has been set: AWSCURRENT works again', async () => {
      await using rotating = await Rotating.on(server);
      const password = 'x'.repeat(513);
      const token = rotating.begin();
      rotating.putPending(token, rotating.remember({ ...rotating.value(), password }));
      // By the function that stored it. MySQL takes no such password.
      const isSet = await rotating.setPassword(password).then(
        () => true,
        () => false,
      );
      expect(isSet).toBe(server.row !== 'mysql 9.7');

      const { error } = await rotating.rotate();

      expect(error).toMatch(/PendingGivenUpError: .*AWSCURRENT works/);
      expect(await rotating.logsIn(rotating.password())).toBe(true);
      await rotating.expectRotated();
    });
  });
  if (engine === 'mysql') continue; // takes this password, and lets it log in
  describeServers(engine, 'a pending password of which SASLprep leaves nothing', (server) => {
    test.each(Object.entries(STRATEGIES))(
      'of %s is tried once; the next rotation starts afresh',
      async (_, options) => {
        await using rotating = await Rotating.on(server, options);
        const { user, twin } = rotating;
        const names = options.admin && { username: twin, baseusername: user, alternateusername: twin };
        const token = rotating.begin();
        rotating.putPending(token, rotating.remember({ ...rotating.value(), ...names, password: '\u00ad' }));

        const { error } = await rotating.rotate();

        expect(error).toMatch(
          /setSecret: error, \w+: .*AWSPENDING was taken off this version: start the rotation again/,
        );
        expect(rotating.labels[token]).toBeUndefined();
        expect(await rotating.logsIn(rotating.password())).toBe(true);
        await rotating.expectRotated(options.admin ? twin : user);
      },
    );
  });
}
