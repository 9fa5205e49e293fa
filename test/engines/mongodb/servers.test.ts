import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { temporaryDirectory } from '../../../local/owner.ts';
import { introduction, startServer } from '../../../local/servers/server.ts';
import type { Login } from '../../../local/servers/users.ts';
import { tls } from '../../fixtures/tls/tls.ts';
import { describeOwnServers, describeServers, testWithNamesInLog } from '../../servers.ts';
import { usersOf } from '../servers.ts';
import { connect } from './connection.ts';
import { mongodbServers } from './servers.ts';
import { loginsIn } from './users.ts';

function somebody(): Login {
  return {
    username: `some.body@${randomBytes(6).toString('hex')}`,
    password: `r'i"g\\ht$ ${randomBytes(9).toString('hex')}`,
  };
}

describeServers('mongodb', 'a MongoDB server', (server) => {
  const users = usersOf(server);

  test('has the version of its row, or stands in for it, and says so', () => {
    expect(`${server.product} ${server.version}`).toMatch(/^(MongoDB 8|FerretDB 2)\.\d+\.\d+$/);
    expect(introduction(server)).toBe(`${server.product} ${server.version}, ${server.source}`);
  });

  testWithNamesInLog(server)('shows at once in its log who logged in and who did not', async () => {
    const user = somebody();
    await users.createUser(user);
    expect(await users.logIn(user)).toBe('accepted');
    expect(await users.logIn({ ...user, password: 'wrong' })).toBe('refused');

    expect(users.loginsIn(await server.log(), user.username)).toEqual({ accepted: 1, failed: 1 });
    await users.dropUser(user.username);
  });

  test('answers clients that want TLS that it has none', async () => {
    await expect(connect({ ...server, tlsOnly: true })).rejects.toMatchObject({ code: 'ECONNRESET' });
  });
});

describe('a user', () => {
  describeServers('mongodb', 'on MongoDB', (server) => {
    const users = usersOf(server);

    test('logs in with the password that was set last, and is gone when dropped', async () => {
      const [user, other] = [somebody(), somebody()];
      await users.createUser(user);
      expect(await users.logIn(user)).toBe('accepted');

      await users.setPassword({ ...user, password: other.password });
      expect(await users.logIn(user)).toBe('refused');
      expect(await users.logIn({ ...user, password: other.password })).toBe('accepted');

      await users.dropUser(user.username);
      await users.dropUser(user.username);
      expect(await users.logIn({ ...user, password: other.password })).toBe('refused');
    });

    test('changes its own password', async () => {
      const [user, other] = [somebody(), somebody()];
      await users.createUser(user);
      {
        await using client = await connect({ ...server, superuser: user });
        await client.db('admin').command({ updateUser: user.username, pwd: other.password });
      }
      expect(await users.logIn({ ...user, password: other.password })).toBe('accepted');
      await users.dropUser(user.username);
    });

    test('is changed by what people are told to run', async () => {
      const [user, other] = [somebody(), somebody()];
      const { username } = user;
      const { password: pwd } = other;
      await users.run(`db.createUser(${JSON.stringify({ user: username, pwd, roles: [] })})`);
      expect(await users.logIn({ username, password: pwd })).toBe('accepted');

      const statement = `updateUser(${JSON.stringify(username)}, ${JSON.stringify({ pwd: user.password })})`;
      expect(await users.run(`db.getSiblingDB("admin").${statement}`)).toMatchObject([{ ok: 1 }]);

      expect(await users.logIn(user)).toBe('accepted');
      expect(await users.run(`db.dropUser(${JSON.stringify(username)})`)).toMatchObject([{ ok: 1 }]);
      await expect(users.run('db.noSuchMethod()')).rejects.toThrow('noSuchMethod');
    });

    test('that the server cannot be asked about is no refused one', async () => {
      const elsewhere = usersOf({ ...server, host: '127.0.0.1', port: 1 });
      await expect(elsewhere.logIn(somebody())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    });

    test('is made by an admin', async () => {
      const [admin, user] = [somebody(), somebody()];
      await users.createAdmin(admin);
      {
        await using client = await connect({ ...server, superuser: admin });
        await client.db('admin').command({ createUser: user.username, pwd: user.password, roles: [] });
      }
      expect(await users.logIn(user)).toBe('accepted');
      for (const { username } of [user, admin]) await users.dropUser(username);
    });
  });
});

await describeOwnServers('mongodb', 'a server of one’s own', { tls }, (server) => {
  const verified = (ca: string) => connect({ ...server, host: 'localhost' }, { ca, ...STRICT });
  const STRICT = { tlsAllowInvalidCertificates: false, tlsAllowInvalidHostnames: false };

  test('shows a certificate that its authority vouches for, and no other, and takes no plain text', async () => {
    await using client = await verified(tls.ca);
    expect(await client.db('admin').command({ ping: 1 })).toMatchObject({ ok: 1 });
    await expect(verified(tls.otherCa)).rejects.toThrow('unable to verify the first certificate');
    const { tlsOnly: _, ...plain } = server;
    await expect(connect(plain)).rejects.toThrow();
  });

  test('keeps address, data, TLS and log when restarted', async () => {
    const user = somebody();
    await usersOf(server).createUser(user);
    const before = await server.log();

    await server.restart();

    await using _ = await verified(tls.ca);
    expect(await usersOf(server).logIn(user)).toBe('accepted');
    expect((await server.log()).startsWith(before.slice(0, 1000))).toBe(true);
  });

  test('says in its own words why it does not start', async () => {
    const start = startServer(server.row, { from: ['docker', 'path'], settings: { no_such_setting: 'x' } });

    await expect(start).rejects.toThrow(/did not start:[\s\S]*no_such_setting/);
  });
});

test.each([
  ['', {}],
  [' over TLS', { tls }],
])('a mongod on PATH, played, is made a replica set of one, with authentication and a superuser%s', async (_, more) => {
  await using folder = await temporaryDirectory();
  const program = fileURLToPath(new URL('./played-mongod.ts', import.meta.url));
  const script = `#!/bin/sh\nexec ${process.execPath} --disable-warning=ExperimentalWarning ${program} "$@"\n`;
  await writeFile(join(folder.path, 'mongod'), script, { mode: 0o755 });
  const before = process.env['PATH'];
  process.env['PATH'] = `${folder.path}${delimiter}${before}`;
  try {
    await using server = await startServer('mongodb 8.0', { from: ['path'], settings: { slowms: '7' }, ...more });

    expect(server).toMatchObject({ product: 'MongoDB', version: '8.0.4', source: join(folder.path, 'mongod') });
    await using client = await connect(server);
    expect(await client.db('admin').command({ ping: 1 })).toMatchObject({ ok: 1 });
    const [options, ...asked] = (await server.log())
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
    expect(options).toMatchObject({ replSet: 'rs0', port: String(server.port), bind_ip: '127.0.0.1', slowms: '7' });
    expect(options).toMatchObject({ keyFile: expect.any(String), dbpath: expect.any(String) });
    expect(asked.filter((command) => /^(repl|create)/.test(command))).toEqual(['replSetInitiate', 'createUser']);
  } finally {
    process.env['PATH'] = before;
  }
});

test('an image of mongod is told over TLS whom it trusts, and to let in who has no certificate; of others nobody asks that', () => {
  const address = {
    host: '127.0.0.1',
    port: 27_017,
    database: 'admin',
    superuser: { username: 'root', password: 'x' },
  };
  const command = (...variables: string[]) => mongodbServers.container(address, { tls }, variables).command.join(' ');

  expect(command('MONGO_VERSION')).toMatch(/ --tlsCAFile \S+ --tlsAllowConnectionsWithoutCertificates( |$)/);
  expect(command()).toContain('requireTLS');
  expect(command()).not.toContain('tlsCAFile');
});

/** Lines as MongoDB 8.0 has them, https://www.mongodb.com/docs/manual/reference/log-messages/ */
function line(id: number, msg: string, attr: object): string {
  const t = { $date: '2026-01-02T03:04:05.678+00:00' };
  return JSON.stringify({ t, s: 'I', c: 'ACCESS', id, ctx: 'conn1', msg, attr });
}

test('logins are counted in MongoDB’s log by connection: what was only speculated on is none', () => {
  const login = (client: string, user: string, result = 0, isSpeculative = true) =>
    result === 0
      ? line(5286306, 'Successfully authenticated', { client, isSpeculative, user, db: 'admin', result })
      : line(5286307, 'Failed to authenticate', { client, isSpeculative, user, db: 'admin', result });
  const log = [
    'not a document',
    login('10.0.0.1:1', 'app'),
    login('10.0.0.1:2', 'app', 11), // the user is not known by the mechanism that was guessed
    login('10.0.0.1:2', 'app', 0, false),
    login('10.0.0.1:3', 'app', 11),
    login('10.0.0.1:3', 'app', 11, false),
    login('10.0.0.1:4', 'app2'),
  ].join('\n');

  expect(loginsIn(log, ({ user }) => user === 'app')).toEqual({ accepted: 2, failed: 1 });
});
