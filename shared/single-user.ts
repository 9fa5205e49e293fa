import { type Admin, onceReplicated } from './admin.ts';
import { type Account, type Session, supported } from './engine.ts';
import {
  ConfigurationError,
  ForeignUserError,
  LoginBarredError,
  LoginRefusedError,
  PasswordPolicyError,
  PendingMismatchError,
  PrivilegeError,
  ReadOnlyServerError,
  type RotationError,
} from './errors.ts';
import type { Secret } from './secret.ts';
import { differingKeys, type SecretValue, sameTarget } from './secret-value.ts';
import type { Check, Readable, Rotation, Strategy } from './strategy.ts';

/**
 * One user, one password.
 *
 * From the database's commit to the end of finishSecret only AWSPENDING logs in. Therefore nothing here ever lets go of
 * a pending version that may be the only password that works, and every attempt finds out by logging in where an earlier
 * one got to.
 */
export function oneUser(means: Means): Strategy {
  return {
    async next(check) {
      await means.guard(check);
      return {};
    },

    async rehearse(check) {
      await (await (await means.guard(check))?.login())?.close();
    },

    fits(current, pending) {
      const keys = differingKeys(current, pending);
      if (keys.length > 0) return `differs from AWSCURRENT in ${keys.map((key) => `"${key}"`).join(', ')}`;
      return pending.password.equals(current.password) ? 'has the same password as AWSCURRENT' : undefined;
    },

    async set(rotation) {
      const found = await means.find(rotation);
      if (found === 'done before') return;
      try {
        await change(rotation, means, found);
      } finally {
        await found.session.close();
      }
    },

    async test({ logins }, pending) {
      await logins.prove(pending);
    },

    async withdraw(rotation, pending, release) {
      const { engine, logins, current } = rotation;
      const own = await logins.unlessRefused(current.value);
      let by = own ? itself(rotation, own, current.value) : await restore(rotation, means, pending);
      // Proven under the lock: now no attempt is on its way to the database, and none that comes later finds the label.
      const alone = ({ session, account, isElsewhere }: typeof by) =>
        engine.exclusively(session, account, async (stillAlone) => {
          await onceReplicated({ isElsewhere }, () => logins.provePassword(current.value));
          await stillAlone();
          await release();
        });
      try {
        await alone(by).catch(async (error) => {
          if (own === undefined || !(error instanceof ReadOnlyServerError)) throw error;
          // A replica, which may still accept what was replaced at the writer: there AWSCURRENT's password is set again.
          by = await setCurrent(rotation, means, current.value, own);
          await alone(by);
        });
      } finally {
        await by.session.close();
      }
    },
  };
}

/** Who changes the password, and how. */
type Means = {
  /** The replaced password stays valid, so that there is nothing to undo. */
  keepsReplaced: boolean;
  /** @throws what can be known without a login. @returns the admin, if there is one */
  guard<S extends Session>(check: Check<S>): Promise<Admin<S> | undefined>;
  /** A session that can change the password; `done before` if AWSPENDING's is accepted already: that login is the proof. */
  find<S extends Session>(rotation: Rotation<S>): Promise<Changer<S> | 'done before'>;
  /** To change the password of AWSPENDING, which is accepted, back. */
  changerFrom<S extends Session>(rotation: Rotation<S>, pending: SecretValue, session: S): Promise<Changer<S>>;
};

type Changer<S extends Session> = {
  session: S;
  account: Account;
  /** The version whose password was accepted, if one was. */
  replacing: SecretValue | undefined;
  /** The password is proven at another host than it is set at: that may be a replica, which lags. */
  isElsewhere: boolean;
  /** Compare-and-set, where the server can. */
  change(from: Secret, to: Secret): Promise<'set' | 'conflict'>;
};

export function itself<S extends Session>({ engine }: Rotation<S>, session: S, replacing: SecretValue): Changer<S> {
  const change = (from: Secret, to: Secret) => engine.changeOwnPassword(session, from, to);
  return { session, account: session.account, replacing, isElsewhere: false, change };
}

/** The user itself, with whichever password of the secret's versions is accepted. */
export async function findItself<S extends Session>(rotation: Rotation<S>): Promise<Changer<S> | 'done before'> {
  const { logins, current, versions } = rotation;
  let pending: Readable | undefined;
  const readPending = async () => {
    pending = await rotation.pending();
    return pending;
  };
  const found = await logins.firstAccepted(current, readPending, versions);
  if (found.with !== pending?.value) return itself(rotation, found.session, found.with);
  await found.session.close();
  return 'done before';
}

/** One user changes its own password. */
export const singleUser: Strategy = oneUser({
  keepsReplaced: false,
  guard: async () => undefined,
  find: findItself,

  changerFrom: async (rotation, pending, session) => itself(rotation, session, pending),
});

/**
 * An admin sets the user's password: for users that may not change their own, and where no known password works. Whoever may edit the
 * secret could name another user in it and read its new password, so the deployer has to allow it, and powerful users are refused.
 */
export const singleUserByAdmin: Strategy = oneUser({
  keepsReplaced: false,
  guard: guarded,

  async find(rotation) {
    const { logins, current } = rotation;
    const admin = await guarded(rotation);
    const own = await logins.unlessRefused(current.value);
    await own?.close();
    if (own === undefined) {
      const earlier = await logins.unlessRefused((await rotation.pending()).value);
      await earlier?.close();
      if (earlier !== undefined) return 'done before';
    }
    return asAdmin(rotation, admin, own && current.value);
  },

  async changerFrom(rotation, pending, session) {
    await session.close();
    return asAdmin(rotation, await guarded(rotation), pending);
  },
});

function guarded<S extends Session>({ admin, current, adminMaySetPasswords }: Check<S>): Promise<Admin<S>> {
  if (!adminMaySetPasswords)
    throw new ConfigurationError(
      'The strategy single-user-by-admin lets the admin set a password without knowing the present one, which the function’s setting ' +
        'ADMIN_MAY_SET_PASSWORDS does not allow: set it to true, if everyone who may edit this secret may have this user.',
    );
  return admin.guarded([current.value.username]);
}

async function asAdmin<S extends Session>(
  rotation: Rotation<S>,
  admin: Admin<S>,
  replacing: SecretValue | undefined,
): Promise<Changer<S>> {
  const { engine, secretArn, current } = rotation;
  const { username, engineKey, endpoint } = current.value;
  const byAdmin = supported(engine.byAdmin(engineKey));
  const session = await admin.login();
  try {
    const facts = await byAdmin.facts(session, username, endpoint);
    const details = { user: username, host: endpoint.host };
    if (facts === undefined)
      throw new LoginRefusedError(`There is no user "${username}" at ${endpoint.host}: make it first.`, details);
    if (facts.privileged !== undefined)
      throw new PrivilegeError(
        `The user "${username}" ${facts.privileged}, so no admin sets its password for a secret: use the strategy single-user.`,
        details,
      );
    // No login could prove the new password, and the present one may be right.
    if (facts.barred !== undefined)
      throw new LoginBarredError(
        `The user "${username}" at ${endpoint.host} ${facts.barred}; no password was set.`,
        details,
      );
    const other = facts.owners.find((owner) => owner !== secretArn);
    if (other !== undefined)
      throw new ForeignUserError(`The user "${username}" is in the hands of another secret, ${other}.`, details);
    const change = async (_from: Secret, to: Secret) => {
      await byAdmin.setPassword(session, facts.account, to);
      return 'set' as const;
    };
    return { session, account: facts.account, replacing, isElsewhere: admin.isElsewhere, change };
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** The label is looked at and the change made under one lock: nothing of an attempt that was overtaken must reach the database. */
async function change<S extends Session>(rotation: Rotation<S>, means: Means, by: Changer<S>): Promise<void> {
  const { engine, logins } = rotation;
  const work = async () => {
    const { value } = await rotation.pending();
    await rotation.readyToChange();
    return { pending: value, changed: await changeUnlessDone(rotation, by, value) };
  };
  const { pending, changed } = await engine.exclusively(by.session, by.account, work);
  if (changed === 'set') return await prove(rotation, means, by, pending);
  // Not ours to undo; and the first session may use up a connection limit.
  await by.session.close();
  await logins.prove(pending);
}

/**
 * Inside the lock. Where the change is compare-and-set, a conflict says that another password stands where this one was expected; and a server that
 * remembers passwords says of one that an earlier attempt has set that it was used before.
 */
async function changeUnlessDone<S extends Session>(
  rotation: Rotation<S>,
  by: Changer<S>,
  pending: SecretValue,
): Promise<'set' | 'done before'> {
  const { password } = by.replacing ?? rotation.current.value;
  const first = await by.change(password, pending.password).catch(unlessPolicy);
  if (first === 'set') return 'set';
  const result = await rotation.logins.try(pending);
  if (result.is === 'accepted') await result.session.close();
  if (result.is === 'accepted' || result.is === 'barred') return 'done before';
  if (result.is === 'unknown') throw result.why;
  if (first !== 'conflict') throw await refusedByPolicy(rotation, by, first);
  await makePrimary(rotation, by, result.why);
  if ((await by.change(password, pending.password)) === 'set') return 'set';
  throw new PendingMismatchError(
    `Somebody else changes the password of user "${pending.username}" at this very time. The next attempt settles it.`,
    { user: pending.username, host: pending.endpoint.host },
  );
}

/** The pending password is not in the database; and AWSCURRENT's is, or one that nobody knows: then the label may go. */
async function refusedByPolicy<S extends Session>(
  rotation: Rotation<S>,
  { replacing }: Changer<S>,
  refusal: PasswordPolicyError,
): Promise<PasswordPolicyError> {
  const isUnused = replacing === rotation.current.value || replacing === undefined;
  return isUnused ? takenBack(rotation, refusal) : refusal;
}

function unlessPolicy(error: unknown): PasswordPolicyError {
  if (error instanceof PasswordPolicyError) return error;
  throw error;
}

/**
 * After a rotation by dual-password that was given up, its password is the account's primary one and AWSCURRENT's the secondary, which logs in
 * and cannot be replaced: it is made the primary one again, if it is accepted still.
 * @throws `why` if there is nothing like that here
 */
async function makePrimary<S extends Session>(
  { engine, versions, logins, current, token }: Rotation<S>,
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
  await logins.provePassword(current.value);
  // Anew: the step's own may be a second old, and that AWSCURRENT moved would cost its password.
  const { stages } = await versions.describe();
  if (!stages.get(token)?.includes('AWSPENDING') || !stages.get(current.version.id)?.includes('AWSCURRENT'))
    throw new PendingMismatchError('AWSCURRENT or AWSPENDING moved in mid-step: nothing was changed.');
  await overlap.reanchor(by.session, current.value.password);
}

/**
 * The new password logs in, or the old one is put back: only if the server *refused* the new one, which a time-out does not
 * say, and if it replaced AWSCURRENT's, not one found elsewhere.
 */
async function prove<S extends Session>(
  rotation: Rotation<S>,
  means: Means,
  by: Changer<S>,
  pending: SecretValue,
): Promise<void> {
  const { logins, current } = rotation;
  // Nor is the old one put back: that a replica refuses the new one says nothing, and later it would accept it for a while.
  if (by.isElsewhere) return onceReplicated(by, () => logins.prove(pending).then(() => {}));
  const result = await logins.try(pending);
  if (result.is === 'accepted') return result.session.close();
  if (result.is === 'barred') {
    // Perhaps by a connection limit that the first session uses up.
    await by.session.close();
    await logins.prove(pending);
    return;
  }
  if (result.is !== 'refused' || by.replacing !== current.value || means.keepsReplaced) throw result.why;
  await undo(rotation, by, pending, result.why);
  throw new LoginRefusedError(
    'The server took the new password and then refused it, so the old one was put back: look in the server’s log for the reason.',
    result.why,
  );
}

/**
 * Under the lock the new password is still refused, and AWSPENDING stands on its version alone: once promoted it must stay.
 * @throws `why` if not
 */
async function undo<S extends Session>(
  { engine, logins, versions, token, current }: Rotation<S>,
  by: Changer<S>,
  pending: SecretValue,
  why: RotationError,
): Promise<void> {
  const undone = await engine.exclusively(by.session, by.account, async () => {
    const labels = (await versions.describe()).stages.get(token) ?? [];
    if (labels.length !== 1 || labels[0] !== 'AWSPENDING') throw why;
    const again = await logins.unlessRefused(pending);
    if (again === undefined) return setAgain(by, pending, current.value);
    await again.close();
    throw why;
  });
  if (undone === 'conflict') throw why;
}

/** Nothing has changed, and the same password would be refused on every retry: AWSPENDING is taken off it. Not before it was seen to be refused at a login. */
export async function takenBack<S extends Session>(
  { versions, token }: Rotation<S>,
  refusal: PasswordPolicyError,
): Promise<PasswordPolicyError> {
  const outcome = await versions.releasePending(token).then(
    () => 'AWSPENDING was taken off this version: start the rotation again.',
    () => 'AWSPENDING could not be taken off this version, so retries will be refused too.',
  );
  return new PasswordPolicyError(`${refusal.message} ${outcome}`, refusal);
}

/** AWSCURRENT's password is made true again, where the pending one is accepted. The session that did it is still open. */
async function restore<S extends Session>(
  rotation: Rotation<S>,
  means: Means,
  pending: SecretValue | undefined,
): Promise<Changer<S>> {
  const { logins, current } = rotation;
  const session =
    pending !== undefined && sameTarget(pending, current.value) ? await logins.unlessRefused(pending) : undefined;
  if (pending === undefined || session === undefined) throw nothingBetterKnown(current.value);
  return setCurrent(rotation, means, pending, session);
}

/** @param accepted the version whose password `session` logged in with */
async function setCurrent<S extends Session>(
  rotation: Rotation<S>,
  means: Means,
  accepted: SecretValue,
  session: S,
): Promise<Changer<S>> {
  const { engine, current } = rotation;
  const by = await means.changerFrom(rotation, accepted, session);
  try {
    await engine.exclusively(by.session, by.account, async () => {
      await rotation.readyToChange();
      return setAgain(by, accepted, current.value);
    });
    return by;
  } catch (error) {
    await by.session.close();
    throw error;
  }
}

/** @throws {PasswordPolicyError} that says that AWSPENDING is kept: its password is the one in the database */
async function setAgain<S extends Session>(
  by: Changer<S>,
  pending: SecretValue,
  current: SecretValue,
): Promise<'set' | 'conflict'> {
  const outcome = await by.change(pending.password, current.password).catch(unlessPolicy);
  if (!(outcome instanceof PasswordPolicyError)) return outcome;
  throw new PasswordPolicyError(
    `${outcome.message} It is AWSCURRENT's, which was to be set again in place of AWSPENDING's: AWSPENDING is left as it is.`,
    outcome,
  );
}

function nothingBetterKnown({ username, endpoint: { host } }: SecretValue): LoginRefusedError {
  return new LoginRefusedError(
    'The server refuses the password in AWSCURRENT and nothing better is known, so AWSPENDING is left as it is: set the ' +
      'password of AWSCURRENT in the database, or the right one in the secret.',
    { user: username, host },
  );
}
