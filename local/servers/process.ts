/** A PostgreSQL server that runs on this machine, with its data in a temporary directory. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lchown, mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { commandLineOf, temporaryDirectory } from '../owner.ts';
import { commandLine, INITDB_OPTIONS, postgresServers } from './postgres.ts';
import { type Address, newAddress, type Settings, type Started } from './source.ts';
import { whenItHasStarted } from './waiting.ts';

const run = promisify(execFile);
const HERE_ONLY = { listen_addresses: '127.0.0.1', unix_socket_directories: '' };

type User = { uid?: number; gid?: number };

/** @param programs returns the folder of PostgreSQL's programs; it may make one of the given name */
export async function startProcess(
  source: string,
  programs: (folder: string) => Promise<string>,
  port: number,
  settings: Settings,
): Promise<Started> {
  await using cleanUp = new AsyncDisposableStack();
  const home = cleanUp.use(await temporaryDirectory()).path;
  const user = await unprivilegedUser();
  const bin = await programs(join(home, 'programs'));
  const address = newAddress(postgresServers, '127.0.0.1', port);
  await initialise(home, bin, address, user);

  const log = join(home, 'log');
  const output = cleanUp.use(await open(log, 'a'));
  const flags = ['-D', join(home, 'data'), '-p', String(port), ...commandLine(settings, HERE_ONLY)];
  const start = () =>
    spawn(join(bin, 'postgres'), flags, {
      ...user,
      cwd: home,
      env: { PATH: process.env['PATH'], ...settings.environment },
      stdio: ['ignore', output.fd, output.fd],
      detached: true, // Ctrl-C reaches all of the terminal's group; the server must not stop before those who use it
    });
  let server = start();
  const end = async (signal: NodeJS.Signals) => {
    server.kill(signal);
    if (isRunning(server)) await once(server, 'exit');
  };
  cleanUp.defer(() => end('SIGQUIT')); // the data is not needed again

  const started = await whenItHasStarted(
    postgresServers,
    {
      source,
      address,
      logPlace: { file: log },
      isRunning: async () => isRunning(server),
      restart: async () => {
        await end('SIGINT');
        server = start();
      },
      stop: () => resources.disposeAsync(),
    },
    () => readFile(log, 'utf8'),
  );
  const resources = cleanUp.move();
  return started;
}

async function initialise(home: string, bin: string, { superuser }: Address, user: User): Promise<void> {
  const data = join(home, 'data');
  const password = join(home, 'password');
  await mkdir(data, { mode: 0o700 });
  await writeFile(password, superuser.password, { mode: 0o600 });
  await giveContents(home, user);
  const options = ['--auth=scram-sha-256', `--username=${superuser.username}`, `--pwfile=${password}`, '--no-sync'];
  await run(join(bin, 'initdb'), ['-D', data, ...options, ...INITDB_OPTIONS], { ...user, cwd: home });
  await rm(password);
}

function isRunning(server: ChildProcess): boolean {
  return server.exitCode === null && server.signalCode === null;
}

/** PostgreSQL refuses to run as root. */
async function unprivilegedUser(): Promise<User> {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = await Promise.all(['-u', '-g'].map((what) => run('id', [what, name]))).catch(() => []);
    if (uid && gid) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new Error('PostgreSQL does not run as root, and this machine has no user "postgres" or "nobody"');
}

async function giveContents(home: string, { uid, gid }: User): Promise<void> {
  if (uid === undefined || gid === undefined) return;
  await chmod(home, 0o711);
  for (const name of await readdir(home, { recursive: true })) await lchown(join(home, name), uid, gid);
}

/** Stops the server in a directory whose owner is gone. */
export async function stopAbandoned(home: string): Promise<void> {
  const pid = Number.parseInt(await readFile(join(home, 'data', 'postmaster.pid'), 'utf8').catch(() => ''), 10);
  const isThere = () => pid > 0 && commandLineOf(pid).includes(basename(home)); // somebody else may have the id by now
  if (isThere()) process.kill(pid, 'SIGQUIT');
  for (let triesLeft = 500; isThere() && triesLeft > 0; triesLeft--) await sleep(20); // it kills its own after 5 s
}
