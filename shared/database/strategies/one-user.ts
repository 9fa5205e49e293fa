import { PendingMismatchError, type RotationError } from '../../core/errors.ts';
import type { Strategy } from '../../core/kind.ts';
import type { Secret } from '../../core/secret.ts';
import type { Admin } from '../admin.ts';
import type { Account, Session } from '../engine.ts';
import { LoginRefusedError, PasswordPolicyError, ReadOnlyServerError } from '../errors.ts';
import { takenBack } from '../refused-password.ts';
import { onceReplicated } from '../replication.ts';
import { differingKeys, type SecretValue, sameTarget } from '../secret-value.ts';
import type { Check, Database, Work } from '../work.ts';
import type { StrategyName } from './facts.ts';
import { requireStillWanted } from './overtaken.ts';
import { requireCurrent } from './rehearsal.ts';

/**
 * One user, one password.
 *
 * From the database's commit to the end of finishSecret only AWSPENDING logs in. Therefore nothing here ever lets go of
 * a pending version that may be the only password that works, and every attempt finds out by logging in where an earlier
 * one got to.
 */
export function oneUser<S extends Session>(
  name: StrategyName,
  database: Database<S>,
  means: Means<S>,
): Strategy<SecretValue> {
  return {
    name,

    async successor(rotation) {
      await means.guard(database.work(rotation));
      return { keys: { password: database.newPassword().reveal() } };
    },

    async rehearse(rotation) {
      const work = database.work(rotation);
      await requireCurrent(work);
      await (await (await means.guard(work))?.login())?.close();
    },

    fits(current, pending) {
      const keys = differingKeys(current, pending);
      if (keys.length > 0) return `differs from AWSCURRENT in ${keys.map((key) => `"${key}"`).join(', ')}`;
      return pending.password.equals(current.password) ? 'has the same password as AWSCURRENT' : undefined;
    },

    async set(rotation) {
      const work = database.work(rotation);
      const found = await means.find(work);
      if (found === 'done before') return;
      try {
        await change(work, means, found);
      } finally {
        await found.session.close();
      }
    },

    async test(pending, at) {
      await database.proof(at).logins.prove(pending);
      return 'all';
    },

    async withdraw(rotation, pending) {
      const work = database.work(rotation);
      const { engine, logins, current } = work;
      const own = await logins.unlessRefused(current.value);
      let by = own ? itself(work, own, current.value) : await restore(work, means, pending);
      // Proven under the lock: now no attempt is on its way to the database, and none that comes later finds the label.
      const alone = ({ session, account, isElsewhere }: typeof by) =>
        engine.exclusively(session, account, async (stillAlone) => {
          await onceReplicated({ isElsewhere }, () => logins.provePassword(current.value));
          await stillAlone();
          await rotation.release();
        });
      try {
        await alone(by).catch(async (error) => {
          if (own === undefined || !(error instanceof ReadOnlyServerError)) throw error;
          // A replica, which may still accept what was replaced at the writer: there AWSCURRENT's password is set again.
          by = await setCurrent(work, means, current.value, own);
          await alone(by);
        });
      } finally {
        await by.session.close();
      }
    },
  };
}

/** Who changes the password, and how. */
export type Means<S extends Session> = {
  /** The replaced password stays valid, so that there is nothing to undo. */
  keepsReplaced: boolean;
  /** @throws what can be known without a login. @returns the admin, if there is one */
  guard(check: Check<S>): Promise<Admin<S> | undefined>;
  /** A session that can change the password; `done before` if AWSPENDING's is accepted already: that login is the proof. */
  find(work: Work<S>): Promise<Changer<S> | 'done before'>;
  /** To change the password of AWSPENDING, which is accepted, back. */
  changerFrom(work: Work<S>, pending: SecretValue, session: S): Promise<Changer<S>>;
};

export type Changer<S extends Session> = {
  session: S;
  account: Account;
  /** The version whose password was accepted, if one was. */
  replacing: SecretValue | undefined;
  /** The password is proven at another host than it is set at: that may be a replica, which lags. */
  isElsewhere: boolean;
  /** Compare-and-set, where the server can. */
  change(from: Secret, to: Secret): Promise<'set' | 'conflict'>;
};

export function itself<S extends Session>({ engine }: Work<S>, session: S, replacing: SecretValue): Changer<S> {
  const change = (from: Secret, to: Secret) => engine.changeOwnPassword(session, from, to);
  return { session, account: session.account, replacing, isElsewhere: false, change };
}

/** The label is looked at and the change made under one lock: nothing of an attempt that was overtaken must reach the database. */
async function change<S extends Session>(work: Work<S>, means: Means<S>, by: Changer<S>): Promise<void> {
  const { engine, logins } = work;
  const { pending, changed } = await engine.exclusively(by.session, by.account, async () => {
    const { value } = await work.pending();
    await work.readyToChange();
    return { pending: value, changed: await changeUnlessDone(work, by, value) };
  });
  if (changed === 'set') {
    await requireStillWanted(work, pending, {
      keepsOldValid: means.keepsReplaced,
      setBack: (value) =>
        engine.exclusively(by.session, by.account, async () => {
          if ((await work.overtaken()) !== undefined) await setAgain(by, pending, value);
        }),
    });
    return await prove(work, means, by, pending);
  }
  // Not ours to undo; and the first session may use up a connection limit.
  await by.session.close();
  await logins.prove(pending);
}

/**
 * Inside the lock. Where the change is compare-and-set, a conflict says that another password stands where this one was expected; and a server that
 * remembers passwords says of one that an earlier attempt has set that it was used before.
 */
async function changeUnlessDone<S extends Session>(
  work: Work<S>,
  by: Changer<S>,
  pending: SecretValue,
): Promise<'set' | 'done before'> {
  const { password } = by.replacing ?? work.current.value;
  const first = await by.change(password, pending.password).catch(unlessPolicy);
  if (first === 'set') return 'set';
  const result = await work.logins.try(pending);
  if (result.is === 'accepted') await result.session.close();
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

/** The pending password is not in the database; and AWSCURRENT's is, or one that nobody knows: then the label may go. */
async function refusedByPolicy<S extends Session>(
  work: Work<S>,
  { replacing }: Changer<S>,
  refusal: PasswordPolicyError,
): Promise<PasswordPolicyError> {
  const isUnused = replacing === work.current.value || replacing === undefined;
  return isUnused ? takenBack(work, refusal) : refusal;
}

function unlessPolicy(error: unknown): PasswordPolicyError {
  if (error instanceof PasswordPolicyError) return error;
  throw error;
}

/**
 * After a work by dual-password that was given up, its password is the account's primary one and AWSCURRENT's the secondary, which logs in
 * and cannot be replaced: it is made the primary one again, if it is accepted still.
 * @throws `why` if there is nothing like that here
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
  await logins.provePassword(current.value);
  // The step's own may be a second old, and that AWSCURRENT moved would cost its password.
  await requireLabels('anew');
  await overlap.reanchor(by.session, current.value.password);
}

/**
 * The new password logs in, or the old one is put back: only if the server *refused* the new one, which a time-out does not
 * say, and if it replaced AWSCURRENT's, not one found elsewhere.
 */
async function prove<S extends Session>(
  work: Work<S>,
  means: Means<S>,
  by: Changer<S>,
  pending: SecretValue,
): Promise<void> {
  const { logins, current } = work;
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
  await undo(work, by, pending, result.why);
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
  { engine, logins, isPendingAlone, current }: Work<S>,
  by: Changer<S>,
  pending: SecretValue,
  why: RotationError,
): Promise<void> {
  const undone = await engine.exclusively(by.session, by.account, async () => {
    if (!(await isPendingAlone())) throw why;
    const again = await logins.unlessRefused(pending);
    if (again === undefined) return setAgain(by, pending, current.value);
    await again.close();
    throw why;
  });
  if (undone === 'conflict') throw why;
}

/** AWSCURRENT's password is made true again, where the pending one is accepted. The session that did it is still open. */
async function restore<S extends Session>(
  work: Work<S>,
  means: Means<S>,
  pending: SecretValue | undefined,
): Promise<Changer<S>> {
  const { logins, current } = work;
  const session =
    pending !== undefined && sameTarget(pending, current.value) ? await logins.unlessRefused(pending) : undefined;
  if (pending === undefined || session === undefined) throw nothingBetterKnown(current.value);
  return setCurrent(work, means, pending, session);
}

/** @param accepted the version whose password `session` logged in with */
async function setCurrent<S extends Session>(
  work: Work<S>,
  means: Means<S>,
  accepted: SecretValue,
  session: S,
): Promise<Changer<S>> {
  const { engine, current } = work;
  const by = await means.changerFrom(work, accepted, session);
  try {
    await engine.exclusively(by.session, by.account, async () => {
      await work.readyToChange();
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
