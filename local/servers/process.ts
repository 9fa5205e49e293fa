/** A server that runs on this machine, with its data in a temporary directory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandLineOf, temporaryDirectory } from '../owner.ts';
import { newAddress, type ServerEngine } from './engine.ts';
import type { Address, Settings, Started } from './source.ts';
import { whenItHasStarted } from './waiting.ts';

export type User = { uid?: number; gid?: number };

/** SIGQUIT has to end it at once, SIGINT so that its data is kept. */
export type Program = {
  path: string;
  /** They name the temporary directory, by which the process is known again. */
  flags: string[];
  /** Whom it runs as, if not as whoever starts it. */
  user?: User;
};

/** @param prepare makes what the server needs, in its temporary directory */
export async function startProcess(
  engine: ServerEngine,
  source: string,
  port: number,
  settings: Settings,
  prepare: (home: string, address: Address) => Promise<Program>,
): Promise<Started> {
  await using cleanUp = new AsyncDisposableStack();
  const home = cleanUp.use(await temporaryDirectory()).path;
  const address = newAddress(engine, settings, '127.0.0.1', port);
  const { path, flags, user } = await prepare(home, address);

  const log = join(home, 'log');
  const output = cleanUp.use(await open(log, 'a'));
  const start = async () => {
    const server = spawn(path, flags, {
      ...user,
      cwd: home,
      env: { PATH: process.env['PATH'], ...settings.environment },
      stdio: ['ignore', output.fd, output.fd],
      detached: true, // Ctrl-C reaches all of the terminal's group; the server must not stop before those who use it
    });
    await writeFile(pidFile(home), String(server.pid));
    return server;
  };
  let server = await start();
  const end = async (signal: NodeJS.Signals) => {
    server.kill(signal);
    if (isRunning(server)) await once(server, 'exit');
  };
  cleanUp.defer(() => end('SIGQUIT')); // the data is not needed again

  const started = await whenItHasStarted(
    engine,
    {
      source,
      address,
      logPlace: { file: log },
      isRunning: async () => isRunning(server),
      restart: async () => {
        await end('SIGINT');
        server = await start();
      },
      stop: () => resources.disposeAsync(),
    },
    () => readFile(log, 'utf8'),
  );
  const resources = cleanUp.move();
  return started;
}

const pidFile = (home: string) => join(home, 'pid');

function isRunning(server: ChildProcess): boolean {
  return server.exitCode === null && server.signalCode === null;
}

/** Stops the server in a directory whose owner is gone. */
export async function stopAbandoned(home: string): Promise<void> {
  const pid = Number.parseInt(await readFile(pidFile(home), 'utf8').catch(() => ''), 10);
  const isThere = () => pid > 0 && commandLineOf(pid).includes(basename(home)); // somebody else may have the id by now
  if (isThere()) process.kill(pid, 'SIGQUIT');
  for (let triesLeft = 500; isThere() && triesLeft > 0; triesLeft--) await sleep(20); // it kills its own after 5 s
}
