import type { Session } from './engine.ts';
import { LoginRefusedError, PasswordPolicyError, type RotationError } from './errors.ts';
import type { Found } from './login.ts';
import { differingKeys, type SecretValue, sameTarget } from './secret-value.ts';
import type { Readable, Rotation, Strategy } from './strategy.ts';

/**
 * One user changes its own password.
 *
 * From the database's commit to the end of finishSecret only AWSPENDING logs in. Therefore nothing here ever lets go of
 * a pending version that may be the only password that works, and every attempt finds out by logging in where an earlier
 * one got to.
 */
export const singleUser: Strategy = {
  next: () => ({}),

  fits(current, pending) {
    const keys = differingKeys(current, pending);
    if (keys.length > 0) return `differs from AWSCURRENT in ${keys.map((key) => `"${key}"`).join(', ')}`;
    return pending.password.equals(current.password) ? 'has the same password as AWSCURRENT' : undefined;
  },

  async set(rotation) {
    const { logins, current, versions } = rotation;
    let pending: Readable | undefined;
    const readPending = async () => {
      pending = await rotation.pending();
      return pending;
    };
    const found = await logins.firstAccepted(current, readPending, versions);
    try {
      // An earlier attempt got through: its proof is this login.
      if (found.with === pending?.value) return;
      await change(rotation, found);
    } finally {
      await found.session.close();
    }
  },

  test: ({ logins }, pending) => logins.prove(pending),

  async withdraw(rotation, pending, release) {
    const { engine, logins, current } = rotation;
    const session = (await logins.unlessRefused(current.value)) ?? (await restore(rotation, pending));
    try {
      // Proven under the lock: now no attempt is on its way to the database, and none that comes later finds the label.
      await engine.exclusively(session, session.account, async (stillAlone) => {
        await logins.provePassword(current.value);
        await stillAlone();
        await release();
      });
    } finally {
      await session.close();
    }
  },
};

/** The label is looked at and the change made under one lock: nothing of an attempt that was overtaken must reach the database. */
async function change<S extends Session>(rotation: Rotation<S>, found: Found<S>): Promise<void> {
  const { engine, logins, current } = rotation;
  const { session } = found;
  const work = async () => {
    const { value } = await rotation.pending();
    await rotation.readyToChange();
    return { pending: value, changed: await engine.changeOwnPassword(session, found.with.password, value.password) };
  };
  try {
    const { pending, changed } = await engine.exclusively(session, session.account, work);
    // After a conflict nothing is ours to undo: somebody was faster, and a login shows whether it was this rotation.
    await (changed === 'conflict' ? logins.prove(pending) : prove(rotation, found, pending));
  } catch (error) {
    if (error instanceof PasswordPolicyError && found.with === current.value) throw await takenBack(rotation, error);
    throw error;
  }
}

/**
 * The new password logs in, or the old one is put back: only if the server *refused* the new one, which a time-out does not
 * say, and if it replaced AWSCURRENT's, not one found elsewhere.
 */
async function prove<S extends Session>(rotation: Rotation<S>, found: Found<S>, pending: SecretValue): Promise<void> {
  const { logins, current } = rotation;
  const result = await logins.try(pending);
  if (result.is === 'accepted') return result.session.close();
  if (result.is === 'barred') {
    // Perhaps by a connection limit that the first session uses up.
    await found.session.close();
    return logins.prove(pending);
  }
  if (result.is !== 'refused' || found.with !== current.value) throw result.why;
  await undo(rotation, found.session, pending, result.why);
  throw new LoginRefusedError(
    'The server took the new password and then refused it, so the old one was put back: look in the server’s log for the reason.',
    { user: result.why.user, host: result.why.host, code: result.why.code },
  );
}

/**
 * Under the lock the new password is still refused, and AWSPENDING stands on its version alone: once promoted it must stay.
 * @throws `why` if not
 */
async function undo<S extends Session>(
  { engine, logins, versions, token, current }: Rotation<S>,
  session: S,
  pending: SecretValue,
  why: RotationError,
): Promise<void> {
  const undone = await engine.exclusively(session, session.account, async () => {
    const labels = (await versions.describe()).stages.get(token) ?? [];
    if (labels.length !== 1 || labels[0] !== 'AWSPENDING') throw why;
    const again = await logins.unlessRefused(pending);
    if (again === undefined) return engine.changeOwnPassword(session, pending.password, current.value.password);
    await again.close();
    throw why;
  });
  if (undone === 'conflict') throw why;
}

/** Nothing has changed, and the same password would be refused on every retry: AWSPENDING is taken off it. */
async function takenBack<S extends Session>(
  { versions, token }: Rotation<S>,
  refusal: PasswordPolicyError,
): Promise<PasswordPolicyError> {
  const outcome = await versions.releasePending(token).then(
    () => 'AWSPENDING was taken off this version: start the rotation again.',
    () => 'AWSPENDING could not be taken off this version, so retries will be refused too.',
  );
  return new PasswordPolicyError(`${refusal.message} ${outcome}`, refusal);
}

/** AWSCURRENT's password is made true again through the pending one. @returns that session, still open */
async function restore<S extends Session>(rotation: Rotation<S>, pending: SecretValue | undefined): Promise<S> {
  const { engine, logins, current } = rotation;
  const session =
    pending !== undefined && sameTarget(pending, current.value) ? await logins.unlessRefused(pending) : undefined;
  if (pending === undefined || session === undefined) throw nothingBetterKnown(current.value);
  try {
    await engine.exclusively(session, session.account, async () => {
      await rotation.readyToChange();
      return engine.changeOwnPassword(session, pending.password, current.value.password);
    });
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }
}

function nothingBetterKnown({ username, endpoint: { host } }: SecretValue): LoginRefusedError {
  return new LoginRefusedError(
    'The server refuses the password in AWSCURRENT and nothing better is known, so AWSPENDING is left as it is: set the ' +
      'password of AWSCURRENT in the database, or the right one in the secret.',
    { user: username, host },
  );
}
