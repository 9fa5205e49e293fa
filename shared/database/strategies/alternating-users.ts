import { PendingMismatchError } from '../../core/errors.ts';
import type { Strategy } from '../../core/kind.ts';
import type { Admin } from '../admin.ts';
import { type Session, supported } from '../engine.ts';
import { DormantUserError, PasswordPolicyError, ReadOnlyServerError, TwinRightsError } from '../errors.ts';
import { type Names, namesIn, namesOf, otherOf } from '../pair.ts';
import { takenBack } from '../refused-password.ts';
import { onceReplicated } from '../replication.ts';
import { differingKeys, type SecretValue } from '../secret-value.ts';
import type { Check, Database } from '../work.ts';
import { requireStillWanted } from './overtaken.ts';
import { requireCurrent } from './rehearsal.ts';
import { bringInLine, type Change, pairOf, prove, requireEqual, requireNothingMore } from './twin-rights.ts';
import { requireNoOtherOwner, requireOurs, requireUsable } from './whose-user.ts';

/**
 * Two users, of which one is active: what AWSCURRENT names keeps its password until the next rotation, so it logs in at every moment.
 *
 * An admin gives the dormant one the rights of the base and then the new password. The base is the authority, and nothing is
 * ever applied to the user that AWSCURRENT names. That a pending password logs in proves nothing about rights: every attempt
 * brings them in line anew.
 */
export function alternatingUsers<S extends Session>(database: Database<S>): Strategy<SecretValue> {
  return {
    name: 'alternating-users',

    async successor(rotation) {
      const { names } = await guarded(database.work(rotation));
      return {
        keys: {
          baseusername: names.base,
          alternateusername: names.twin,
          username: otherOf(names, rotation.current.value.username),
          password: database.newPassword().reveal(),
        },
      };
    },

    async rehearse(rotation) {
      const work = database.work(rotation);
      await requireCurrent(work);
      const { admin } = await guarded(work);
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
      const work = database.work(rotation);
      const { engine, logins, current, secretArn } = work;
      // AWSCURRENT names the pair, but for a twin of AWS's functions.
      const names = namesIn(current.value) ?? namesIn((await rotation.pending()).value);
      if (names === undefined)
        throw new PendingMismatchError('Neither AWSCURRENT nor AWSPENDING says which users alternate.');
      const admin = await work.admin.guarded([names.base, names.twin]);
      // Whoever edited the secret knew this password: it is not somebody else's user that is being rotated.
      const { realm } = await logins.prove(current.value);
      const pair = pairOf(names, realm, secretArn);
      const twins = supported(engine.twins(current.value.engineKey));
      const session = await admin.login();
      let pending: SecretValue;
      try {
        pending = await engine.exclusively(session, pair.base, () => change({ work, twins, session, pair }));
        const dormant = pending.username === pair.base.username ? 'base' : 'twin';
        await requireStillWanted(work, pending, {
          keepsOldValid: true,
          setBack: (value) =>
            engine.exclusively(session, pair.base, async () => {
              if ((await work.overtaken()) !== undefined) await twins.enable(session, pair, dormant, value.password);
            }),
        });
      } finally {
        await session.close();
      }
      await onceReplicated(admin, () => prove(work, pending, names).then(() => {}));
    },

    async test(pending, at, current) {
      const proof = database.proof(at);
      const names = namesIn(pending);
      if (names === undefined) {
        await proof.logins.prove(pending);
        return 'all';
      }
      try {
        return await prove(proof, pending, names);
      } catch (error) {
        // One user of a pair may be rotated as a single user. Then its login is proof enough: it keeps the rights that it has, and
        // the other user may have been dropped. It is asked only where the rights are in question, as it costs a call.
        const isOfTheOther = error instanceof TwinRightsError || error instanceof DormantUserError;
        if (!isOfTheOther || (await current()).username !== pending.username) throw error;
        return 'all';
      }
    },

    async testRest(rotation) {
      const work = database.work(rotation);
      const { engine, logins, current, secretArn } = work;
      const { value: pending } = await rotation.pending();
      const names = namesIn(pending);
      if (names === undefined) return;
      const admin = await work.admin.guarded([names.base, names.twin]);
      const { realm } = await logins.prove(current.value);
      const session = await admin.login();
      try {
        const given = {
          twins: supported(engine.twins(pending.engineKey)),
          session,
          pair: pairOf(names, realm, secretArn),
        };
        await requireEqual(given, pending);
      } finally {
        await session.close();
      }
    },

    async withdraw(rotation, pending) {
      const { engine, logins, admin, current } = database.work(rotation);
      const session = await logins.accepted(current.value);
      const names = namesIn(pending ?? current.value);
      const base = { ...session.account, username: names?.base ?? current.value.username };
      // Under the lock no attempt is on its way to the database, and none that comes later finds the label.
      const alone = (by: typeof session) =>
        engine.exclusively(by, base, async (stillAlone) => {
          await stillAlone();
          await rotation.release();
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
}

async function guarded<S extends Session>({
  engine,
  admin,
  current,
  previous,
}: Check<S>): Promise<{ names: Names; admin: Admin<S> }> {
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

/** Inside the lock. @returns the pending version that is true now */
async function change<S extends Session>(given: Change<S>): Promise<SecretValue> {
  const { work, twins, session, pair } = given;
  const { value: pending } = await work.pending();
  const dormant = pending.username === pair.base.username ? 'base' : 'twin';
  const state = await twins.state(session, pair);
  requireUsable(given, state);
  requireNoOtherOwner(given, state, pending);
  const bearsMark = state.twin?.owner === pair.owner;
  if (!bearsMark) await requireOurs(given, state, pending);
  if (dormant === 'base') await requireNothingMore(given);
  await work.readyToChange();
  if (dormant === 'twin') {
    if (state.twin === undefined) await create(given, pending);
    await bringInLine(given, { adopt: state.twin !== undefined && !bearsMark });
    // That can take its time, in which AWSCURRENT may have been moved back to the twin: its password would be lost.
    await work.requireLabels();
  }
  await enable(given, dormant, pending);
  return pending;
}

/** A server that remembers passwords says of one that an earlier attempt has set that it was used before. */
async function enable<S extends Session>(
  { work, twins, session, pair }: Change<S>,
  dormant: 'base' | 'twin',
  pending: SecretValue,
): Promise<void> {
  try {
    await twins.enable(session, pair, dormant, pending.password);
  } catch (error) {
    if (!(error instanceof PasswordPolicyError)) throw error;
    const result = await work.logins.try(pending);
    if (result.is === 'accepted') return result.session.close();
    throw result.is === 'refused' ? await takenBack(work, error) : result.why;
  }
}

async function create<S extends Session>({ twins, session, pair }: Change<S>, pending: SecretValue): Promise<void> {
  if ((await twins.create(session, pair, pending.password)) === 'conflict')
    throw new PendingMismatchError(
      `The user "${pair.twin.username}" appeared in mid-step. The next attempt settles it.`,
    );
}
