/** Removes servers and temporary directories by the owner that they name. */
import { readdir, rm, stat } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isGone, owner, ownerOfDirectory, thisProcess } from '../owner.ts';
import { removeContainers } from './docker.ts';
import { stopAbandoned } from './process.ts';

/** All that this process and the processes of its run have started. Answers whether there was anything. */
export function removeOwn(): Promise<boolean> {
  return remove((who) => who === thisProcess);
}

let prepared: Promise<void> | undefined;
/** Once a run: takes care of what killed runs left behind, and that this one leaves nothing after Ctrl-C. */
export function prepareRun(): Promise<void> {
  prepared ??= owner() === thisProcess ? prepare() : Promise.resolve();
  return prepared;
}

async function prepare(): Promise<void> {
  removeOnSignals();
  await remove(isGone);
}

function removeOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, async () => {
      process.exitCode = 128 + constants.signals[signal];
      // What is just being started may show up while the rest is removed.
      for (let passesLeft = 5; passesLeft > 0 && (await removeOwn()); passesLeft--);
      process.exit();
    });
  }
}

async function remove(which: (owner: string) => boolean): Promise<boolean> {
  const counts = await Promise.all([removeContainers(which), removeDirectories(which)]);
  return counts.some((count) => count > 0);
}

async function removeDirectories(which: (owner: string) => boolean): Promise<number> {
  let count = 0;
  for (const name of await readdir(tmpdir())) {
    const who = ownerOfDirectory(name);
    const path = join(tmpdir(), name);
    if (who === undefined || !which(who) || !(await isMine(path))) continue;
    await stopAbandoned(path);
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
    count++;
  }
  return count;
}

async function isMine(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined); // another run may be removing it, too
  return found !== undefined && found.uid === process.getuid?.();
}
