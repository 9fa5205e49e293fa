import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from '@jest/globals';
import { OWNER_VARIABLE } from '../../local/owner.ts';
import { isOfRow } from '../../local/servers/row.ts';
import {
  introduction,
  NoServer,
  type Server,
  type ServerDescription,
  type SourceName,
  startServer,
} from '../../local/servers/server.ts';
import { connect } from '../engines/postgres/connection.ts';
import { engineNames, type RowName, rowNames, rows, rowsOf, usersOf } from '../engines/servers.ts';
import { tls } from '../fixtures/tls/tls.ts';
import { LENDER_VARIABLE } from '../global-setup.ts';
import { describeServers, testWithNamesInLog } from '../servers.ts';

/** A server from each source that this machine has; all tests of a source share it. */
const candidates: { row: RowName; from: SourceName }[] = [
  { row: 'postgres 18', from: 'docker' },
  { row: 'postgres 15', from: 'docker' },
  { row: 'postgres 18', from: 'path' },
  { row: 'postgres 15', from: 'path' },
  { row: 'postgres 18', from: 'embedded' },
];
const settings = { log_statement: 'all' };
const starting = candidates.map(({ row, from }) => startServer(row, { from: [from], settings, tls }));
const started = await Promise.allSettled(starting);

afterAll(() => Promise.all(started.map((result) => result.status === 'fulfilled' && result.value.stop())));

function describeSources(tests: (server: Server, from: SourceName) => void): void {
  for (const [index, { row, from }] of candidates.entries()) {
    const result = started[index];
    describe(`${row} from ${from}`, () => {
      if (result?.status === 'fulfilled') return tests(result.value, from);
      const absent = result?.reason instanceof NoServer ? test.skip : test;
      absent(`${result?.reason}`, () => {
        throw result?.reason;
      });
    });
  }
}

describeSources((server, from) => {
  test('has the version of its row, which it says itself', () => {
    expect(server.version).toMatch(new RegExp(`^${server.row.split(' ')[1]}\\.\\d+$`));
    expect(introduction(server)).toBe(`PostgreSQL ${server.version}, ${server.source}`);
  });

  test('speaks UTF-8, stores passwords as SCRAM and asks for them', async () => {
    await using client = await connect(server);
    const { rows } = await client.query(
      `SELECT current_setting('server_encoding') encoding, current_setting('password_encryption') passwords`,
    );
    expect(rows).toEqual([{ encoding: 'UTF8', passwords: 'scram-sha-256' }]);

    const wrong = connect({ ...server, superuser: { username: 'postgres', password: 'wrong' } });
    await expect(wrong).rejects.toMatchObject({ code: '28P01' });
  });

  test('shows at once in its log who logged in and who did not, and what its settings ask for', async () => {
    await using client = await connect(server);
    await client.query(`CREATE ROLE somebody LOGIN PASSWORD 'right'; SELECT 'asked'`);
    const somebody = (password: string) => connect({ ...server, superuser: { username: 'somebody', password } });
    await using _ = await somebody('right');
    await somebody('wrong').catch(() => {});

    const log = await server.log();

    expect(log.match(/connection authorized: user=somebody/g)).toHaveLength(1);
    expect(log.match(/password authentication failed for user "somebody"/g)).toHaveLength(1);
    expect(log).toContain(`SELECT 'asked'`);
  });

  test('shows a certificate that its authority vouches for, and no other', async () => {
    await using client = await connect({ ...server, host: 'localhost' }, { ca: tls.ca });
    const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    expect(rows).toEqual([{ ssl: true }]);

    await using _ = await connect({ ...server, host: '127.0.0.1' }, { ca: tls.ca });
    await expect(connect(server, { ca: tls.otherCa })).rejects.toThrow('unable to verify the first certificate');
  });

  test('keeps address, data, TLS and log when restarted', async () => {
    await using before = await connect(server);
    await before.query('CREATE TABLE kept ()');

    await server.restart();

    await using after = await connect({ ...server, host: 'localhost' }, { ca: tls.ca });
    await expect(after.query('SELECT FROM kept')).resolves.toBeDefined();
    await expect(before.query('SELECT')).rejects.toThrow();
    expect(await server.log()).toContain('CREATE TABLE kept');
  });

  test('says in its own words why it does not start', async () => {
    const start = startServer(server.row, { from: [from], settings: { no_such_setting: 'x' } });

    await expect(start).rejects.toThrow(/did not start:[\s\S]*unrecognized configuration parameter "no_such_setting"/);
  });
});

for (const engine of engineNames)
  describeServers(engine, 'the shared server', (server) => {
    testWithNamesInLog(server)('is reached, and its log read, from a test file', async () => {
      const name = `visitor_${randomBytes(6).toString('hex')}`;

      expect(await usersOf(server).logIn({ username: name, password: 'wrong' })).toBe('refused');

      expect(await server.log()).toContain(name);
    });

    test('is used as it is when it is given by its address, and never stopped', async () => {
      const { host, port, database, superuser } = server;
      const variable = rows[server.row].addressVariable;
      await using _ = setVariable(variable, urlOf(server));

      const given = await startServer(server.row);
      expect(given).toMatchObject({ host, port, database, superuser, source: variable, version: server.version });
      await expect(given.log()).rejects.toThrow(`named by ${variable} is not ours: its log cannot be read`);
      await expect(given.restart()).rejects.toThrow(`named by ${variable} is not ours: it cannot be restarted`);
      await given.stop();

      await expect(usersOf(server).logIn(superuser)).resolves.toBe('accepted');
    });

    const others = rowsOf(engine).filter((row) => row !== server.row);
    for (const row of others) {
      const { product, version, addressVariable } = rows[row];
      const isProduct = product === server.product;
      test(`given by its address is ${isProduct ? '' : 'not '}taken for ${row}, and says what it is`, async () => {
        await using _ = setVariable(addressVariable, urlOf(server));
        const start = startServer(row);

        if (isProduct) return expect(await start).toMatchObject({ row, product, version: server.version });
        const found = `${server.product} ${server.version}`;
        await expect(start).rejects.toThrow(
          `The server for ${row} has to be ${product} ${version}, but ${addressVariable} is ${found}.`,
        );
      });
    }

    test('given by its address does not get settings, another source does', async () => {
      await using _ = setVariable(rows[server.row].addressVariable, `${engine}://127.0.0.1:1/`);

      await expect(startServer(server.row, { settings, from: ['address'] })).rejects.toThrow(NoServer);
    });

    test('given by an address at which nothing answers is an error, not a reason to take another', async () => {
      await using _ = setVariable(rows[server.row].addressVariable, `${engine}://127.0.0.1:1/`);

      await expect(startServer(server.row)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    });
  });

function urlOf({ row, host, port, database, superuser }: ServerDescription): string {
  const [username, password] = [superuser.username, superuser.password].map(encodeURIComponent);
  return `${rows[row].engine}://${username}:${password}@${host}:${port}/${encodeURIComponent(database)}`;
}

/** @param value undefined for a variable that is not to be there */
function setVariable(name: string, value: string | undefined): AsyncDisposable {
  const set = (to: string | undefined) => {
    if (to === undefined) delete process.env[name];
    else process.env[name] = to;
  };
  const before = process.env[name];
  set(value);
  return { [Symbol.asyncDispose]: async () => set(before) };
}

describe('a row without a server', () => {
  test('says all that would help', async () => {
    await using _ = setVariable('POSTGRES_OLD_URL', undefined);

    const start = startServer('postgres 15', { from: ['address', 'embedded'] });

    await expect(start).rejects.toEqual(new NoServer('postgres 15', ['give POSTGRES_OLD_URL']));
    expect(new NoServer('postgres 15', ['give POSTGRES_OLD_URL', 'start Docker']).message).toBe(
      'There is no server for postgres 15: give POSTGRES_OLD_URL or start Docker',
    );
  });
});

test('a version belongs to the row that names as much of it', () => {
  expect(isOfRow(rows['mysql 9.7'], { product: 'MySQL', version: '9.7.4' })).toBe(true);
  expect(isOfRow(rows['mysql 9.7'], { product: 'MySQL', version: '9.70.4' })).toBe(false);
  expect(isOfRow(rows['postgres 15'], { product: 'PostgreSQL', version: '15.18' })).toBe(true);
  expect(isOfRow(rows['mariadb 10.11'], { product: 'MariaDB', version: '10.1' })).toBe(false);
  expect(isOfRow(rows['mariadb 10.11'], { product: 'MySQL', version: '10.11' })).toBe(false);
});

test('what stands in for a server belongs to its row', () => {
  expect(isOfRow(rows['mongodb 8.0'], { product: 'MongoDB', version: '8.2.1' })).toBe(true);
  expect(isOfRow(rows['mongodb 8.0'], { product: 'MongoDB', version: '7.0.77' })).toBe(false);
  expect(isOfRow(rows['mongodb 8.0'], { product: 'FerretDB', version: '2.7.0' })).toBe(true);
});

describe('a run that can have neither MySQL nor MariaDB', () => {
  /** Jest over one file with nothing but a describe for them, in a process of its own. */
  async function run(REQUIRE_SERVERS: string): Promise<string> {
    const { [OWNER_VARIABLE]: _, [LENDER_VARIABLE]: __, ...environment } = process.env;
    for (const row of rowsOf('mysql')) delete environment[rows[row].addressVariable];
    // As good as no Docker, which Testcontainers finds wherever it is. The other servers are not asked for, and start faster without.
    for (const row of rowNames) environment[rows[row].imageVariable] = 'registry.invalid/none:1';
    const flags = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--verbose'];
    const ran = promisify(execFile)(process.execPath, [...flags, '--testMatch', '**/fixtures/servers/on-mysql.ts'], {
      env: { ...environment, REQUIRE_SERVERS },
    });
    const { stderr } = await ran.catch((error) => error);
    return stderr;
  }

  const remedy = (row: RowName) => `skipped: ${row} (give ${rows[row].addressVariable} or `;

  test('skips them by name, and says what would help', async () => {
    const said = await run('');

    for (const row of rowsOf('mysql')) expect(said).toContain(`\n${remedy(row)}`);
    expect(said).toMatch(/^Tests: +3 skipped, 3 total$/m);
  });

  test('fails if every server is required', async () => {
    const said = await run('all');

    for (const row of rowsOf('mysql')) expect(said).toContain(`✕ ${remedy(row)}`);
    expect(said).toMatch(/^Tests: +3 failed, 3 total$/m);
  });
});
