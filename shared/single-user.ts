import type { Session } from './engine.ts';
import { LoginRefusedError, PasswordPolicyError } from './errors.ts';
import type { Found } from './login.ts';
import type { Secret } from './secret.ts';
import { differingKeys, type SecretValue, sameTarget } from './secret-value.ts';
import type { Rotation, Strategy } from './strategy.ts';

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

  async set(rotation, pending) {
    const { logins, current, versions } = rotation;
    const found = await logins.firstAccepted([current, pending], versions);
    try {
      // An earlier attempt got through: its proof is this login.
      if (found.with.password.equals(pending.value.password)) return;
      const changed = await change(rotation, found, pending.value);
      // After a conflict nothing is ours to put back: somebody was faster, and a login shows whether it was this rotation.
      await (changed === 'conflict' ? logins.prove(pending.value) : prove(rotation, found, pending.value));
    } finally {
      await found.session.close();
    }
  },

  test: (logins, pending) => logins.prove(pending),

  async withdraw(rotation, pending) {
    const { logins, current } = rotation;
    const session = await logins.unlessRefused(current.value);
    if (session !== undefined) return session.close();
    if (pending === undefined || !sameTarget(pending, current.value)) throw nothingBetterKnown(current.value);
    const live = await logins.unlessRefused(pending);
    if (live === undefined) throw nothingBetterKnown(current.value);
    try {
      await setOwn(rotation, live, pending.password, current.value.password);
    } finally {
      await live.close();
    }
    await logins.prove(current.value);
  },
};

/** In one go with the last look at the labels: nothing of an attempt that has been overtaken must reach the database. */
function setOwn<S extends Session>(
  { engine, readyToChange }: Rotation<S>,
  session: S,
  from: Secret,
  to: Secret,
): Promise<'set' | 'conflict'> {
  return engine.exclusively(session, session.account, async () => {
    await readyToChange();
    return engine.changeOwnPassword(session, from, to);
  });
}

async function change<S extends Session>(
  rotation: Rotation<S>,
  found: Found<S>,
  pending: SecretValue,
): Promise<'set' | 'conflict'> {
  try {
    return await setOwn(rotation, found.session, found.with.password, pending.password);
  } catch (error) {
    // Nothing has changed, and the same password would be refused on every retry.
    if (error instanceof PasswordPolicyError && found.with === rotation.current.value)
      await rotation.versions.releasePending(rotation.token);
    throw error;
  }
}

/**
 * The new password logs in, or the old one is put back. Put back only if the server *refused* the new one, which a
 * time-out does not say; if it replaced AWSCURRENT's, not one found elsewhere; and if AWSPENDING stands on this version alone,
 * for once promoted it must stay.
 */
async function prove<S extends Session>(rotation: Rotation<S>, found: Found<S>, pending: SecretValue): Promise<void> {
  const { engine, logins, versions, token, current } = rotation;
  let result = await logins.try(pending);
  if (result.is === 'barred') {
    // Perhaps by a connection limit that the first session uses up; and the password being right, nothing is put back.
    await found.session.close();
    result = await logins.try(pending);
  }
  if (result.is === 'accepted') return result.session.close();
  if (result.is !== 'refused' || found.with !== current.value) throw result.why;
  const labels = (await versions.describe()).stages.get(token) ?? [];
  if (labels.length !== 1 || labels[0] !== 'AWSPENDING') throw result.why;
  const undone = await engine.exclusively(found.session, found.session.account, () =>
    engine.changeOwnPassword(found.session, pending.password, current.value.password),
  );
  if (undone === 'conflict') throw result.why;
  throw new LoginRefusedError(
    'The server took the new password and then refused it, so the old one was put back: look in the server’s log for the reason.',
    { user: result.why.user, host: result.why.host, code: result.why.code },
  );
}

function nothingBetterKnown({ username, endpoint: { host } }: SecretValue): LoginRefusedError {
  return new LoginRefusedError(
    'The server refuses the password in AWSCURRENT and nothing better is known, so AWSPENDING is left as it is: set the ' +
      'password of AWSCURRENT in the database, or the right one in the secret.',
    { user: username, host },
  );
}
