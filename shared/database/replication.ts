import { setTimeout as sleep } from 'node:timers/promises';
import { LoginRefusedError, TwinRightsError } from './errors.ts';

/** Pauses in milliseconds in which a replica catches up with what the admin has just written. */
const REPLICATION = [250, 500, 1000];

/** A proof that a replica gives when it has caught up. */
export async function onceReplicated(
  { isElsewhere }: { isElsewhere: boolean },
  work: () => Promise<void>,
): Promise<void> {
  for (const pause of isElsewhere ? REPLICATION : []) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof LoginRefusedError || error instanceof TwinRightsError)) throw error;
      await sleep(pause);
    }
  }
  return work();
}
