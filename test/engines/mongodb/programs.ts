/** MongoDB by its program on this machine. */
import { execFile } from 'node:child_process';
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Identity, ServerEngine } from '../../../local/servers/engine.ts';
import { withFreePort } from '../../../local/servers/free-port.ts';
import { type Program, startProcess } from '../../../local/servers/process.ts';
import { isOfRow, type Row } from '../../../local/servers/row.ts';
import type { Address, Settings, Started, Unavailable } from '../../../local/servers/source.ts';
import { certificateAndKey, commandLine, keyOf, ofReplicaSet, trusting, withTls } from './options.ts';

export async function mongodOnPath(engine: ServerEngine, row: Row, settings: Settings): Promise<Started | Unavailable> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const program = await realpath(join(folder, 'mongod')).catch(() => undefined);
    if (program === undefined || !isOfRow(row, await identityOf(program))) continue;
    return withFreePort((port) =>
      startProcess(engine, program, port, settings, (home, address) => prepare(program, home, address, settings)),
    );
  }
  return { remedy: `install mongod ${row.version}` };
}

async function identityOf(program: string): Promise<Identity> {
  const answer = await promisify(execFile)(program, ['--version']).catch(() => undefined);
  return { product: 'MongoDB', version: answer?.stdout.match(/db version v([\d.]+)/)?.[1] ?? '' };
}

async function prepare(path: string, home: string, address: Address, settings: Settings): Promise<Program> {
  const [data, key, pem] = [join(home, 'data'), join(home, 'key'), join(home, 'server.pem')];
  await mkdir(data, { mode: 0o700 });
  await writeFile(key, keyOf(address.superuser), { mode: 0o400 });
  if (settings.tls) await writeFile(pem, certificateAndKey(settings.tls), { mode: 0o400 });
  return {
    path,
    flags: [
      ...['--dbpath', data, '--port', String(address.port), '--bind_ip', '127.0.0.1', '--nounixsocket'],
      ...ofReplicaSet(key),
      ...(settings.tls ? [...withTls(pem), ...trusting(pem)] : []),
      ...commandLine(settings),
    ],
  };
}
