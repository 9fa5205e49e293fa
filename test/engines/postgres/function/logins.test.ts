import { describe, expect, test } from '@jest/globals';
import { postgres } from '../../../../functions/postgres/engine.ts';
import type { Address } from '../../../../local/servers/source.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { expectFailure } from '../../../conformance/duties/logins.ts';
import { fakeServer, says } from '../../../conformance/relay.ts';
import { describeServers, testUnless } from '../../../servers.ts';
import { connect } from '../connection.ts';
import { errorResponse, message } from '../fake.ts';
import { describeOwnServers, endpoint, eventually, login, newRole, outcome, sql, unique } from './support.ts';

const UNREACHABLE = { is: 'unknown', name: 'ConnectionError', layer: 'TCP' } as const;
const DATABASE = { is: 'unknown', name: 'DatabaseError', layer: 'database' } as const;

describeServers('postgres', 'a login', (server) => {
  test('finds the database "postgres" where none is named', async () => {
    await using role = await newRole(server);

    const result = await login(server, role, { database: undefined });

    expect(result.is).toBe('accepted');
    if (result.is === 'accepted') await result.session.close();
  });

  test('is barred for a user that has CONNECTION LIMIT 0', async () => {
    await using role = await newRole(server, { more: 'ALTER ROLE %I CONNECTION LIMIT 0' });

    expectFailure(await login(server, role), role, server.host, {
      is: 'barred',
      name: 'LoginBarredError',
      layer: 'authentication',
      code: '53300',
    });
    expect(await outcome(server, role, new Secret('wrong'))).toBe('refused');
  });

  const LOGIN_TRIGGERS: [string, string, string][] = [
    ['that raises an error', "RAISE 'not today'", 'P0001'],
    ['that lacks a right', 'EXECUTE $$TABLE pg_authid$$', '42501'],
  ];
  for (const [how, what, code] of LOGIN_TRIGGERS)
    testUnless(Number.parseInt(server.version, 10) < 17 ? 'there are none before 17' : undefined)(
      `is barred by a login trigger ${how}`,
      async () => {
        const database = unique('db');
        await using role = await newRole(server);
        await sql(server, `CREATE DATABASE ${database}`);
        await sql(
          { ...server, database },
          `CREATE FUNCTION checked() RETURNS event_trigger LANGUAGE plpgsql AS $_$ BEGIN
         IF session_user = '${role.username}' THEN ${what}; END IF; END $_$;
       CREATE EVENT TRIGGER checked ON login EXECUTE FUNCTION checked()`,
        );

        const result = await login(server, role, { database });

        expectFailure(result, role, server.host, {
          is: 'barred',
          name: 'LoginBarredError',
          layer: 'authentication',
          code,
        });
        if (result.is === 'barred') expect(result.why.message).toContain('login trigger');
        await sql(server, `DROP DATABASE ${database} WITH (FORCE)`);
      },
    );

  test('is barred without CONNECT, and says so', async () => {
    const database = unique('db');
    await using role = await newRole(server);
    await sql(server, `CREATE DATABASE ${database}`);
    await sql(server, `REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC`);

    const result = await login(server, role, { database });

    expect(result).toMatchObject({ is: 'barred', why: { code: '42501', message: expect.stringContaining('CONNECT') } });
    await sql(server, `DROP DATABASE ${database} WITH (FORCE)`);
  });
});

/** Replaces pg_hba.conf: these lines, and the superuser as before. */
async function setHba(server: Address, lines: string[]): Promise<void> {
  const all = [...lines, 'host all postgres all scram-sha-256'].join('\n');
  await using superuser = await connect(server);
  const text = `SELECT unnest(string_to_array(${superuser.escapeLiteral(all)}, chr(10)))`;
  await superuser.query(`COPY (${text}) TO PROGRAM 'cat > pg_hba.conf'`);
  await superuser.query('SELECT pg_reload_conf()');
  // A server reloads when it gets to it; whoever is named nowhere is let in before that and not after.
  const nobody = { username: 'nobody', password: new Secret('x') };
  await eventually(async () => (await login(server, nobody)).is === 'unknown');
}

await describeOwnServers(
  'postgres',
  'a login',
  {
    settings: {
      max_connections: '8',
      superuser_reserved_connections: '1',
      max_wal_senders: '0',
      hot_standby: 'off',
    },
  },
  (server) => {
    describe('where pg_hba.conf', () => {
      test.each([
        ['has no entry for the user', []],
        ['rejects the user', ['host all %I all reject']],
        // It asks for the password, and says about it what it says about a missing entry: as PAM, with which RDS checks tokens.
        [
          'has a RADIUS server asked, which is not there,',
          ['host all %I all radius radiusservers="127.0.0.1" radiusports="1" radiussecrets="x"'],
        ],
      ])('%s proves nothing', async (_, lines) => {
        await using role = await newRole(server);
        await setHba(
          server,
          lines.map((line) => line.replace('%I', role.username)),
        );

        expectFailure(await login(server, role), role, server.host, {
          is: 'unknown',
          name: 'LoginBarredError',
          layer: 'authentication',
          code: '28000',
        });
      });

      test('lets the user in without a password proves nothing', async () => {
        await using role = await newRole(server);
        await setHba(server, [`host all ${role.username} all trust`]);
        const wrong = { username: role.username, password: new Secret(unique('wrong')) };

        expectFailure(await login(server, wrong), wrong, server.host, DATABASE);
      });

      test('asks no password of a user that may not log in proves nothing', async () => {
        await using role = await newRole(server, { more: 'ALTER ROLE %I NOLOGIN' });
        await setHba(server, [`host all ${role.username} all trust`]);
        const wrong = { username: role.username, password: new Secret(unique('wrong')) };

        expect(await login(server, wrong)).toMatchObject({ is: 'unknown' });
      });

      test.each(['md5', 'password'])('asks for the password by %s, it is proven all the same', async (method) => {
        await using role = await newRole(server);
        await setHba(server, [`host all ${role.username} all ${method}`]);

        expect(await outcome(server, role, role.password)).toBe('accepted');
        expect(await outcome(server, role, new Secret('wrong'))).toBe('refused');
      });
    });

    test('proves nothing where too many are logged in', async () => {
      await using role = await newRole(server);
      await setHba(server, [`host all ${role.username} all scram-sha-256`]);
      await using sessions = new AsyncDisposableStack();
      const fill = async () => sessions.use(await connect(server));

      // All but the superuser's own place, about which the server speaks after it has checked the password.
      while ((await outcome(server, role, role.password)) === 'accepted') await fill();
      expectFailure(await login(server, role), role, server.host, { ...DATABASE, code: '53300' });

      while (await fill().catch(() => false));
      expectFailure(await login(server, role), role, server.host, { ...DATABASE, code: '53300' });
    });

    // These come last: they leave the server unfit for others.
    test('proves nothing while the server is stopping', async () => {
      const role = await newRole(server);
      await setHba(server, [`host all ${role.username} all scram-sha-256`]);
      await using _ = await connect(server);

      await sql(server, `COPY (SELECT) TO PROGRAM 'cat > /dev/null; kill -TERM $(head -1 postmaster.pid)'`);

      await eventually(async () => (await outcome(server, role, role.password)) !== 'accepted');
      expectFailure(await login(server, role), role, server.host, { ...UNREACHABLE, code: '57P03' });
    });

    test('proves nothing while the server is starting', async () => {
      const role = { username: unique(), password: new Secret(unique('password')) };
      await server.restart();
      // A crashed standby that serves no queries starts for ever.
      await sql(server, `COPY (SELECT) TO PROGRAM 'cat > standby.signal'`);
      await sql(server, `COPY (SELECT) TO PROGRAM 'kill -9 $PPID'`).catch(() => {});

      // The server breaks connections while it begins anew, even after it has said that it is starting.
      let result = await login(server, role);
      await eventually(async () => {
        result = await login(server, role);
        return result.is === 'unknown' && result.why.code === '57P03';
      });

      expectFailure(result, role, server.host, { ...UNREACHABLE, code: '57P03' });
    });
  },
);

describe('a login that meets no PostgreSQL', () => {
  const as = { username: 'nemo', password: new Secret('not-to-be-told') };
  const knock = (to: { host: string; port: number }, tls: 'off' | { ca: [] } = 'off', milliseconds = 30_000) =>
    postgres.login(endpoint({ ...to, database: 'd', superuser: as as never }, { tls }), as, new Deadline(milliseconds));

  const MYSQL = Buffer.from('4a0000000a382e302e333600', 'hex');
  test.each([
    ['another protocol', 'off', says(MYSQL)],
    ['another protocol instead of TLS', { ca: [] }, says(MYSQL)],
    ['a greeting that begins like a yes to TLS', { ca: [] }, says('SSH-2.0-OpenSSH_9.6\r\n')],
    ['a greeting that begins like a no to TLS', { ca: [] }, says('NOTICE')],
    ['a way to authenticate that the driver does not know (GSSAPI)', 'off', says(message('R', 7))],
    ['an error without a SQLSTATE', 'off', says(errorResponse({ M: 'x' }))],
    ['SASL mechanisms that the driver does not know', 'off', says(message('R', 10, 'SCRAM-SHA-512\0\0'))],
  ] as const)('hears %s', async (_, tls, answer) => {
    await using server = await fakeServer(answer);

    expectFailure(await knock(server, tls as 'off'), as, server.host, DATABASE);
  });

  test('hears an HTTP server', async () => {
    await using server = await fakeServer(says('HTTP/1.1 400 Bad Request\r\n\r\n'));

    // The driver takes the text for the beginning of a long message and waits for the rest: 500 ms, as one second is kept.
    expectFailure(await knock(server, 'off', 1500), as, server.host, {
      is: 'unknown',
      name: 'DeadlineError',
      layer: 'deadline',
    });
    expectFailure(await knock(server, { ca: [] }), as, server.host, DATABASE);
  });

  test('is told by PgBouncer that sessions have no limits there', async () => {
    const fields = { M: 'unsupported startup parameter: statement_timeout', C: '08P01' };
    await using server = await fakeServer(says(errorResponse(fields)));

    expectFailure(await knock(server), as, server.host, {
      is: 'unknown',
      name: 'UnsupportedHostError',
      layer: 'secret',
      code: '08P01',
    });
  });

  test('is told that there is no TLS', async () => {
    await using server = await fakeServer(says('N'));

    expectFailure(await knock(server, { ca: [] }), as, server.host, {
      is: 'unknown',
      name: 'TlsError',
      layer: 'TLS',
    });
  });

  test('is told that the server could not start a process for it, which is no answer about TLS', async () => {
    await using server = await fakeServer(says('Ecould not fork new process for connection\n\0'));

    expectFailure(await knock(server, { ca: [] }), as, server.host, DATABASE);
  });
});
