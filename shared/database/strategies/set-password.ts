/**
 * setSecret for one user: sets the pending password, proves it, and puts the old one back if it
 * must.
 */

import { PendingMismatchError, type RotationError } from '../../core/errors.ts';
import { together } from '../../core/together.ts';
import type { LoginResult, Session } from '../engine.ts';
import { LoginRefusedError, type PasswordPolicyError } from '../errors.ts';
import type { SecretValue } from '../secret-value.ts';
import type { Work } from '../work.ts';
import { type Changer, type Means, putBack } from './changer.ts';
import { requireStillWanted } from './overtaken.ts';
import { giveUpTaken, onlyPolicyRefusal, releaseRefused } from './refused-password.ts';
import { onceReplicated } from './replication.ts';
import { changeOrFindOut } from './uncertain-change.ts';
import { releaseUnderLock } from './withdraw-password.ts';

/**
 * Sets the pending password. Returns only when that password has logged in.
 *
 * The label is read and the password changed under one lock. So an attempt that was overtaken by
 * another one changes nothing in the database any more.
 */
export async function setPassword<S extends Session>(work: Work<S>, means: Means<S>, by: Changer<S>): Promise<void> {
  const { engine } = work;
  const outcome = await changeOrFindOut(work, async (begin) => {
    try {
      const change = async () => {
        const [{ value }, outlook] = await together(work.pending(), work.lookAhead(by.session, by.account));
        const { hasRoom } = await work.readyToChange(by.account, outlook);
        begin(value);
        return { pending: value, hasRoom, changed: await changeUnlessDone(work, by, value) };
      };
      return await engine.exclusively(by.session, by.account, change, work.current.value.endpoint);
    } catch (error) {
      await by.session.end();
      throw error;
    }
  });
  if (outcome === 'found set') return;
  const { pending, hasRoom, changed } = outcome;
  if (changed === 'set') {
    const isProofAtOnce = !by.isAtAnotherHost;
    // The application waits for the proof, so both go on at the same time where there is room.
    const isBeside = hasRoom && isProofAtOnce;
    const proving = isBeside ? work.logins.probe(pending) : undefined;
    const [now, proof] = await together(work.overtaken(), Promise.resolve(proving));
    await requireStillWanted(work, pending, now, {
      keepsOldValid: means.keepsReplaced,
      isProofAtOnce,
      underLock: (undo) => engine.exclusively(by.session, by.account, undo),
      setBack: (value) => putBack(by, pending, value),
    });
    if (proof !== undefined) return await acceptOrPutBack(work, means, by, pending, proof);
    // A replica may not know the new password yet, and would accept it later, for a while. So nothing is
    // put back if it refuses.
    if (hasRoom) return await onceReplicated(by, () => work.logins.prove(pending));
  }
  // The session is closed first: it may have the last connection. Nothing is put back after that. If an
  // earlier attempt made the change, it is not for this one to undo.
  await by.session.end();
  await proveLast(work, pending);
}

/**
 * Changes the password, inside the lock. If the server does not change it, a login with the pending
 * password tells whether an earlier attempt has set that one:
 * - after `conflict`, which says that the database has another password than `by` expected;
 * - after a refusal by the password policy: the history may hold the pending password already.
 */
async function changeUnlessDone<S extends Session>(
  work: Work<S>,
  by: Changer<S>,
  pending: SecretValue,
): Promise<'set' | 'done before'> {
  const { password } = by.replacing ?? work.current.value;
  const first = await by.change(password, pending.password).catch(onlyPolicyRefusal);
  work.logins.passwordChanged(pending.username);
  if (first === 'set') return 'set';
  const result = await work.logins.probe(pending);
  if (result.is === 'accepted' || result.is === 'barred') return 'done before';
  if (result.is === 'unknown') throw result.why;
  if (first !== 'conflict') throw await refusedByPolicy(work, by, first);
  await makePrimary(work, by, result.why);
  if ((await by.change(password, pending.password)) === 'set') return 'set';
  throw new PendingMismatchError(
    `Somebody else changes the password of user "${pending.username}" at this very time. The next attempt settles it.`,
    { user: pending.username, host: pending.endpoint.host },
  );
}

/**
 * Takes AWSPENDING off, if the version is of no use: AWSCURRENT's password is in the database, or one
 * that no version has. The label stays if the password of an older version is in the database.
 * @returns the error to throw
 */
async function refusedByPolicy<S extends Session>(
  work: Work<S>,
  { replacing }: Changer<S>,
  refusal: PasswordPolicyError,
): Promise<PasswordPolicyError> {
  const isUnused = replacing === work.current.value || replacing === undefined;
  return isUnused ? releaseRefused(work, refusal) : refusal;
}

/**
 * Makes AWSCURRENT's password the primary one again, if it still logs in.
 *
 * A rotation by dual-password that was given up leaves its own password as the primary one, and
 * AWSCURRENT's as the secondary one, which logs in but cannot be replaced.
 * @throws `why` if that is not what has happened
 */
async function makePrimary<S extends Session>(
  { engine, logins, current, requireLabels }: Work<S>,
  by: Changer<S>,
  why: RotationError,
): Promise<void> {
  const overlap = engine.overlap(current.value.engineKey);
  if ('unsupported' in overlap || by.replacing === undefined) throw why;
  if (by.replacing !== current.value)
    throw new LoginRefusedError(
      `The server refuses AWSCURRENT's password, and that of an older version is only the secondary one of user "${why.user}": somebody set another, ` +
        'which is left alone. Set AWSCURRENT’s password in the database, or put the right one into the secret.',
      why,
    );
  await logins.requireRightPassword(current.value);
  // Labels that were read a second ago will not do: if AWSCURRENT has moved, its password would be
  // lost.
  await requireLabels('anew');
  await overlap.reanchor(by.session, current.value.password);
}

/**
 * Ends well if the new password was accepted. If it was refused, the pending version is given up once
 * AWSCURRENT has logged in again. Before that, the old password is put back under three conditions:
 * - the server *refused* the new one: after a time-out the retry finds out by logging in;
 * - the change replaced AWSCURRENT's password, and not that of an older version;
 * - the old password is not valid any more.
 * @param result of a login with the new password, where passwords are seen at once
 */
async function acceptOrPutBack<S extends Session>(
  work: Work<S>,
  means: Means<S>,
  by: Changer<S>,
  pending: SecretValue,
  result: LoginResult<S>,
): Promise<void> {
  const { current } = work;
  if (result.is === 'accepted') return;
  if (result.is !== 'refused') {
    // The first session may have the last connection of the account or of the server.
    await by.session.end();
    return await proveLast(work, pending, result.why);
  }
  if (by.replacing !== current.value) throw result.why;
  if (!means.keepsReplaced) await putBackIfRefused(work, by, pending, result.why);
  const old = means.keepsReplaced ? 'is valid' : 'was put back';
  throw await giveUpTaken(result.why, old, () => releaseUnderLock(work, by));
}

/**
 * Proves the new password once the other sessions of this attempt are closed.
 * @param first why it could not be proven before: the error that is thrown if it still cannot
 */
async function proveLast<S extends Session>({ logins }: Work<S>, pending: SecretValue, first?: RotationError) {
  const result = await logins.probe(pending);
  if (result.is === 'accepted') return;
  if (result.is === 'refused') throw result.why;
  const why = first ?? result.why;
  why.message += ' The pending password has been set, and AWSPENDING has it: the next attempt proves it.';
  throw why;
}

/**
 * Puts AWSCURRENT's password back if the new one is still refused under the lock, and if AWSPENDING is
 * the only label of its version: a promoted version must keep its password.
 * @throws `why` if not
 */
async function putBackIfRefused<S extends Session>(
  { engine, logins, isPendingAlone, current }: Work<S>,
  by: Changer<S>,
  pending: SecretValue,
  why: RotationError,
): Promise<void> {
  const outcome = await engine.exclusively(by.session, by.account, async () => {
    if (!(await isPendingAlone())) throw why;
    const again = await logins.logInUnlessRefused(pending);
    if (again === undefined) return putBack(by, pending, current.value);
    await again.close();
    throw why;
  });
  if (outcome === 'conflict') throw why;
}
