/**
 * Whose user it is: no user gets a password unless it is proven to be this secret's.
 *
 * Three things prove it: the twin bears this secret's mark; the server accepts a password that the
 * secret has for that user; or the twin is of no use to anybody (`UserState.inert`), as an attempt that
 * died leaves it.
 */

import { type Account, type PairState, type Session, supported } from '../engine.ts';
import { ForeignUserError, LoginRefusedError } from '../errors.ts';
import type { Names } from '../pair.ts';
import type { Readable, SecretValue } from '../secret-value.ts';
import type { PairWork, Work } from '../work.ts';

/**
 * Example: the secret `orders` has the base `app`, and a mark at `app_2` says that `app` is the base of
 * the secret `billing`. Then `orders` may not rotate `app`.
 * @throws {ForeignUserError} if a mark says that one of the two users is another secret's
 */
export function requireNoOtherOwner<S extends Session>(
  { twins, session, pair }: PairWork<S>,
  { base, twin }: PairState,
  pending: SecretValue,
): void {
  const adoption = twins.adoption(session, pair);
  const cure = typeof adoption === 'string' ? ` If that secret will not rotate them again, run: ${adoption}` : '';
  // The twin first: its mark names the base, too, and the statement replaces that mark.
  for (const [owner, mark, remedy] of [
    [twin?.owner, `the mark at "${pair.twin.username}"`, cure],
    [base?.owner, `a mark at "${pair.base.username}" or at another twin of it`, ''],
  ] as const)
    if (owner !== undefined && owner !== pair.owner)
      throw new ForeignUserError(
        `The pair "${pair.base.username}" and "${pair.twin.username}" is in the hands of another secret, ${owner}, by ${mark}; ` +
          `two secrets cannot rotate one user. Nothing was changed.${remedy}`,
        { user: pending.username, host: pending.endpoint.host },
      );
}

/**
 * For a pair without this secret's mark. Requires that the user who gets a password is this secret's
 * nevertheless: an inert twin, or one whose password the secret knows.
 * @throws {ForeignUserError} if nothing proves it
 */
export async function requireOurs<S extends Session>(
  given: PairWork<S>,
  { twin }: PairState,
  pending: SecretValue,
): Promise<void> {
  const { work, twins, session, pair } = given;
  const isEmptyTwin = pending.username === pair.twin.username && (twin === undefined || twin.inert);
  if (isEmptyTwin) return;
  const { known, untried } = await work.logins.acceptsKnownPassword(pending, work.current, work.versions);
  if (known !== undefined) return;
  const adoption = twins.adoption(session, pair);
  const isByStatement = typeof adoption === 'string';
  const left = untried > 0 ? ` (${untried} are left for the next attempts, so that no account is locked)` : '';
  if (!isByStatement && work.adminMaySetPasswords) return requireHarmless(given, pending);
  throw new ForeignUserError(
    `The user "${pending.username}" is there already, and nothing shows that it is this secret's: no version of the secret has its ` +
      `password${left}, and ${isByStatement ? `"${pair.twin.username}" bears no mark that counts` : adoption.unsupported}. Nothing was changed. If the pair is to be ` +
      `"${pair.base.username}" and "${pair.twin.username}" and nobody else uses them, ` +
      (isByStatement
        ? `run: ${adoption}`
        : 'set the function’s ADMIN_MAY_SET_PASSWORDS to true until it has rotated this secret.'),
    { user: pending.username, host: pending.endpoint.host },
  );
}

/**
 * Logs in as the user in AWSCURRENT. That proves that whoever wrote AWSCURRENT knew a password of that
 * user. Otherwise an editor could write the name of somebody else's user, and read the new password of
 * that user's twin. So call it before the admin logs in.
 *
 * AWSCURRENT's own password may be refused: a failover has lost the last change, or a person wrote a
 * wrong password into the secret. Then another version may have a password of the same user.
 * @returns a session, which the caller closes
 * @throws {LoginRefusedError} if the server refuses all of them
 */
export async function logInAsOwnUser<S extends Session>(
  { logins, current, versions }: Work<S>,
  readPending: () => Promise<Readable | undefined>,
): Promise<S> {
  const { session } = await logins.logInWithAny(current, readPending, versions);
  return session;
}

/**
 * As `logInAsOwnUser`, for a change. If the user in AWSCURRENT cannot log in at all, a password of the
 * base will do where it is the base that gets the new one: a failover may have lost the twin itself.
 * The base gets nothing from the twin, so nothing is to be had by naming a stranger as the twin.
 * @returns the account that has logged in
 */
export async function proveOwnUser<S extends Session>(work: Work<S>, { base }: Names): Promise<Account> {
  try {
    const session = await logInAsOwnUser(work, work.pending);
    await session.close();
    return session.account;
  } catch (error) {
    if (!(error instanceof LoginRefusedError)) throw error;
    const { value: pending } = await work.pending();
    if (pending.username !== base) throw error;
    const { known } = await work.logins.acceptsKnownPassword(pending, work.current, work.versions);
    if (known === undefined || known === 'barred') throw error;
    return known;
  }
}

/**
 * If the engine has no place for a mark, the deployer may allow what nothing proves, as for
 * single-user-by-admin. That permission does not cover a user with an administrator's rights.
 * @throws {ForeignUserError} if the user has such rights
 */
async function requireHarmless<S extends Session>({ work, session }: PairWork<S>, pending: SecretValue): Promise<void> {
  const { engine } = work;
  const facts = await supported(engine.byAdmin(pending.engineKey)).facts(session, pending.username, pending.endpoint);
  if (facts?.privileged !== undefined)
    throw new ForeignUserError(
      `The user "${pending.username}" ${facts.privileged}, and nothing shows that it is this secret's: put its password into a version of the secret. ` +
        'Nothing was changed.',
      { user: pending.username, host: pending.endpoint.host },
    );
}
