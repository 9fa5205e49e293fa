/** A MySQL or MariaDB server with hardly a connection left, and the built function: whatever is set is proven. */

import { expect, test } from '@jest/globals';
import mysql from 'mysql2/promise';
import { Rotating, type RotatingOptions } from '../../../rotation/rotating.ts';
import { describeOwnServers } from '../../../servers.ts';
import { quoted } from './account.ts';

const STRATEGIES: [string, RotatingOptions][] = [
  ['single user', {}],
  [
    'single user by admin',
    {
      admin: { madeTheUser: true },
      environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
    },
  ],
  ['alternating users', { admin: { madeTheUser: true } }],
];

/** The least that MariaDB takes. root has one more. */
const SLOTS = 10;

await describeOwnServers(
  'mysql',
  'a server with hardly a connection left',
  { settings: { max_connections: String(SLOTS) } },
  (server) => {
    const { host, port } = server;

    /** The application's pool: open sessions of the user in AWSCURRENT. */
    async function pool(rotating: Rotating, size: number): Promise<AsyncDisposable> {
      await using open = new AsyncDisposableStack();
      const [user, password] = [rotating.user, rotating.password()];
      for (let n = 0; n < size; n++) {
        const client = await mysql.createConnection({ host, port, user, password });
        client.on('error', () => {});
        open.defer(() => client.end());
      }
      return open.move();
    }

    test.each(STRATEGIES)('%s, the application’s pool has all but one', async (_, options) => {
      await using rotating = await Rotating.on(server, options);
      await using _pool = await pool(rotating, SLOTS - 1);
      await rotating.expectRotated();
    });

    test.each(STRATEGIES)('%s, the user is at its MAX_USER_CONNECTIONS but for one', async (_, options) => {
      await using rotating = await Rotating.on(server, options);
      await rotating.sql(`ALTER USER ${quoted(rotating.user)} WITH MAX_USER_CONNECTIONS 3`);
      await using _pool = await pool(rotating, 2);
      await rotating.expectRotated();
    });

    test('nothing is left: nothing is changed, and the error says why', async () => {
      await using rotating = await Rotating.on(server);
      {
        await using _pool = await pool(rotating, SLOTS);
        const { attempts } = await rotating.rotate();
        expect(attempts[0]?.steps.at(-1)?.error).toMatchObject({
          errorType: 'ConnectionError',
          errorMessage: expect.stringMatching(/no connection left .*max_connections/),
        });
      }
      expect(await rotating.logsIn(rotating.password())).toBe(true);
    });
  },
);
