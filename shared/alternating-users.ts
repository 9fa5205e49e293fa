import { type Admin, onceReplicated } from './admin.ts';
import { type Difference, type Pair, type PairState, type Session, supported, type Twins } from './engine.ts';
import {
  DormantUserError,
  ForeignUserError,
  PasswordPolicyError,
  PendingMismatchError,
  PrivilegeError,
  ReadOnlyServerError,
  TwinRightsError,
} from './errors.ts';
import { type Names, namesIn, namesOf, otherOf } from './pair.ts';
import { differingKeys, type SecretValue } from './secret-value.ts';
import { takenBack } from './single-user.ts';
import type { Check, Proof, Rotation, Strategy } from './strategy.ts';

/**
 * Two users, of which one is active: what AWSCURRENT names keeps its password until the next rotation, so it logs in at every moment.
 *
 * An admin gives the dormant one the rights of the base and then the new password. The base is the authority, and nothing is
 * ever applied to the user that AWSCURRENT names. That a pending password logs in proves nothing about rights: every attempt
 * brings them in line anew.
 */
export const alternatingUsers: Strategy = {
  async next(check, previous) {
    const { names } = await guarded(check, previous);
    return {
      baseusername: names.base,
      alternateusername: names.twin,
      username: otherOf(names, check.current.value.username),
    };
  },

  async rehearse(check, previous) {
    const { admin } = await guarded(check, previous);
    await (await admin.login()).close();
  },

  fits(current, pending) {
    const added = (key: string) => key === 'username' || (isName(key) && current[key] === undefined);
    const keys = differingKeys(current, pending).filter((key) => !added(key));
    if (keys.length > 0) return `differs from AWSCURRENT in ${keys.map((key) => `"${key}"`).join(', ')}`;
    return namesBetween(current, pending) === undefined
      ? `names the user "${pending.username}", which is not the other of the pair to which AWSCURRENT's "${current.username}" belongs`
      : undefined;
  },

  async set(rotation) {
    const { engine, logins, current, secretArn } = rotation;
    // AWSCURRENT names the pair, but for a twin of AWS's functions.
    const names = namesIn(current.value) ?? namesIn((await rotation.pending()).value);
    if (names === undefined)
      throw new PendingMismatchError('Neither AWSCURRENT nor AWSPENDING says which users alternate.');
    const admin = await rotation.admin.guarded([names.base, names.twin]);
    // Whoever edited the secret knew this password: it is not somebody else's user that is being rotated.
    const { realm } = await logins.prove(current.value);
    const pair = pairOf(names, realm, secretArn);
    const twins = supported(engine.twins(current.value.engineKey));
    const session = await admin.login();
    let pending: SecretValue;
    try {
      pending = await engine.exclusively(session, pair.base, () => change({ rotation, twins, session, pair }));
    } finally {
      await session.close();
    }
    await onceReplicated(admin, () => prove(rotation, pending, names));
  },

  async test(proof, pending) {
    const names = namesIn(pending);
    await (names === undefined ? proof.logins.prove(pending) : prove(proof, pending, names));
  },

  async withdraw({ engine, logins, admin, current }, pending, release) {
    const session = await logins.accepted(current.value);
    const names = namesIn(pending ?? current.value);
    const base = { ...session.account, username: names?.base ?? current.value.username };
    // Under the lock no attempt is on its way to the database, and none that comes later finds the label.
    const alone = (by: typeof session) =>
      engine.exclusively(by, base, async (stillAlone) => {
        await stillAlone();
        await release();
      });
    try {
      await alone(session);
    } catch (error) {
      if (!(error instanceof ReadOnlyServerError)) throw error;
      // A replica. The lock is where the admin makes the changes.
      const users = names === undefined ? [base.username] : [names.base, names.twin];
      const writer = await (await admin.guarded(users)).login();
      try {
        await alone(writer);
      } finally {
        await writer.close();
      }
    } finally {
      await session.close();
    }
  },
};

async function guarded<S extends Session>(
  { engine, admin, current }: Check<S>,
  previous: () => Promise<SecretValue | undefined>,
): Promise<{ names: Names; admin: Admin<S> }> {
  const names = await namesOf(current.value, previous, engine);
  return { names, admin: await admin.guarded([names.base, names.twin]) };
}

function isName(key: string): key is 'baseusername' | 'alternateusername' {
  return key === 'baseusername' || key === 'alternateusername';
}

/** The pair of which AWSCURRENT names the one and the pending version the other; undefined if there is none. */
function namesBetween(current: SecretValue, pending: SecretValue): Names | undefined {
  const names = namesIn(current) ?? namesIn(pending);
  if (names === undefined || names.base === names.twin) return undefined;
  const { baseusername = names.base, alternateusername = names.twin } = pending;
  const agree = baseusername === names.base && alternateusername === names.twin;
  const known = current.username === names.base || current.username === names.twin;
  return agree && known && pending.username === otherOf(names, current.username) ? names : undefined;
}

function pairOf({ base, twin }: Names, realm: string, owner: string): Pair {
  return { base: { username: base, realm }, twin: { username: twin, realm }, owner };
}

type Change<S extends Session> = { rotation: Rotation<S>; twins: Twins<S>; session: S; pair: Pair };

/** Inside the lock. @returns the pending version that is true now */
async function change<S extends Session>(work: Change<S>): Promise<SecretValue> {
  const { rotation, twins, session, pair } = work;
  const { value: pending } = await rotation.pending();
  const dormant = pending.username === pair.base.username ? 'base' : 'twin';
  const state = await twins.state(session, pair);
  requireUsable(work, state);
  requireNoOtherOwner(work, state, pending);
  const bearsMark = state.twin?.owner === pair.owner;
  if (!bearsMark) await requireOurs(work, state, pending);
  if (dormant === 'base') await requireNothingMore(work);
  await rotation.readyToChange();
  if (dormant === 'twin') {
    if (state.twin === undefined) await create(work, pending);
    await bringInLine(work, { adopt: state.twin !== undefined && !bearsMark });
    // That can take its time, in which AWSCURRENT may have been moved back to the twin: its password would be lost.
    await rotation.requireLabels();
  }
  await enable(work, dormant, pending);
  return pending;
}

/** A server that remembers passwords says of one that an earlier attempt has set that it was used before. */
async function enable<S extends Session>(
  { rotation, twins, session, pair }: Change<S>,
  dormant: 'base' | 'twin',
  pending: SecretValue,
): Promise<void> {
  try {
    await twins.enable(session, pair, dormant, pending.password);
  } catch (error) {
    if (!(error instanceof PasswordPolicyError)) throw error;
    const result = await rotation.logins.try(pending);
    if (result.is === 'accepted') return result.session.close();
    throw result.is === 'refused' ? await takenBack(rotation, error) : result.why;
  }
}

function requireUsable<S extends Session>({ rotation, pair }: Change<S>, { base }: PairState): void {
  const { username } = pair.base;
  const { host } = rotation.current.value.endpoint;
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
function requireNoOtherOwner<S extends Session>(
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
async function requireOurs<S extends Session>(
  work: Change<S>,
  { twin }: PairState,
  pending: SecretValue,
): Promise<void> {
  const { rotation, twins, session, pair } = work;
  const isEmptyTwin = pending.username === pair.twin.username && (twin === undefined || twin.inert);
  if (isEmptyTwin || (await rotation.logins.knows(pending, rotation.current, rotation.versions))) return;
  const adoption = twins.adoption(session, pair);
  const isByStatement = typeof adoption === 'string';
  if (!isByStatement && rotation.adminMaySetPasswords) return requireHarmless(work, pending);
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
async function requireHarmless<S extends Session>(
  { rotation, session }: Change<S>,
  pending: SecretValue,
): Promise<void> {
  const { engine } = rotation;
  const facts = await supported(engine.byAdmin(pending.engineKey)).facts(session, pending.username, pending.endpoint);
  if (facts?.privileged !== undefined)
    throw new ForeignUserError(
      `The user "${pending.username}" ${facts.privileged}, and nothing shows that it is this secret's: put its password into a version of the secret. ` +
        'Nothing was changed.',
      { user: pending.username, host: pending.endpoint.host },
    );
}

async function create<S extends Session>({ twins, session, pair }: Change<S>, pending: SecretValue): Promise<void> {
  if ((await twins.create(session, pair, pending.password)) === 'conflict')
    throw new PendingMismatchError(
      `The user "${pair.twin.username}" appeared in mid-step. The next attempt settles it.`,
    );
}

/** What the live twin holds alone would be lost to the application once the base is active. */
async function requireNothingMore<S extends Session>(work: Change<S>): Promise<void> {
  const more = (await visibleDifferences(work)).filter(({ kind }) => kind === 'more');
  if (more.length === 0) return;
  throw new TwinRightsError(
    `The active twin "${work.pair.twin.username}" holds what the base "${work.pair.base.username}" does not: ${listed(more)}. ` +
      'Grant it to the base or take it from the twin; nothing was changed.',
    { user: work.pair.twin.username },
  );
}

/** Additions first: what the twin is to have does not wait for what it is to lose. */
const ORDER: readonly Difference['kind'][] = ['less', 'setting', 'more'];

async function bringInLine<S extends Session>(work: Change<S>, { adopt }: { adopt: boolean }): Promise<void> {
  const { twins, session, pair } = work;
  const found = await visibleDifferences(work);
  const apply = async (which: (difference: Difference) => boolean) => {
    for (const difference of found.filter(which)) await twins.apply(session, pair, difference);
  };
  await apply(({ elsewhere }) => elsewhere === true);
  if (adopt) await twins.adopt(session, pair);
  for (const kind of ORDER) await apply((difference) => difference.kind === kind && !difference.elsewhere);
  // Some servers answer that all is well and do nothing.
  const left = found.length === 0 ? [] : await visibleDifferences(work);
  if (left.length > 0)
    throw new TwinRightsError(
      `The twin "${pair.twin.username}" cannot be brought in line with the base "${pair.base.username}" by this admin: ` +
        `${listed(left)}. AWSCURRENT works, and has not changed.`,
      { user: pair.twin.username },
    );
}

async function visibleDifferences<S extends Session>({
  twins,
  session,
  pair,
}: Change<S>): Promise<readonly Difference[]> {
  const differences = await twins.differences(session, pair);
  if (differences !== 'not visible') return differences;
  throw new PrivilegeError(
    `The admin "${session.account.username}" may not see the rights of "${pair.base.username}" and "${pair.twin.username}".`,
    { user: session.account.username },
  );
}

const MOST_LISTED = 5;

function listed(differences: readonly Difference[]): string {
  const shown = differences
    .slice(0, MOST_LISTED)
    .map(({ what, remedies }) => (remedies.length === 0 ? what : `${what} (run ${remedies.join(' or ')})`));
  const rest = differences.length - shown.length;
  return `${shown.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}`;
}

/**
 * The pending version logs in and has the base's rights. Of a base that becomes active only that the twin has no more: the
 * twin catches up when it is dormant.
 */
async function prove<S extends Session>(proof: Proof<S>, pending: SecretValue, names: Names): Promise<void> {
  const { engine, logins, secretArn } = proof;
  const session = await logins.accepted(pending);
  const pair = pairOf(names, session.account.realm, secretArn);
  try {
    const seen = await supported(engine.twins(pending.engineKey)).differences(session, pair);
    const found = seen === 'not visible' ? [] : seen;
    const wrong = pending.username === names.twin ? found : found.filter(({ kind }) => kind === 'more');
    if (wrong.length > 0)
      throw new TwinRightsError(
        `The user "${pending.username}" logs in, but base "${names.base}" and twin "${names.twin}" differ: ${listed(wrong)}. ` +
          'Nothing was promoted; AWSCURRENT works.',
        { user: pending.username, host: pending.endpoint.host },
      );
  } finally {
    await session.close();
  }
}
