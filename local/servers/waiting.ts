/** Waits for servers that are starting. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Identity, ServerEngine } from './engine.ts';
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
): Promise<Identity> {
  return whenItDoes(() => engine.identify(address), engine, isRunning);
}

async function whenItDoes<T>(
  attempt: () => Promise<T>,
  { isRefusal }: Pick<ServerEngine, 'isRefusal'>,
  isRunning: () => Promise<boolean>,
): Promise<T> {
  for (const deadline = Date.now() + 120_000; ; await sleep(50)) {
    try {
      return await attempt();
    } catch (error) {
      if (isRefusal(error) || Date.now() > deadline || !(await isRunning())) throw error;
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
    await whenItDoes(async () => engine.complete?.(started.address), engine, started.isRunning);
    await whenItAnswers(engine, started.address, started.isRunning);
    return started;
  } catch (cause) {
    throw new Error(`${started.source} did not start:\n${await output()}`, { cause });
  }
}
