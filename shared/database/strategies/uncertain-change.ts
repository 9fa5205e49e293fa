/** A change that was answered by an error, or by nothing, may have happened all the same. */

import { DeadlineError, InternalError, RotationError } from '../../core/errors.ts';
import type { Session } from '../engine.ts';
import { ConnectionError, DatabaseError } from '../errors.ts';
import type { SecretValue } from '../secret-value.ts';
import type { Work } from '../work.ts';

/**
 * Runs a change. After an error that does not say whether the password has been set, a login finds out.
 *
 * Example: the connection breaks while the server commits. If the pending password logs in, the change
 * has happened.
 * @param change calls `begin` right before the statement that sets the password. If its session may have
 *   the account's last connection, it closes the session before it throws.
 * @returns what `change` returns; `found set` if it failed, and the pending password logs in
 * @throws what `change` throws, with a sentence about the password
 */
export async function changeOrFindOut<S extends Session, T>(
  { logins }: Work<S>,
  change: (begin: (pending: SecretValue) => void) => Promise<T>,
): Promise<T | 'found set'> {
  let pending: SecretValue | undefined;
  try {
    return await change((value) => {
      pending = value;
    });
  } catch (error) {
    if (pending === undefined || !(error instanceof RotationError) || !isUncertain(error)) throw error;
    const { is } = await logins.probe(pending);
    if (is === 'accepted') return 'found set';
    error.message += ` ${SENTENCES[is]}`;
    throw error;
  }
}

const SENTENCES = {
  barred: 'The pending password has been set, as a login showed, but the account may not log in now.',
  refused: 'A login right after that was refused with the pending password: it has not been set until now.',
  unknown: 'Whether the pending password has been set could not be found out: the next attempt does.',
} as const;

/** All other errors are definite: the server, or a check before the change, has refused it. */
function isUncertain(error: RotationError): boolean {
  return [ConnectionError, DatabaseError, DeadlineError, InternalError].some((uncertain) => error instanceof uncertain);
}
