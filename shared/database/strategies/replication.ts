/** Proofs at a host that may be a replica of the server that was changed. */

import { setTimeout as sleep } from 'node:timers/promises';
import { LoginRefusedError, TwinRightsError } from '../errors.ts';

/** Pauses in milliseconds, in which a replica learns what the admin has just changed. */
const PAUSES = [250, 500, 1000];

/**
 * Proves something, and tries again for up to 1.75 seconds if the proof may have been made at a
 * replica that lags.
 * @throws the error of the last try
 */
export async function onceReplicated(
  { isAtAnotherHost }: { isAtAnotherHost: boolean },
  prove: () => Promise<unknown>,
): Promise<void> {
  for (const pause of isAtAnotherHost ? PAUSES : []) {
    try {
      return void (await prove());
    } catch (error) {
      if (!(error instanceof LoginRefusedError || error instanceof TwinRightsError)) throw error;
      await sleep(pause);
    }
  }
  await prove();
}
