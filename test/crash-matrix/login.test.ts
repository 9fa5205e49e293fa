/** A prober that cannot tell a right password from a wrong one would be blind. */
import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { engineNames, usersOf } from '../engines/servers.ts';
import { describeServers } from '../servers.ts';
import { engineOf } from './engines.ts';

for (const engine of engineNames)
  describeServers(engine, 'the prober’s login', (server) => {
    test('is accepted with the password, each time, and refused with another', async () => {
      const user = { username: `probed_${randomBytes(6).toString('hex')}`, password: 'right' };
      const users = usersOf(server);
      await users.createUser(user);
      const verdict = async (password: string) =>
        (await engineOf(server.row).login({ ...server, ...user, password })).verdict;

      try {
        expect([await verdict('right'), await verdict('right')]).toEqual(['accepted', 'accepted']);
        expect([await verdict('wrong'), await verdict('wrong')]).toEqual(['refused', 'refused']);
        await users.setPassword({ ...user, password: 'changed' });
        expect([await verdict('right'), await verdict('changed')]).toEqual(['refused', 'accepted']);
      } finally {
        await users.dropUser(user.username);
      }
    });

    test('says nothing where nobody answers', async () => {
      const nobody = { host: '127.0.0.1', port: 1, database: '', username: 'nobody', password: '' };

      expect(await engineOf(server.row).login(nobody)).toMatchObject({ verdict: 'unknown' });
    });
  });
