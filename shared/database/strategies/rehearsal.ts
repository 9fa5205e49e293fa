/**
 * What testSecret does when it is called alone, before the first rotation: it finds everything that
 * would keep a rotation from succeeding. It goes the way of a rotation, through the same checks in the
 * same order, and makes the change as a rehearsal (`Engine.rehearse`).
 *
 * The admin is kept from an edited secret here, too: it logs in only after the guards of the admin
 * secret have passed and AWSCURRENT has logged in. So a failure of these hides what only the admin can
 * see.
 */

import type { Findings } from '../../core/errors.ts';
import type { Rotation } from '../../core/kind.ts';
import type { Secret } from '../../core/secret.ts';
import type { Admin } from '../admin.ts';
import { type Session, supported } from '../engine.ts';
import { type Names, otherOf, pairOf } from '../pair.ts';
import { newPassword } from '../password.ts';
import type { SecretValue } from '../secret-value.ts';
import type { Check, Database, Work } from '../work.ts';
import type { Changer, Means } from './changer.ts';
import { prepareDormantUser } from './dormant-user.ts';
import { logInAsOwnUser } from './whose-user.ts';

/** For the strategies for one user. */
export async function rehearseOneUser<S extends Session>(
  database: Database<S>,
  rotation: Rotation<SecretValue>,
  findings: Findings,
  means: Means<S>,
): Promise<void> {
  const current = rotation.current.value;
  const guarded = await findings.check(async () => {
    await means.guard(database.work(rotation));
    return true;
  });
  const pending = { ...current, password: await passwordFor(database, findings) };
  if (findings.include('DNS')) return;
  const work = database.work(rotation, { findings, pending });
  if (!guarded) {
    const own = await findings.check(() => work.logins.logInUnlessRefused(current));
    return await own?.close();
  }
  const by = await findings.check(() => means.find(work));
  if (by === undefined || by === 'done before') return;
  if (by.replacing === undefined)
    database.warn(
      'The server refuses the password in AWSCURRENT. The next rotation sets a new one, through the admin.',
    );
  await findings.check(() => rehearseChange(work, by, pending));
}

async function rehearseChange<S extends Session>(work: Work<S>, by: Changer<S>, pending: SecretValue): Promise<void> {
  const { engine, mustHold, current } = work;
  try {
    await engine.rehearse(by.session, by.account, async () => {
      await mustHold(async () => work.readyToChange(by.account, await work.lookAhead(by.session, by.account)));
      await mustHold(() => by.change(current.value.password, pending.password));
    });
  } finally {
    await by.session.close();
  }
}

/**
 * For alternating users.
 * @param guard finds the names of the pair, and the admin who may change both users
 */
export async function rehearseTwoUsers<S extends Session>(
  database: Database<S>,
  rotation: Rotation<SecretValue>,
  findings: Findings,
  guard: (check: Check<S>) => Promise<{ names: Names; admin: Admin<S> }>,
): Promise<void> {
  const current = rotation.current.value;
  const guarded = await findings.check(() => guard(database.work(rotation)));
  const password = await passwordFor(database, findings);
  if (findings.include('DNS')) return;
  const username = guarded === undefined ? current.username : otherOf(guarded.names, current.username);
  const work = database.work(rotation, { findings, pending: { ...current, username, password } });
  const own = await findings.check(() => logInAsOwnUser(work, async () => undefined));
  await own?.close();
  if (guarded === undefined || own === undefined) return;
  const { names, admin } = guarded;
  const pair = pairOf(names, own.account.realm, rotation.secretArn);
  await findings.check(async () => {
    const { engine } = work;
    const twins = supported(engine.twins(current.engineKey));
    const session = await admin.login();
    try {
      const given = { work, twins, session, pair };
      await engine.rehearse(session, pair.base, async () => void (await prepareDormantUser(given, () => {})));
    } finally {
      await session.close();
    }
  });
}

/** Nobody is ever given this password. If the settings allow none, the rehearsal goes on with another. */
async function passwordFor<S extends Session>(database: Database<S>, findings: Findings): Promise<Secret> {
  const password = await findings.check(() => database.newPassword());
  return password ?? newPassword(WITHOUT_SETTINGS, database.engine.password);
}

const WITHOUT_SETTINGS = {
  length: 32,
  excludeCharacters: '',
  excludeLowercase: false,
  excludeUppercase: false,
  excludeNumbers: false,
  excludePunctuation: false,
  requireEachIncludedType: true,
};
