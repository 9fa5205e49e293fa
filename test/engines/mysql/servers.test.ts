import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { RowDataPacket } from 'mysql2/promise';
import { introduction, type ServerDescription, startServer } from '../../../local/servers/server.ts';
import type { Login } from '../../../local/servers/users.ts';
import { tls } from '../../fixtures/tls/tls.ts';
import { describeOwnServers, describeServers, testWithLog } from '../../servers.ts';
import { rows, usersOf } from '../servers.ts';
import { connect } from './connection.ts';

function somebody(): Login {
  return {
    username: `somebody_${randomBytes(6).toString('hex')}`,
    password: `r'i"g\\ht ${randomBytes(9).toString('hex')}`,
  };
}

/** As the server says; empty for plain text. */
async function cipherOf(server: ServerDescription, ssl?: Parameters<typeof connect>[1]): Promise<string> {
  await using client = await connect(server, ssl);
  const [[found]] = await client.query<RowDataPacket[]>(`SHOW STATUS LIKE 'Ssl_cipher'`);
  return found?.['Value'];
}

describeServers('mysql', 'a MySQL or MariaDB server', (server) => {
  const users = usersOf(server);

  test('has the version of its row, which it says itself', () => {
    const { product, version } = rows[server.row];
    expect(server.version).toMatch(new RegExp(`^${version}\\.\\d+$`));
    expect(introduction(server)).toBe(`${product} ${server.version}, ${server.source}`);
  });

  testWithLog(server)('shows at once in its log who logged in and who did not, and what was asked', async () => {
    const user = somebody();
    await users.createUser(user);
    await using client = await connect(server);
    await client.query(`SELECT 'asked by ${user.username}, é'`);
    expect(await users.logIn(user)).toBe('accepted');
    expect(await users.logIn({ ...user, password: 'wrong' })).toBe('refused');

    const log = await server.log();

    expect(log.split(`Connect\t${user.username}@`)).toHaveLength(3);
    expect(log.split(`Connect\tAccess denied for user '${user.username}'@`)).toHaveLength(2);
    expect(log).toContain(`SELECT 'asked by ${user.username}, é'`);
    // Neither when this one was made nor when root was.
    for (const { password } of [user, server.superuser]) expect(log).not.toContain(password);
    await users.dropUser(user.username);
  });

  test('answers clients that want TLS that it has none', async () => {
    await expect(cipherOf(server, { rejectUnauthorized: false })).rejects.toMatchObject({
      code: 'HANDSHAKE_NO_SSL_SUPPORT',
    });
  });
});

describe('a user', () => {
  describeServers('mysql', 'on MySQL or MariaDB', (server) => {
    const users = usersOf(server);

    test('logs in with the password that was set last, and is gone when dropped, whatever hosts it has', async () => {
      const [user, other] = [somebody(), somebody()];
      await users.createUser(user);
      expect(await users.logIn(user)).toBe('accepted');

      await users.setPassword({ ...user, password: other.password });
      expect(await users.logIn(user)).toBe('refused');
      expect(await users.logIn({ ...user, password: other.password })).toBe('accepted');

      await users.run(`CREATE USER ?@'10.%'`, [user.username]);
      await users.dropUser(user.username);
      await users.dropUser(user.username);
      expect(await users.run('SELECT User FROM mysql.user WHERE User = ?', [user.username])).toEqual([]);
    });

    test('that the server cannot be asked about is no refused one', async () => {
      const elsewhere = usersOf({ ...server, host: '127.0.0.1', port: 1 });
      await expect(elsewhere.logIn(somebody())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    });

    test('is made and given rights by an admin, who cannot give all', async () => {
      const [admin, user] = [somebody(), somebody()];
      await users.createAdmin(admin);
      await using client = await connect({ ...server, superuser: admin });
      await client.query(`CREATE USER ?@'%' IDENTIFIED BY ?`, [user.username, user.password]);
      await client.query(`GRANT SELECT ON *.* TO ?@'%'`, [user.username]);
      expect(await users.logIn(user)).toBe('accepted');

      await expect(client.query(`GRANT SUPER ON *.* TO ?@'%'`, [user.username])).rejects.toMatchObject({ errno: 1045 });
      for (const { username } of [user, admin]) await users.dropUser(username);
    });
  });
});

await describeOwnServers('mysql', 'a server of one’s own', { tls, settings: { max_connections: '77' } }, (server) => {
  test('has the settings it was given', async () => {
    expect(await usersOf(server).run('SELECT @@max_connections AS most')).toEqual([{ most: 77 }]);
  });

  test('shows a certificate that its authority vouches for, and no other, and takes plain text too', async () => {
    expect(await cipherOf(server, { ca: tls.ca })).toMatch(/^TLS_/);
    expect(await cipherOf(server)).toBe('');
    await expect(cipherOf(server, { ca: tls.otherCa })).rejects.toThrow('unable to verify the first certificate');
  });

  test('keeps address, data, TLS and log when restarted', async () => {
    await using before = await connect(server);
    await before.query('CREATE DATABASE kept');

    await server.restart();

    await using after = await connect({ ...server, database: 'kept' }, { ca: tls.ca });
    await expect(after.query('SELECT 1')).resolves.toBeDefined();
    await expect(before.query('SELECT 1')).rejects.toThrow();
    expect(await server.log()).toContain('CREATE DATABASE kept');
  });

  test('says in its own words why it does not start', async () => {
    const start = startServer(server.row, { from: ['docker'], settings: { no_such_setting: 'x' } });

    await expect(start).rejects.toThrow(/did not start:[\s\S]*unknown variable 'no_such_setting=x'/);
  });
});
