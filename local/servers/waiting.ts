/** Waits for servers that are starting. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerEngine } from './engine.ts';
import type { Address, Started } from './source.ts';

/**
 * Waits up to two minutes, for a MySQL that makes its data directory beside four others.
 * @returns what the server says that it is
 * @throws when the server refuses its superuser, or is no longer running
 */
export async function whenItAnswers(
  engine: Pick<ServerEngine, 'identify' | 'isRefusal'>,
  address: Address,
  isRunning: () => Promise<boolean>,
): Promise<{ product: string; version: string }> {
  for (const deadline = Date.now() + 120_000; ; await sleep(50)) {
    try {
      return await engine.identify(address);
    } catch (error) {
      if (engine.isRefusal(error) || Date.now() > deadline || !(await isRunning())) throw error;
    }
  }
}

/** Waits as `whenItAnswers` does, for a server that was just started: what its output says is the reason if it never does. */
export async function whenItHasStarted(
  engine: ServerEngine,
  started: Started,
  output: () => Promise<string>,
): Promise<Started> {
  try {
    await whenItAnswers(engine, started.address, started.isRunning);
    return started;
  } catch (cause) {
    throw new Error(`${started.source} did not start:\n${await output()}`, { cause });
  }
}
