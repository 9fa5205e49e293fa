/** Whether the user about to get a password is this secret's. */

import { type PairState, type Session, supported } from '../engine.ts';
import { DormantUserError, ForeignUserError } from '../errors.ts';
import type { SecretValue } from '../secret-value.ts';
import type { Change } from './twin-rights.ts';

export function requireUsable<S extends Session>({ work, pair }: Change<S>, { base }: PairState): void {
  const { username } = pair.base;
  const { host } = work.current.value.endpoint;
  const details = { user: username, host };
  if (base === undefined)
    throw new DormantUserError(
      `There is no base user "${username}" at ${host}; AWSCURRENT works. Make it again.`,
      details,
    );
  if (base.barred !== undefined)
    throw new DormantUserError(
      `The base user "${username}" at ${host} ${base.barred}, so it is not made active; AWSCURRENT works, and nothing was changed.`,
      details,
    );
}

/** @throws {ForeignUserError} if the pair, or one of the two, is another secret's by its mark */
export function requireNoOtherOwner<S extends Session>(
  { twins, session, pair }: Change<S>,
  { base, twin }: PairState,
  pending: SecretValue,
): void {
  const adoption = twins.adoption(session, pair);
  const cure = typeof adoption === 'string' ? ` If that secret will not rotate them again, run: ${adoption}` : '';
  // The twin first: its mark names the base, too, and is the one that the statement replaces.
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
 * The user about to get a password, of a pair without a mark, is this secret's by a password that the secret knows; or it is empty.
 * @throws {ForeignUserError} if not
 */
export async function requireOurs<S extends Session>(
  given: Change<S>,
  { twin }: PairState,
  pending: SecretValue,
): Promise<void> {
  const { work, twins, session, pair } = given;
  const isEmptyTwin = pending.username === pair.twin.username && (twin === undefined || twin.inert);
  if (isEmptyTwin || (await work.logins.knows(pending, work.current, work.versions))) return;
  const adoption = twins.adoption(session, pair);
  const isByStatement = typeof adoption === 'string';
  if (!isByStatement && work.adminMaySetPasswords) return requireHarmless(given, pending);
  throw new ForeignUserError(
    `The user "${pending.username}" is there already, and nothing shows that it is this secret's: no version of the secret has its ` +
      `password, and ${isByStatement ? `"${pair.twin.username}" bears no mark that counts` : adoption.unsupported}. Nothing was changed. If the pair is to be ` +
      `"${pair.base.username}" and "${pair.twin.username}" and nobody else uses them, ` +
      (isByStatement
        ? `run: ${adoption}`
        : 'set the function’s ADMIN_MAY_SET_PASSWORDS to true until it has rotated this secret.'),
    { user: pending.username, host: pending.endpoint.host },
  );
}

/** Where nothing can be proven the deployer may allow it, as for single-user-by-admin, but not for whoever is more than an application's user. */
async function requireHarmless<S extends Session>({ work, session }: Change<S>, pending: SecretValue): Promise<void> {
  const { engine } = work;
  const facts = await supported(engine.byAdmin(pending.engineKey)).facts(session, pending.username, pending.endpoint);
  if (facts?.privileged !== undefined)
    throw new ForeignUserError(
      `The user "${pending.username}" ${facts.privileged}, and nothing shows that it is this secret's: put its password into a version of the secret. ` +
        'Nothing was changed.',
      { user: pending.username, host: pending.endpoint.host },
    );
}
