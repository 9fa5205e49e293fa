/** What testSecret proves when it is called alone, before the first rotation. */

import { PendingMismatchError } from '../../core/errors.ts';
import type { Session } from '../engine.ts';
import type { Work } from '../work.ts';

/**
 * Proves that AWSCURRENT logs in.
 * @throws why it does not
 */
export async function proveCurrent<S extends Session>({ logins, current }: Work<S>): Promise<void> {
  const result = await logins.try(current.value);
  if (result.is === 'refused')
    throw new PendingMismatchError(
      'The pending version has no value yet, and the server refuses the password in AWSCURRENT: nothing can be tested.',
      result.why,
    );
  if (result.is !== 'accepted') throw result.why;
  await result.session.close();
}
