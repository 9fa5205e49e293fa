import { lookup } from 'node:dns/promises';
import { AdminSecret } from './admin.ts';
import { alternatingUsers } from './alternating-users.ts';
import type { Deadline } from './deadline.ts';
import type { Engine, Session } from './engine.ts';
import {
  DormantUserError,
  HostNotFoundError,
  PendingGivenUpError,
  PendingMismatchError,
  RotationDisabledError,
  RotationError,
  TokenNotPendingError,
  TwinRightsError,
} from './errors.ts';
import type { RotationEvent } from './event.ts';
import { Logins } from './login.ts';
import { newPassword } from './password.ts';
import type { Databases } from './rds.ts';
import { parseSecret, type SecretValue, writeSuccessor } from './secret-value.ts';
import type { Settings } from './settings.ts';
import { singleUser } from './single-user.ts';
import { type Chosen, chooseStrategy, STRATEGY_TAG, strategyBetween, strategyOf } from './strategies.ts';
import type { Proof, Readable, Rotation, Strategy } from './strategy.ts';
import type { Description, SecretVersions, Version } from './versions.ts';

/** What a step came to. `already`: the version is AWSCURRENT, an earlier attempt finished. */
export type Outcome = 'done' | 'already' | 'checked AWSCURRENT only';

/** Fills in as the step finds out, so that a failure too can be logged with it. */
export type Report = { strategy?: string; warnings: Set<string> };

/** One step of a rotation, and what it has to work with. */
export type Step<S extends Session> = {
  engine: Engine<S>;
  versions: SecretVersions;
  databases: Databases;
  deadline: Deadline;
  event: RotationEvent;
  settings: Pick<Settings, 'defaultStrategy' | 'passwords' | 'adminMaySetPasswords'>;
  report: Report;
};

const CLEAR_TEXT = 'The secret says "ssl": false: passwords and statements cross the network in clear text.';

/** Labels read longer ago than these milliseconds are read again before the database is changed. */
const LABELS_BELIEVED = 1000;

/**
 * One step of a rotation. Each may be the first that a process sees, may run twice, may run beside itself; after any
 * failure Secrets Manager starts again at createSecret with the same token.
 */
export function runStep<S extends Session>(step: Step<S>): Promise<Outcome> {
  switch (step.event.step) {
    case 'createSecret':
      return createSecret(step);
    case 'setSecret':
      return setSecret(step);
    case 'testSecret':
      return testSecret(step);
    case 'finishSecret':
      return finishSecret(step);
  }
}

/** Stores a pending value, or finds that a good one is there. Whatever can be known to fail later fails here, before. */
async function createSecret<S extends Session>(step: Step<S>): Promise<Outcome> {
  const { versions, event, settings, engine } = step;
  const { description, current: version } = await versions.describeWithCurrent();
  if (version.id === event.token) return 'already';
  requirePending(description, event.token);
  const current = readCurrent(step, version);
  const { strategy } = choose(step, description, current.value);
  await requireHost(current.value.endpoint.host, step.deadline);

  const stored = await versions.pending(event.token);
  if (stored !== undefined) {
    await keepOrGiveUp(step, strategy, description, current, stored);
    return 'done';
  }
  const check = rotation(step, strategy, description, current);
  const changed = await strategy.next(check, () => readPrevious(step));
  const successor = writeSuccessor(
    { text: version.text, called: 'AWSCURRENT' },
    changed,
    newPassword(settings.passwords, engine.password),
  );
  if ((await versions.putPending(event.token, successor, event.rotationToken)) === 'exists') {
    // Another attempt was faster, or the read above was stale: what counts is what is stored.
    const faster = await requirePendingValue(versions, event.token);
    await keepOrGiveUp(step, strategy, description, current, faster);
  }
  return 'done';
}

/** Makes the pending password true in the database, and proves it. */
async function setSecret<S extends Session>(step: Step<S>): Promise<Outcome> {
  const { versions, event } = step;
  const { description, current: version } = await versions.describeWithCurrent();
  if (version.id === event.token) return 'already';
  requirePending(description, event.token);
  const current = readCurrent(step, version);
  const { strategy } = choose(step, description, current.value);
  await strategy.set(rotation(step, strategy, description, current));
  return 'done';
}

/** Proves the pending password again. Whether rotation is still on does not matter any more: going on is the safer way. */
async function testSecret<S extends Session>(step: Step<S>): Promise<Outcome> {
  const { versions, event } = step;
  const stored = await versions.pendingOnceVisible(event.token);
  if (stored === undefined) return testWithoutPending(step);
  const value = readPending(step, stored);
  const { name, strategy } = strategyOf(value);
  step.report.strategy = name;
  try {
    await strategy.test(proof(step, value), value);
  } catch (error) {
    const isOfTheOther = error instanceof TwinRightsError || error instanceof DormantUserError;
    if (!isOfTheOther || (await alternates(step, value))) throw error;
  }
  return 'done';
}

/**
 * False if one user of a pair is rotated as a single user: its login is proof enough, as it keeps the rights that it has, and the other user may be no
 * more. Asked only where these are in question, for it costs a call.
 */
async function alternates<S extends Session>(step: Step<S>, pending: SecretValue): Promise<boolean> {
  const { value } = readCurrent(step, await step.versions.current());
  return strategyBetween(value, pending).strategy === alternatingUsers;
}

/**
 * The pending version has no value: testSecret was called alone (RotateSecret with RotateImmediately false,
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html), or the read is stale; or it is
 * pending no more, because an earlier attempt finished.
 */
async function testWithoutPending<S extends Session>(step: Step<S>): Promise<Outcome> {
  const { versions, event } = step;
  const { description, current: version } = await versions.describeWithCurrent();
  if (version.id === event.token) return 'already';
  requireToken(description, event.token);
  const current = readCurrent(step, version);
  const result = await proof(step, current.value).logins.try(current.value);
  if (result.is === 'refused')
    throw new PendingMismatchError(
      'The pending version has no value yet, and the server refuses the password in AWSCURRENT: nothing can be tested.',
      result.why,
    );
  if (result.is !== 'accepted') throw result.why;
  await result.session.close();
  const { strategy } = choose(step, description, current.value);
  await strategy.rehearse(rotation(step, strategy, description, current), () => readPrevious(step));
  return 'checked AWSCURRENT only';
}

/** Moves AWSCURRENT. Nothing important may come after the move: it would never be retried. */
async function finishSecret<S extends Session>(step: Step<S>): Promise<Outcome> {
  const { versions, event } = step;
  const version = await versions.current();
  if (version.id === event.token) return 'already';
  const stored = await versions.pendingOnceVisible(event.token);
  if (stored === undefined) {
    const { description, current } = await versions.describeWithCurrent();
    if (current.id === event.token) return 'already';
    requireToken(description, event.token);
    throw noPendingValue();
  }
  const current = readCurrent(step, version);
  const { name, strategy } = strategyBetween(current.value, readPending(step, stored));
  step.report.strategy = name;
  const pending = readFitting(step, strategy, current, stored);
  // AWSCURRENT is younger than the pending version: somebody edited it since setSecret, and may have set its password too.
  if (version.createdAt >= stored.createdAt) await strategy.test(proof(step, current.value), pending.value);
  await versions.promote(event.token, version.id);
  return 'done';
}

/** Every login goes to the endpoint of `value`. */
function proof<S extends Session>({ engine, deadline, event }: Step<S>, value: SecretValue): Proof<S> {
  return { engine, logins: new Logins(engine, deadline, value.endpoint), secretArn: event.secretId };
}

function rotation<S extends Session>(
  step: Step<S>,
  strategy: Strategy,
  description: Description,
  current: Readable,
): Rotation<S> {
  const { engine, versions, databases, deadline, event, settings } = step;
  const secretArn = description.arn;
  const { warnings } = step.report;
  let labels = description;
  const requireLabels = async () => {
    if (performance.now() - labels.readAt > LABELS_BELIEVED) labels = await versions.describe();
    requirePending(labels, event.token);
    if (!labels.stages.get(current.version.id)?.includes('AWSCURRENT'))
      throw new PendingMismatchError('AWSCURRENT moved in mid-step: no password was changed.');
  };
  return {
    ...proof(step, current.value),
    secretArn,
    versions,
    admin: new AdminSecret({ engine, versions, databases, deadline, secretArn, current: current.value, warnings }),
    // Read by who needs it alone: a setting that cannot be used stops nothing else.
    get adminMaySetPasswords() {
      return settings.adminMaySetPasswords;
    },
    token: event.token,
    current,
    pending: async () => readFitting(step, strategy, current, await requirePendingValue(versions, event.token)),
    requireLabels,
    async readyToChange() {
      await requireLabels();
      deadline.requireReserve();
    },
  };
}

/** A stored pending value is kept if it fits; if not, it would be tried again for ever, so it is given up. */
async function keepOrGiveUp<S extends Session>(
  step: Step<S>,
  strategy: Strategy,
  description: Description,
  current: Readable,
  stored: Version,
): Promise<void> {
  const pending = readOrWhyNot(step, stored, 'AWSPENDING');
  const unfit =
    pending instanceof RotationError ? `cannot be used (${pending.message})` : strategy.fits(current.value, pending);
  if (unfit === undefined) return;
  const release = () => step.versions.releasePending(step.event.token);
  const readable = pending instanceof RotationError ? undefined : pending;
  await withdrawing(strategy, current.value, readable).withdraw(
    rotation(step, strategy, description, current),
    readable,
    release,
  );
  throw new PendingGivenUpError(
    `The pending version ${unfit}, so it was given up and AWSPENDING taken off it; AWSCURRENT works. Start the rotation again.`,
  );
}

/** A strategy that was chosen since the pending version was made does not know how to give that up. */
function withdrawing(strategy: Strategy, current: SecretValue, pending: SecretValue | undefined): Strategy {
  const followed = pending && strategyBetween(current, pending).strategy;
  return followed === undefined || (followed === singleUser && strategy !== alternatingUsers) ? strategy : followed;
}

function choose<S extends Session>(step: Step<S>, description: Description, current: SecretValue): Chosen {
  const named = description.tags.get(STRATEGY_TAG) ?? step.settings.defaultStrategy;
  const chosen = chooseStrategy(current, named, step.engine);
  step.report.strategy = chosen.name;
  return chosen;
}

function readCurrent<S extends Session>(step: Step<S>, version: Version): Readable {
  return { version, value: read(step, version, 'AWSCURRENT') };
}

function readPending<S extends Session>(step: Step<S>, version: Version): SecretValue {
  return read(step, version, 'AWSPENDING');
}

function read<S extends Session>({ engine, report }: Step<S>, { text }: Version, called: string): SecretValue {
  const value = parseSecret({ text, called }, engine);
  if (value.endpoint.tls === 'off') report.warnings.add(CLEAR_TEXT);
  return value;
}

/** Undefined if there is none that can be read. */
async function readPrevious<S extends Session>(step: Step<S>): Promise<SecretValue | undefined> {
  const version = await step.versions.labelled('AWSPREVIOUS');
  const value = version && readOrWhyNot(step, version, 'AWSPREVIOUS');
  return value instanceof RotationError ? undefined : value;
}

function readOrWhyNot<S extends Session>(step: Step<S>, version: Version, called: string): SecretValue | RotationError {
  try {
    return read(step, version, called);
  } catch (error) {
    if (error instanceof RotationError) return error;
    throw error;
  }
}

function readFitting<S extends Session>(
  step: Step<S>,
  strategy: Strategy,
  current: Readable,
  stored: Version,
): Readable {
  const value = readPending(step, stored);
  const unfit = strategy.fits(current.value, value);
  if (unfit !== undefined)
    throw new PendingMismatchError(
      `The pending version ${unfit}: it is no longer the successor of AWSCURRENT. The next attempt settles it.`,
    );
  return { version: stored, value };
}

async function requirePendingValue(versions: SecretVersions, token: string): Promise<Version> {
  const stored = await versions.pendingOnceVisible(token);
  if (stored === undefined) throw noPendingValue();
  return stored;
}

function noPendingValue(): PendingMismatchError {
  return new PendingMismatchError('The pending version has no value that can be read.');
}

/** RotationEnabled false stops a rotation until the database is changed, not after. */
function requirePending(description: Description, token: string): void {
  if (description.rotationEnabled === false)
    throw new RotationDisabledError('Rotation is off for this secret (RotationEnabled is false): nothing was changed.');
  requireToken(description, token);
}

/** DescribeSecret lists only versions that bear a label, https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html */
function requireToken({ stages }: Description, token: string): void {
  const labels = stages.get(token) ?? [];
  if (labels.includes('AWSPENDING')) return;
  throw new TokenNotPendingError(
    labels.length > 0
      ? `The version of this ClientRequestToken is not AWSPENDING but ${labels.join(', ')}: nothing was changed.`
      : 'The ClientRequestToken is no pending version of this secret: it is unknown, or AWSPENDING was taken off it, by a person or ' +
          'by an earlier attempt, which then said why. Nothing was changed; start the rotation again.',
  );
}

/** One look-up, so that a misspelt host fails before anything is stored. */
async function requireHost(host: string, deadline: Deadline): Promise<void> {
  try {
    await deadline.spend('connecting', `the DNS look-up of ${host}`, () => lookup(host));
  } catch (error) {
    if (error instanceof RotationError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new HostNotFoundError(
      `The host ${host} does not resolve (${code}): correct the secret's "host", or the VPC's DNS.`,
      {
        host,
        code,
      },
    );
  }
}
