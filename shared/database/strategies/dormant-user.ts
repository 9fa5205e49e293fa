/** How the dormant user of a pair is prepared to become active: rights first, password last. */

import { PendingMismatchError } from '../../core/errors.ts';
import { together } from '../../core/together.ts';
import type { PairState, Session } from '../engine.ts';
import { DormantUserError, PasswordPolicyError } from '../errors.ts';
import type { SecretValue } from '../secret-value.ts';
import type { PairWork } from '../work.ts';
import { onlyPolicyRefusal, releaseRefused } from './refused-password.ts';
import { bringInLine, requireNothingMore } from './twin-rights.ts';
import { requireNoOtherOwner, requireOurs } from './whose-user.ts';

/**
 * Prepares the user that the pending version names. Call it inside the lock for the base.
 *
 * The base is the authority. If the twin is dormant, it is made if it does not exist, brought in line
 * with the base, and then gets the password. If the base is dormant, it gets the password, and rights
 * on what the active twin has made. If that twin holds anything else that the base lacks, it gets
 * nothing.
 * @param begin is called right before the password is set
 * @returns the pending version whose password is now in the database; `hasRoom` as in `Outlook`
 */
export async function prepareDormantUser<S extends Session>(
  given: PairWork<S>,
  begin: (pending: SecretValue) => void,
): Promise<{ pending: SecretValue; hasRoom: boolean }> {
  const { work, twins, session, pair } = given;
  const { mustHold } = work;
  // The base in both cases: a twin is given what the base has to meet at its login.
  const looking = work.lookAhead(session, pair.base);
  const [{ value: pending }, state] = await together(
    work.pending(),
    twins.state(session, pair),
    looking.catch(() => {}), // its turn comes below
  );
  const dormant = pending.username === pair.base.username ? 'base' : 'twin';
  requireBase(given, state);
  await mustHold(() => requireUsableBase(given, state));
  await mustHold(() => requireNoOtherOwner(given, state, pending));
  const bearsMark = state.twin?.owner === pair.owner;
  if (!bearsMark) await mustHold(() => requireOurs(given, state, pending));
  // Without a twin there is nothing that the base could lack: a failover may have lost the twin.
  const isToCheck = dormant === 'base' && state.twin !== undefined;
  const forBase = (isToCheck && (await mustHold(() => requireNothingMore(given, state.differences)))) || [];
  const room = await mustHold(async () => work.readyToChange(pair.base, await looking));
  for (const difference of forBase) await mustHold(() => twins.giveToBase?.(session, pair, difference));
  if (dormant === 'twin') {
    if (state.twin === undefined) await createTwin(given, pending);
    // Of a twin that was just made nothing has been read.
    await bringInLine(given, { adopt: state.twin !== undefined && !bearsMark, known: state.differences });
    // This may have taken a while. If AWSCURRENT was moved back to the twin meanwhile, the next
    // statement would replace the password in AWSCURRENT.
    await mustHold(() => work.requireLabels());
  }
  begin(pending);
  await mustHold(() => enable(given, dormant, pending));
  return { pending, hasRoom: room?.hasRoom ?? false };
}

/** @throws {DormantUserError} if the base does not exist */
function requireBase<S extends Session>({ work, pair }: PairWork<S>, { base }: PairState): void {
  if (base !== undefined) return;
  const { username } = pair.base;
  const { host } = work.current.value.endpoint;
  throw new DormantUserError(`There is no base user "${username}" at ${host}; AWSCURRENT works. Make it again.`, {
    user: username,
    host,
  });
}

/** @throws {DormantUserError} if the base may not log in */
function requireUsableBase<S extends Session>({ work, pair }: PairWork<S>, { base }: PairState): void {
  if (base?.barred === undefined) return;
  const { username } = pair.base;
  const { host } = work.current.value.endpoint;
  throw new DormantUserError(
    `The base user "${username}" at ${host} ${base.barred}, so it is not made active; AWSCURRENT works, and nothing was changed.`,
    { user: username, host },
  );
}

async function createTwin<S extends Session>(
  { work, twins, session, pair }: PairWork<S>,
  pending: SecretValue,
): Promise<void> {
  // The pending password cannot be set already: there is no twin.
  const outcome = await twins.create(session, pair, pending.password).catch(onlyPolicyRefusal);
  if (outcome instanceof PasswordPolicyError) throw await releaseRefused(work, outcome);
  if (outcome === 'conflict')
    throw new PendingMismatchError(
      `The user "${pair.twin.username}" appeared in mid-step. The next attempt settles it.`,
    );
}

/**
 * Sets the password, and lets the twin log in. A server with a password history refuses the pending
 * password if an earlier attempt has set it. So a login decides what a refusal means.
 */
async function enable<S extends Session>(
  { work, twins, session, pair }: PairWork<S>,
  dormant: 'base' | 'twin',
  pending: SecretValue,
): Promise<void> {
  if (work.isRehearsal) return twins.enable(session, pair, dormant, pending.password);
  try {
    await twins.enable(session, pair, dormant, pending.password);
    work.logins.passwordChanged(pending.username);
  } catch (error) {
    if (!(error instanceof PasswordPolicyError)) throw error;
    const result = await work.logins.probe(pending);
    if (result.is === 'accepted') return;
    throw result.is === 'refused' ? await releaseRefused(work, error) : result.why;
  }
}
