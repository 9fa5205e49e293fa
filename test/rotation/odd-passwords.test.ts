/** A person stores the right password with a character too many. The right one is in AWSPREVIOUS. With the built function. */
import { expect, test } from '@jest/globals';
import { engineNames } from '../engines/servers.ts';
import { describeServers } from '../servers.ts';
import { Rotating } from './rotating.ts';

for (const engine of engineNames) {
  describeServers(engine, 'AWSCURRENT with the right password and', (server) => {
    test.each([
      ['a line break, as echo adds one', '\n'],
      ['a control character', '\u0007'],
      ['half a surrogate pair', '\ud800'],
      ['a letter that reads from right to left', '\u0627'],
    ])('%s is refused, and the next password is tried', async (_, more) => {
      await using rotating = await Rotating.on(server);
      rotating.edit({ password: `${rotating.password()}${more}` });

      await rotating.expectRotated();

      // With nothing better in the secret, the reason is named.
      rotating.edit({ password: `x${more}` });
      await rotating.setPassword('known to nobody');
      const { attempts } = await rotating.rotate();
      expect(attempts[0]?.steps.at(-1)?.error).toMatchObject({
        errorType: 'LoginRefusedError',
        errorMessage: expect.stringContaining(engine === 'mongodb' ? 'SCRAM-SHA-256 forbids' : 'refuses the password'),
      });
    });
  });
}
