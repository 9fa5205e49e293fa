/** What a login comes to in ways that are this engine's alone. */
import { describe, expect, test } from '@jest/globals';
import { mysql } from '../../../../functions/mysql/engine.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import type { Tls } from '../../../../shared/database/engine.ts';
import { trusting } from '../../../conformance/bench.ts';
import { expectFailure } from '../../../conformance/duties/logins.ts';
import { fakeServer, type Listening, relay } from '../../../conformance/relay.ts';
import { newPassword, unique } from '../../../conformance/unique.ts';
import { WIRES } from '../../../conformance/wires.ts';
import { tls } from '../../../fixtures/tls/tls.ts';
import { connect } from '../connection.ts';
import { authSwitch, error, greeting, greets, letsIn, ok, row } from '../fake.ts';
import { describeOwnMySql } from './own.ts';

const BARRED = { is: 'unknown', name: 'LoginBarredError', layer: 'authentication' } as const;
const REFUSED = { is: 'refused', name: 'LoginRefusedError', layer: 'authentication', code: '1045' } as const;
const DATABASE = { is: 'unknown', name: 'DatabaseError', layer: 'database' } as const;
const UNREACHABLE = { is: 'unknown', name: 'ConnectionError', layer: 'TCP' } as const;

await describeOwnMySql('a login', ({ isMariaDb, over, run, setting, clientHost }, server) => {
  const { host } = server;
  const only = (applies: boolean): typeof test => (applies ? test : ((() => {}) as unknown as typeof test));
  const [onMariaDb, onMySql] = [only(isMariaDb), only(!isMariaDb)];
  const [secured, plain] = WIRES.map(over) as [ReturnType<typeof over>, ReturnType<typeof over>];

  describe('of a name that several accounts have', () => {
    test('is that of the account that the server chose, whose password alone is changed', async () => {
      await using user = await plain.user();
      const { username } = user;
      const here = { username, password: newPassword() };
      await run('CREATE USER ?@? IDENTIFIED BY ?', [username, await clientHost(), here.password.reveal()]);
      await using own = await plain.session(here);
      expect(own.account).toEqual({ username, realm: await clientHost() });
      const to = newPassword();

      // It cannot see that there is another one.
      expect(await plain.change(own, here.password, to)).toBe('set');

      expect(await plain.outcome(user, to)).toBe('accepted');
      await run('DROP USER ?@?', [username, await clientHost()]);
      await plain.expectUnchanged(user, to);
    });

    test('that the session can see is not changed, and the error names them', async () => {
      await using user = await plain.user();
      const { username } = user;
      await run('CREATE USER ?@? IDENTIFIED BY ?', [username, '192.0.2.%', 'other']);
      await run(isMariaDb ? "GRANT SELECT ON mysql.* TO ?@'%'" : "GRANT CREATE USER ON *.* TO ?@'%'", [username]);
      await using own = await plain.session(user);
      const to = newPassword();

      const changed = plain.change(own, user.password, to);

      await expect(changed).rejects.toMatchObject({ name: 'SeveralAccountsError', user: username });
      await expect(changed).rejects.toThrow(/"%".*"192\.0\.2\.%"|"192\.0\.2\.%".*"%"/);
      await plain.expectUnchanged(user, to);
    });

    test('is not one that an admin may set a password of', async () => {
      await using admin = await plain.admin();
      if (isMariaDb) await run("GRANT SELECT ON mysql.* TO ?@'%'", [admin.username]);
      await using user = await plain.user();
      await run('CREATE USER ?@? IDENTIFIED BY ?', [user.username, '192.0.2.%', 'other']);
      await using session = await plain.session(admin);
      const byAdmin = mysql.byAdmin(plain.subject.engineKey);
      if ('unsupported' in byAdmin) throw new TypeError(byAdmin.unsupported);

      await expect(byAdmin.facts(session as never, user.username, plain.endpoint())).rejects.toMatchObject({
        name: 'SeveralAccountsError',
        user: user.username,
      });
    });
  });

  test('that the server takes for an anonymous user’s proves nothing', async () => {
    await using user = await plain.user();
    await using control = await connect(server); // a new session of root's would be taken for the anonymous user's, too
    const here = await clientHost();
    await control.query("CREATE USER ''@? IDENTIFIED BY ?", [here, user.password.reveal()]);
    try {
      for (const bench of [plain, secured]) {
        const result = await bench.login(user);
        expectFailure(result, user, host, DATABASE);
        if (result.is !== 'accepted') expect(result.why.message).toContain('anonymous');
      }
    } finally {
      await control.query("DROP USER ''@?", [here]);
    }
  });

  describe('of an account that wants TLS', () => {
    test('is accepted over TLS, and without it looks like a wrong password', async () => {
      await using user = await plain.user();
      await run("ALTER USER ?@'%' REQUIRE SSL", [user.username]);

      expect(await secured.outcome(user, user.password)).toBe('accepted');
      expectFailure(await plain.login(user), user, host, REFUSED);
    });

    test('with a certificate of its own looks like a wrong password', async () => {
      await using user = await plain.user();
      await run("ALTER USER ?@'%' REQUIRE X509", [user.username]);

      expectFailure(await secured.login(user), user, host, REFUSED);
    });

    test('as all have to (require_secure_transport) says so, but on MariaDB 10.11', async () => {
      await using user = await plain.user();
      await using control = await connect(server, { rejectUnauthorized: false });
      await control.query('SET GLOBAL require_secure_transport = 1');
      try {
        expect(await secured.outcome(user, user.password)).toBe('accepted');
        if (server.row === 'mariadb 10.11') expectFailure(await plain.login(user), user, host, REFUSED);
        else
          expectFailure(await plain.login(user), user, host, {
            is: 'unknown',
            name: 'TlsError',
            layer: 'TLS',
            code: '3159',
          });
      } finally {
        await control.query('SET GLOBAL require_secure_transport = 0');
      }
    });
  });

  describe('by another way than a password', () => {
    test('as the operating system’s user (auth_socket, unix_socket) proves nothing', async () => {
      const plugin = isMariaDb ? 'unix_socket' : 'auth_socket';
      if (!isMariaDb) await run("INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'");
      await using user = await plain.user();
      await run(
        isMariaDb ? "ALTER USER ?@'%' IDENTIFIED VIA unix_socket" : `ALTER USER ?@'%' IDENTIFIED WITH ${plugin}`,
        [user.username],
      );

      for (const bench of [plain, secured]) {
        const result = await bench.login(user);
        expect(result).toMatchObject({ is: 'unknown', why: { user: user.username, host } });
      }
      await plain.users.dropUser(user.username);
      if (!isMariaDb) await run('UNINSTALL PLUGIN auth_socket');
    });

    onMariaDb('as ed25519, which the driver does not know, proves nothing', async () => {
      await run("INSTALL SONAME 'auth_ed25519'");
      await using user = await plain.user();
      await run(`ALTER USER ?@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x')`, [user.username]);

      for (const bench of [plain, secured]) {
        const result = await bench.login(user);
        expectFailure(result, user, host, BARRED);
        if (result.is !== 'accepted') expect(result.why.message).toContain('by the plugin "client_ed25519"');
      }
      await plain.users.dropUser(user.username);
      await run("UNINSTALL SONAME 'auth_ed25519'");
    });

    onMySql(
      'as sha256_password and caching_sha2_password is accepted with the right password only, and changed',
      async () => {
        for (const plugin of ['sha256_password', 'caching_sha2_password'])
          for (const bench of [plain, secured]) {
            await using user = await bench.user();
            await run(`ALTER USER ?@'%' IDENTIFIED WITH ${plugin} BY ?`, [user.username, user.password.reveal()]);
            const to = newPassword();
            {
              await using own = await bench.session(user);
              expect(await bench.change(own, user.password, to)).toBe('set');
            }
            await bench.expectChanged(user, to);
          }
      },
    );

    onMySql('as caching_sha2_password asks for the server’s key where there is no TLS, and only there', async () => {
      // The first login since the account was made: no server has a short way for it yet.
      for (const [bench, asks] of [
        [plain, true],
        [secured, false],
      ] as const) {
        await using user = await bench.user();
        await using wire = await relay(server);

        const result = await bench.login(user, { host: wire.host, port: wire.port });

        if (result.is !== 'accepted') throw result.why;
        await result.session.close();
        expect(wire.heard().includes(Buffer.from([1, 0, 0, 3, 2]))).toBe(asks);
        expect(wire.heard().includes(user.password.reveal())).toBe(false);
      }
    });
  });

  describe('proves nothing', () => {
    onMySql('where the server is in offline mode', async () => {
      await using user = await plain.user();
      await using _setting = await setting('offline_mode', '1');

      for (const bench of [plain, secured])
        expectFailure(await bench.login(user), user, host, { ...UNREACHABLE, code: '3032' });
    });

    test('where too many are logged in', async () => {
      await using user = await plain.user();
      await using cleanUp = new AsyncDisposableStack();
      const control = cleanUp.use(await connect(server));
      await control.query('SET GLOBAL max_connections = 10');
      cleanUp.defer(async () => void (await control.query('SET GLOBAL max_connections = 151')));
      const fill = async () => cleanUp.use(await connect(server));
      while (await fill().catch(() => undefined));

      for (const bench of [plain, secured])
        expectFailure(await bench.login(user), user, host, { ...UNREACHABLE, code: '1040' });
    });

    // MariaDB changes it only where it was set at the start.
    onMySql(
      'where every user has its share of connections (max_user_connections), but that the password is right',
      async () => {
        await using user = await plain.user();
        await using _ = await setting('max_user_connections', '1');
        await using _own = await plain.session(user);

        expect(await plain.login(user)).toMatchObject({
          is: 'barred',
          why: { code: expect.stringMatching(/^1203|1226$/) },
        });
        expect(await plain.outcome(user, newPassword())).toBe('refused');
      },
    );

    onMariaDb('after too many failed logins (max_password_errors)', async () => {
      await using user = await plain.user();
      await using _ = await setting('max_password_errors', '1');
      expect(await plain.outcome(user, newPassword())).toBe('refused');

      expectFailure(await plain.login(user), user, host, { ...BARRED, code: '4150' });
      await run('FLUSH PRIVILEGES');
    });

    test('where init_connect fails for it, but that the password is right', async () => {
      await using user = await plain.user();
      await using _ = await setting('init_connect', "'SELECT * FROM nowhere.nothing'");

      for (const bench of [plain, secured]) {
        expectFailure(await bench.login(user), user, host, { ...BARRED, is: 'barred', code: '1184' });
        expect(await bench.outcome(user, newPassword())).toBe('refused');
      }
    });

    test('where the server has no such plugin', async () => {
      await using user = await plain.user();
      await run(
        isMariaDb
          ? 'UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, "$.plugin", "none_such") WHERE User = ?'
          : "UPDATE mysql.user SET plugin = 'none_such' WHERE User = ?",
        [user.username],
      );
      await run('FLUSH PRIVILEGES');

      const result = await plain.login(user);

      expectFailure(result, user, host, { ...BARRED, code: '1524' });
    });
  });

  test('is understood in another language', async () => {
    await using _ = await setting('lc_messages', "'de_DE'");
    await using inState = await plain.userIn('locked');
    await using user = await plain.user();
    const wrong = { username: user.username, password: newPassword() };
    const heard = await connect({
      ...server,
      superuser: { username: wrong.username, password: wrong.password.reveal() },
    }).then(
      () => '',
      (cause: Error) => cause.message,
    );
    expect(heard).toContain('keine Zugriffsberechtigung');

    expectFailure(await plain.login(wrong), wrong, host, REFUSED);
    expect(await plain.login(inState.user)).toMatchObject({ is: 'barred' });
    expect(await plain.login(user, { database: 'mysql' })).toMatchObject({ is: 'barred', why: { code: '1044' } });
    await using own = await plain.session(user, new Deadline(9000));
    await using _held = await plain.hold('another session’s hold on the account', user.username);
    await expect(plain.change(own, user.password, newPassword())).rejects.toMatchObject({ name: 'DeadlineError' });
  });
});

describe('a login', () => {
  const as = { username: 'nemo', password: new Secret(unique('password')) };
  const knock = (to: Listening, wanted: Tls = 'off') =>
    mysql.login({ host: to.host, port: to.port, tls: wanted, options: {} }, as, new Deadline(3000));
  const verified = trusting(tls.ca, 'localhost');

  test.each([
    [1045, 'refused'],
    [3118, 'barred'],
    [1049, 'barred'],
    [1130, 'unknown'],
  ])(
    'that fails with %i where TLS is wanted, and before there is any, proves nothing; in clear text it is %s',
    async (code, is) => {
      const answer = error(2, code, 'no');
      for (const speak of [
        (socket) => void socket.write(error(0, code, 'no', '')),
        (socket) => void socket.write(Buffer.concat([greeting({ tls: true }), answer])),
        greets(() => answer, { tls: true }),
      ] as Parameters<typeof fakeServer>[0][]) {
        await using server = await fakeServer(speak);

        expect(await knock(server, verified)).toMatchObject({ is: 'unknown' });
      }
      await using honest = await fakeServer(greets(() => answer));
      expect(await knock(honest)).toMatchObject({ is });
    },
  );

  test('that is taken before there is TLS, where TLS is wanted, proves nothing and says nothing more', async () => {
    const heard: Buffer[] = [];
    await using server = await fakeServer((socket) => {
      socket.on('data', (bytes) => heard.push(bytes));
      socket.write(Buffer.concat([greeting({ tls: true }), ok(2)]));
    });

    expect(await knock(server, verified)).toMatchObject({ is: 'unknown' });
    for (const text of [as.username, as.password.reveal(), 'SELECT', 'secret-rotation'])
      expect(Buffer.concat(heard).includes(text)).toBe(false);
  });

  test.each([
    ['in clear text (mysql_clear_password)', 'mysql_clear_password', BARRED, 'in clear text'],
    ['in clear text (dialog)', 'dialog', BARRED, 'by the plugin "dialog"'],
    ['by parsec', 'parsec', BARRED, 'by the plugin "parsec"'],
    ['by what is no name', 'no\nname', DATABASE, 'a way to authenticate other than'],
  ])('that wants the password %s does not get it', async (_, plugin, failure, words) => {
    const heard: Buffer[] = [];
    await using server = await fakeServer((socket) => {
      socket.on('data', (bytes) => heard.push(bytes));
      greets(() => authSwitch(2, plugin))(socket);
    });

    const result = await knock(server);

    expectFailure(result, as, server.host, failure);
    if (result.is !== 'accepted') expect(result.why.message).toContain(words);
    expect(Buffer.concat(heard).includes(as.password.reveal())).toBe(false);
  });

  test.each([
    ['root@localhost', '"root"'],
    ['@%', 'anonymous'],
    ['skip-grants user@skip-grants host', 'skip_grant_tables'],
    ['nemo2@%', '"nemo2"'],
    ['nemo', '""'],
  ])('that the server takes for %s proves nothing', async (account, words) => {
    await using server = await fakeServer(
      letsIn((statement) => (statement.includes('CURRENT_USER()') ? row('account', account) : undefined)),
    );

    const result = await knock(server);

    expect(result).toMatchObject({ is: 'unknown', why: { layer: 'database' } });
    if (account !== 'nemo' && result.is !== 'accepted') expect(result.why.message).toContain(words);
  });
});
