/** Poolers between the built function and a real server: no password is changed through one. */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { NoServer, type Server, startServer } from '../../../../local/servers/server.ts';
import { absent } from '../../../absent.ts';
import { eventually } from '../../../conformance/eventually.ts';
import { proxy } from '../../../rotation/proxy.ts';
import { Rotating } from '../../../rotation/rotating.ts';
import { describeServers } from '../../../servers.ts';
import { rowsOf } from '../../servers.ts';
import { STRATEGIES, through } from './support.ts';

/** The server's BackendKeyData names another process, as a pooler's does. */
const telling = (server: { host: string; port: number }, process: number) =>
  proxy(server, (from, bytes) => {
    const at = from === 'server' ? bytes.indexOf(Buffer.from('4b0000000c', 'hex')) : -1;
    if (at >= 0) bytes.writeInt32BE(process, at + 5);
  });

describeServers('postgres', 'what stands between', (server) => {
  test.each(STRATEGIES)('%s: a pooler is refused before anything is changed', async (_, options) => {
    await using pooler = await telling(server, -1_234_567);
    await using rotating = await Rotating.on(server, through(pooler.endpoint, options));

    await rotating.expectRefused('UnsupportedHostError', ['pooler', 'nothing was changed', '"rotationhost"'], {
      step: 'setSecret',
    });
  });

  test.each(STRATEGIES)('%s: what passes the bytes on, or tells no process, is none', async (_, options) => {
    await using silent = await telling(server, 0);
    await using rotating = await Rotating.on(server, through(silent.endpoint, options));
    await rotating.expectRotated();

    await using passing = await proxy(server, () => {});
    await using another = await Rotating.on(server, through(passing.endpoint, options));
    await another.expectRotated();
  });
});

const run = promisify(execFile);
const PATH = `${process.env['PATH']}:/usr/sbin`;

/** At 127.0.0.2, and the server's port: what "rotationhost" leaves as it is. */
async function pgBouncer({ host, port }: Server, users: Record<string, string>): Promise<AsyncDisposable> {
  const home = await mkdtemp(join(tmpdir(), 'pgbouncer-'));
  const list = Object.entries(users).map(([user, password]) => `"${user}" "${password.replaceAll('"', '""')}"\n`);
  await writeFile(join(home, 'users'), list.join(''));
  await writeFile(
    join(home, 'ini'),
    `[databases]
* = host=${host} port=${port}
[pgbouncer]
listen_addr = 127.0.0.2
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(home, 'users')}
ignore_startup_parameters = statement_timeout,lock_timeout,idle_in_transaction_session_timeout
`,
  );
  // It refuses to run as root.
  const asRoot = process.getuid?.() === 0;
  if (asRoot) await chmod(home, 0o755);
  const child = spawn('pgbouncer', [...(asRoot ? ['-u', 'nobody'] : []), join(home, 'ini')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PATH },
  });
  let output = '';
  child.stderr.on('data', (text) => {
    output += text;
  });
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(output);
    return output.includes('process up');
  });
  return {
    async [Symbol.asyncDispose]() {
      child.kill();
      await once(child, 'exit');
      await rm(home, { recursive: true });
    },
  };
}

const isInstalled = await run('pgbouncer', ['--version'], { env: { PATH } }).then(
  () => true,
  () => false,
);

describe('PgBouncer itself', () => {
  if (!isInstalled) return absent('PgBouncer', 'install pgbouncer, on PATH');

  test.each(rowsOf('postgres'))('that takes every setting: refused before anything is changed, %s', async (row) => {
    const server = await startServer(row, { from: ['path', 'embedded'] }).catch((error) => {
      if (error instanceof NoServer) return undefined;
      throw error;
    });
    if (server === undefined) return;
    await using _server = server;
    await using rotating = await Rotating.on(server, { secret: { host: '127.0.0.2', dbname: 'postgres' } });
    await using _bouncer = await pgBouncer(server, { [rotating.user]: rotating.password() });

    await rotating.expectRefused('UnsupportedHostError', ['pooler', '"rotationhost"'], { step: 'setSecret' });
    expect(await rotating.logsIn(rotating.password())).toBe(true);

    rotating.edit({ rotationhost: server.host });
    const { error } = await rotating.rotate();
    expect(error).toMatch(/PendingGivenUpError/);
    await rotating.expectRotated();
  });
});
