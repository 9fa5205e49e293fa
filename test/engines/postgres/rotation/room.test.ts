/** A server with hardly a connection left, and the built function: whatever is set is proven, or is not set. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { eventually } from '../../../conformance/eventually.ts';
import { proxy } from '../../../rotation/proxy.ts';
import { Rotating } from '../../../rotation/rotating.ts';
import { describeOwnServers } from '../../../servers.ts';
import { STRATEGIES, through } from './support.ts';

/** The superuser keeps four of them, so that a test can always look. */
const SLOTS = 8;

await describeOwnServers(
  'postgres',
  'a server with hardly a connection left',
  {
    settings: {
      max_connections: '12',
      superuser_reserved_connections: '4',
      max_wal_senders: '0',
    },
  },
  (server) => {
    /** The application's pool: open sessions of the user in AWSCURRENT, in `database`. */
    async function pool(rotating: Rotating, size: number, database = server.database) {
      await using open = new AsyncDisposableStack();
      for (let n = 0; n < size; n++) {
        const { host, port } = server;
        const [user, password] = [String(rotating.value()['username']), rotating.password()];
        const client = new pg.Client({ host, port, user, password, database });
        client.on('error', () => {});
        await client.connect();
        open.defer(() => client.end());
      }
      const rest = open.move();
      return { [Symbol.asyncDispose]: () => rest.disposeAsync() };
    }

    /** One of the two that a secret names logs in, after every step. */
    const neverLockedOut = (rotating: Rotating) => ({
      onStep: {
        after: async () => {
          const values = ['AWSCURRENT', 'AWSPENDING']
            .filter((label) => Object.values(rotating.labels).flat().includes(label))
            .map((label) => rotating.value(label));
          const accepted: boolean[] = [];
          // One after the other: there is one connection for both.
          for (const { username, password } of values)
            accepted.push(await rotating.logsIn(String(password), String(username)).catch(() => false));
          expect(accepted).toContain(true);
        },
      },
    });

    test.each(STRATEGIES)('%s, the application’s pool has all but one', async (_, options) => {
      await using rotating = await Rotating.on(server, options);
      await using _pool = await pool(rotating, SLOTS - 1);

      await rotating.expectRotated(undefined, neverLockedOut(rotating));
    });

    test.each(STRATEGIES)('%s, in a database at its CONNECTION LIMIT but for one', async (_, options) => {
      const database = `db_${Math.random().toString(36).slice(2)}`;
      await using rotating = await Rotating.on(server, { ...options, secret: { dbname: database } });
      await rotating.sql(`CREATE DATABASE ${database} CONNECTION LIMIT 3`);
      {
        await using _pool = await pool(rotating, 2, database);
        await rotating.expectRotated(undefined, neverLockedOut(rotating));
      }
      await rotating.sql(`DROP DATABASE ${database} WITH (FORCE)`);
    });

    test.each(STRATEGIES)('%s, the user is at its CONNECTION LIMIT but for one', async (_, options) => {
      await using rotating = await Rotating.on(server, options);
      await rotating.sql(`ALTER ROLE ${rotating.user} CONNECTION LIMIT 3`);
      await using _pool = await pool(rotating, 2);

      await rotating.expectRotated(undefined, neverLockedOut(rotating));
    });

    test.each(STRATEGIES)(
      '%s, nothing is left: refused before anything is changed, and says why',
      async (_, options) => {
        await using rotating = await Rotating.on(server, options);
        await using _pool = await pool(rotating, SLOTS);

        await rotating.expectRefused('DatabaseError', [/no connection left/, /max_connections/]);
      },
    );

    test.each(
      STRATEGIES.flatMap(([name, options]) => [
        [name, 'gives it back', options] as const,
        [name, 'keeps it', options] as const,
      ]),
    )('%s, somebody takes the last one at the change, and %s', async (_, then, options) => {
      await using thieves = new AsyncDisposableStack();
      const taken = Promise.withResolvers<void>();
      let taking = false;
      await using between = await proxy(server, async (from, bytes) => {
        if (taking || from !== 'client' || !/ALTER ROLE .*PASSWORD/.test(bytes.toString())) return;
        taking = true;
        let last: AsyncDisposable | undefined;
        thieves.defer(() => last?.[Symbol.asyncDispose]());
        // The session that has just ended may still be on its way out.
        await eventually(async () => {
          last = await pool(rotating, 1).catch(() => undefined);
          return last !== undefined;
        });
        taken.resolve();
        if (then === 'gives it back') void sleep(1500).then(() => last?.[Symbol.asyncDispose]());
      });
      await using rotating = await Rotating.on(server, through(between.endpoint, options));
      await using _pool = await pool(rotating, SLOTS - 2);

      const { error, token } = await rotating.rotate();
      expect(error).toBeUndefined();
      await taken.promise;
      await thieves.disposeAsync();
      await rotating.expectComplete(token);
    });

    test.each(STRATEGIES.slice(0, 2))(
      '%s, no proof can be had: the error says that the password has been set',
      async (_, options) => {
        let isOpen = true;
        const between = await proxy(server, (from, bytes) => {
          if (!isOpen || from !== 'client' || !bytes.includes('COMMIT\0')) return;
          isOpen = false;
          between.close();
        });
        await using rotating = await Rotating.on(server, through(between.endpoint, options));
        const token = rotating.begin();
        await rotating.step('createSecret', token);

        expect(await rotating.step('setSecret', token)).toMatchObject({
          error: { errorType: 'ConnectionError', errorMessage: expect.stringContaining('password has been set') },
        });
        expect(await rotating.logsIn(rotating.password('AWSPENDING'))).toBe(true);

        between.listen(between.endpoint.port, between.endpoint.host);
        await rotating.expectRotated();
        between.close();
      },
    );
  },
);
