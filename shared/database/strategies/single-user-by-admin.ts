/** The strategy single-user-by-admin: an admin sets the user's password. */

import { ConfigurationError, type RotationError } from '../../core/errors.ts';
import type { Strategy } from '../../core/kind.ts';
import type { Secret } from '../../core/secret.ts';
import type { Admin } from '../admin.ts';
import { type Session, supported } from '../engine.ts';
import { ForeignUserError, LoginBarredError, LoginRefusedError, PrivilegeError } from '../errors.ts';
import type { SecretValue } from '../secret-value.ts';
import type { Check, Database, Work } from '../work.ts';
import type { Changer } from './changer.ts';
import { oneUser } from './one-user.ts';

/**
 * For users that may not change their own password, and for secrets of which no password works.
 *
 * Whoever may edit the secret could name another user in it, and read that user's new password after
 * the rotation. So the deployer has to allow this strategy, and powerful users are refused.
 */
export function singleUserByAdmin<S extends Session>(database: Database<S>): Strategy<SecretValue> {
  return oneUser('single-user-by-admin', database, {
    keepsReplaced: false,
    guard: guardedAdmin,

    async find(work) {
      const { logins, current } = work;
      const admin = await guardedAdmin(work);
      const own = await logins.logInUnlessRefused(current.value);
      await own?.close();
      if (own === undefined && !work.isRehearsal) {
        const earlier = await logins.logInUnlessRefused((await work.pending()).value);
        await earlier?.close();
        if (earlier !== undefined) return 'done before';
      }
      return changerOf(work, admin, own && current.value);
    },

    async changerFrom(work, pending, session) {
      await session.close();
      return changerOf(work, await guardedAdmin(work), pending);
    },
  });
}

/** @throws {ConfigurationError} if the deployer has not allowed this strategy */
function guardedAdmin<S extends Session>({ adminSecret, current, adminMaySetPasswords }: Check<S>): Promise<Admin<S>> {
  if (!adminMaySetPasswords)
    throw new ConfigurationError(
      'The strategy single-user-by-admin lets the admin set a password without knowing the present one, which the function’s setting ' +
        'ADMIN_MAY_SET_PASSWORDS does not allow: set it to true, if everyone who may edit this secret may have this user.',
    );
  return adminSecret.guarded([current.value.username]);
}

/**
 * Logs the admin in, and refuses users whose password no admin may set.
 * @param replacing the version whose password was accepted, if one was
 */
async function changerOf<S extends Session>(
  work: Work<S>,
  admin: Admin<S>,
  replacing: SecretValue | undefined,
): Promise<Changer<S>> {
  const { engine, secretArn, current } = work;
  const { username, engineKey, endpoint } = current.value;
  const byAdmin = supported(engine.byAdmin(engineKey));
  const session = await admin.login();
  try {
    const facts = await byAdmin.facts(session, username, endpoint);
    const details = { user: username, host: endpoint.host };
    if (facts === undefined)
      throw new LoginRefusedError(`There is no user "${username}" at ${endpoint.host}: make it first.`, details);
    const requireNot = (reason: string | undefined, error: (reason: string) => RotationError) =>
      work.mustHold(() => {
        if (reason !== undefined) throw error(reason);
      });
    await requireNot(
      facts.privileged,
      (reason) =>
        new PrivilegeError(
          `The user "${username}" ${reason}, so no admin sets its password for a secret: use the strategy single-user.`,
          details,
        ),
    );
    // No login could prove a new password, and the present one may be right.
    await requireNot(
      facts.barred,
      (reason) =>
        new LoginBarredError(`The user "${username}" at ${endpoint.host} ${reason}; no password was set.`, details),
    );
    await requireNot(
      facts.owners.find((owner) => owner !== secretArn),
      (other) => new ForeignUserError(`The user "${username}" is in the hands of another secret, ${other}.`, details),
    );
    const change = async (_from: Secret, to: Secret) => {
      await byAdmin.setPassword(session, facts.account, to);
      return 'set' as const;
    };
    return { session, account: facts.account, replacing, isAtAnotherHost: admin.isAtAnotherHost, change };
  } catch (error) {
    await session.close();
    throw error;
  }
}
