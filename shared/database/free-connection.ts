/** Logins to a server that has hardly a connection left. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Deadline } from '../core/deadline.ts';
import type { LoginResult, Session } from './engine.ts';

/**
 * How long a login waits for a connection to become free, and the first pause, in milliseconds.
 * Others may be quicker at any moment, and after a change the application waits for the proof.
 */
const LONGEST_WAIT = 5000;
const FIRST_PAUSE = 100;

/**
 * Tries again for some seconds if a login failed only for want of a connection.
 * @param isFull whether that is why it failed
 */
export async function onceOneIsFree<S extends Session>(
  logInOnce: () => Promise<LoginResult<S>>,
  isFull: (result: Exclude<LoginResult<S>, { is: 'accepted' }>) => boolean,
  until: Deadline,
): Promise<LoginResult<S>> {
  const end = performance.now() + Math.min(LONGEST_WAIT, until.left('connecting') / 2);
  for (let pause = FIRST_PAUSE; ; pause *= 2) {
    const result = await logInOnce();
    if (result.is === 'accepted' || !isFull(result) || performance.now() + pause > end) return result;
    await sleep(pause);
  }
}
