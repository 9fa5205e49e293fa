/** The strategy alternating-users: two users take turns, and an admin prepares the dormant one. */

import { PendingMismatchError } from '../../core/errors.ts';
import type { Strategy } from '../../core/kind.ts';
import { together } from '../../core/together.ts';
import type { Admin } from '../admin.ts';
import { type Session, supported } from '../engine.ts';
import { DormantUserError, LoginRefusedError, ReadOnlyServerError, TwinRightsError } from '../errors.ts';
import { type Names, namesIn, namesOf, otherOf, pairOf } from '../pair.ts';
import { unfitPassword } from '../password.ts';
import { differingKeys, type SecretValue } from '../secret-value.ts';
import type { Check, Database, PairWork, Work } from '../work.ts';
import { prepareDormantUser } from './dormant-user.ts';
import { requireStillWanted } from './overtaken.ts';
import { giveUpTaken } from './refused-password.ts';
import { rehearseTwoUsers } from './rehearsal.ts';
import { onceReplicated } from './replication.ts';
import { proveWithRights, requireEqualRights } from './twin-rights.ts';
import { changeOrFindOut } from './uncertain-change.ts';
import { logInAsOwnUser, proveOwnUser } from './whose-user.ts';

/**
 * AWSCURRENT names the active user. Nothing is ever done to that user, so AWSCURRENT logs in at every
 * moment, and as AWSPREVIOUS it does until the next rotation.
 *
 * The admin gives the dormant user the rights of the base, and its new password last. So a pending
 * password that logs in proves nothing about rights: every attempt compares the rights again.
 */
export function alternatingUsers<S extends Session>(database: Database<S>): Strategy<SecretValue> {
  return {
    name: 'alternating-users',

    async successor(rotation) {
      const { names } = await guardedPair(database.work(rotation));
      return {
        keys: {
          baseusername: names.base,
          alternateusername: names.twin,
          username: otherOf(names, rotation.current.value.username),
          password: database.newPassword().reveal(),
        },
      };
    },

    rehearse: (rotation, findings) => rehearseTwoUsers(database, rotation, findings, guardedPair),

    fits(current, pending) {
      const added = (key: string) => key === 'username' || (isName(key) && current[key] === undefined);
      const keys = differingKeys(current, pending).filter((key) => !added(key));
      if (keys.length > 0) return `differs from AWSCURRENT in ${keys.map((key) => `"${key}"`).join(', ')}`;
      return namesBetween(current, pending) === undefined
        ? `names the user "${pending.username}", which is not the other of the pair to which AWSCURRENT's "${current.username}" belongs`
        : unfitPassword(pending.password, database.engine.password);
    },

    set: (rotation) => setDormantUser(database.work(rotation)),

    async test(pending, at, current) {
      const prover = database.proverAt(at);
      // AWS's function stores no names: then AWSCURRENT tells them, if it is the base.
      const names = namesIn(pending) ?? namesIn(at);
      if (names === undefined) {
        await prover.logins.prove(pending);
        return 'all';
      }
      try {
        return await proveWithRights(prover, pending, names);
      } catch (error) {
        // The strategy single-user may have rotated one user of a pair. Then AWSCURRENT names the same
        // user, and the login is proof enough: this user keeps its rights, and the other one may have
        // been dropped. AWSCURRENT is read only here, as that costs a call.
        const isOfTheOther = error instanceof TwinRightsError || error instanceof DormantUserError;
        if (!isOfTheOther || (await current()).username !== pending.username) throw error;
        return 'all';
      }
    },

    testRest: (rotation) => proveRightsAsAdmin(database.work(rotation)),

    withdraw: (rotation, pending) => withdrawDormantUser(database.work(rotation), pending),
  };
}

async function setDormantUser<S extends Session>(work: Work<S>): Promise<void> {
  const { engine, current, secretArn } = work;
  // AWSCURRENT tells the two names, unless it names a twin that AWS's function made.
  const names = namesIn(current.value) ?? namesIn((await work.pending()).value);
  if (names === undefined)
    throw new PendingMismatchError('Neither AWSCURRENT nor AWSPENDING says which users alternate.');
  const admin = await work.adminSecret.guarded([names.base, names.twin]);
  const proving = proveOwnUser(work, names);
  const [{ realm }, session] = await together(proving, admin.login(proving));
  const twins = supported(engine.twins(current.value.engineKey));
  const given = { work, twins, session, pair: pairOf(names, realm, secretArn) };
  const { pending, proof } = await changeDormantUser(given, names, admin);
  if (proof === 'proven') return;
  try {
    if (proof instanceof LoginRefusedError || proof instanceof TwinRightsError) throw proof;
    await onceReplicated(admin, () => proveWithRights(work, pending, names));
  } catch (error) {
    // A replica may not know the new password yet.
    if (!(error instanceof LoginRefusedError) || admin.isAtAnotherHost) throw error;
    throw await giveUpTaken(error, 'is valid', () => withdrawDormantUser(work, pending));
  }
}

/**
 * Changes the dormant user, and proves the change beside the last look at the labels where a proof is
 * possible at once. The admin's session is closed.
 * @returns `proof`: `proven`, or the error with which the proof failed; undefined if there was none
 */
async function changeDormantUser<S extends Session>(
  given: PairWork<S>,
  names: Names,
  admin: Admin<S>,
): Promise<{ pending: SecretValue; proof: unknown }> {
  const { work, twins, session, pair } = given;
  const { engine } = work;
  const isProofAtOnce = !admin.isAtAnotherHost;
  let proof: unknown;
  try {
    const outcome = await changeOrFindOut(work, (begin) => {
      const { endpoint } = work.current.value;
      return engine.exclusively(session, pair.base, () => prepareDormantUser(given, begin), endpoint);
    });
    const { pending, hasRoom } =
      outcome === 'found set' ? { pending: (await work.pending()).value, hasRoom: false } : outcome;
    const prove = () => proveWithRights(work, pending, names).then(() => 'proven');
    const proving = hasRoom && isProofAtOnce ? prove().catch((error: unknown) => error) : undefined;
    // Whether the change is still wanted matters more than how its proof ends.
    const [now, result] = await together(work.overtaken(), Promise.resolve(proving));
    proof = result;
    const dormant = pending.username === pair.base.username ? 'base' : 'twin';
    await requireStillWanted(work, pending, now, {
      keepsOldValid: true,
      isProofAtOnce,
      underLock: (undo) => engine.exclusively(session, pair.base, undo),
      setBack: (value) => twins.enable(session, pair, dormant, value.password),
    });
    return { pending, proof };
  } finally {
    // Without a proof, the server may have no other connection for it.
    await (proof === 'proven' ? session.close() : session.end());
  }
}

/**
 * Compares the rights in a session of the admin, because the pending version's own user may not see
 * them.
 */
async function proveRightsAsAdmin<S extends Session>(work: Work<S>): Promise<void> {
  const { engine, secretArn } = work;
  const { value: pending } = await work.pending();
  const names = namesIn(pending) ?? namesIn(work.current.value);
  if (names === undefined) return;
  const admin = await work.adminSecret.guarded([names.base, names.twin]);
  const { realm } = await proveOwnUser(work, names);
  const session = await admin.login();
  try {
    const twins = supported(engine.twins(pending.engineKey));
    await requireEqualRights({ twins, session, pair: pairOf(names, realm, secretArn) }, pending);
  } finally {
    await session.close();
  }
}

/** Gives up the pending version under the lock for the base, with the user in AWSCURRENT logged in. */
async function withdrawDormantUser<S extends Session>(work: Work<S>, pending: SecretValue | undefined): Promise<void> {
  const { engine, adminSecret, current, release } = work;
  const session = await logInAsOwnUser(work, async () => undefined);
  const names = namesIn(pending ?? current.value);
  const base = { ...session.account, username: names?.base ?? current.value.username };
  // Under the lock no other attempt works on the pair, and no later one finds the label.
  const releaseUnderLock = (by: S) =>
    engine.exclusively(by, base, async (stillAlone) => {
      await stillAlone();
      await release();
    });
  try {
    await releaseUnderLock(session);
  } catch (error) {
    if (!(error instanceof ReadOnlyServerError)) throw error;
    // The secret's host is a replica. The lock is at the server where the admin makes the changes.
    const users = names === undefined ? [base.username] : [names.base, names.twin];
    const writer = await (await adminSecret.guarded(users)).login();
    try {
      await releaseUnderLock(writer);
    } finally {
      await writer.close();
    }
  } finally {
    await session.close();
  }
}

/** The names of the pair, and the admin who may change both users. */
async function guardedPair<S extends Session>({
  engine,
  adminSecret,
  current,
  previous,
}: Check<S>): Promise<{ names: Names; admin: Admin<S> }> {
  const names = await namesOf(current.value, previous, engine);
  return { names, admin: await adminSecret.guarded([names.base, names.twin]) };
}

function isName(key: string): key is 'baseusername' | 'alternateusername' {
  return key === 'baseusername' || key === 'alternateusername';
}

/** The pair, if AWSCURRENT names one of its users and the pending version the other. */
function namesBetween(current: SecretValue, pending: SecretValue): Names | undefined {
  const names = namesIn(current) ?? namesIn(pending);
  if (names === undefined || names.base === names.twin) return undefined;
  const { baseusername = names.base, alternateusername = names.twin } = pending;
  const agree = baseusername === names.base && alternateusername === names.twin;
  const known = current.username === names.base || current.username === names.twin;
  return agree && known && pending.username === otherOf(names, current.username) ? names : undefined;
}
