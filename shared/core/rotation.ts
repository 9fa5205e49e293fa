/** The four steps of a rotation, and every decision about staging labels. */

import type { Deadline } from './deadline.ts';
import {
  Findings,
  InvalidSecretError,
  PendingGivenUpError,
  PendingMismatchError,
  RotationDisabledError,
  RotationError,
  SecretsManagerError,
  StaleReadError,
  TokenNotPendingError,
} from './errors.ts';
import type { RotationEvent } from './event.ts';
import type { Kind, Readable, Rotation, Strategy } from './kind.ts';
import type { Proven } from './proven.ts';
import { withKeys } from './secret-text.ts';
import { together } from './together.ts';
import type { Description, SecretVersions, Version } from './versions.ts';

/** How a step ended. `already`: an earlier attempt has finished, and the version is AWSCURRENT. */
export type Outcome = 'done' | 'already' | 'checked AWSCURRENT only';

/** What the step has found out so far. It is logged when the step fails, too. */
export type Report = { strategy?: string; warnings: Set<string> };

/** One step of a rotation, with all that it needs. */
export type Step<V> = {
  kind: Kind<V>;
  versions: SecretVersions;
  deadline: Deadline;
  event: RotationEvent;
  /** What earlier steps in this process have proven. */
  proven: Proven;
  report: Report;
};

/**
 * This tag of the secret overrides the function's default strategy. Whoever may tag the secret may
 * choose its strategy.
 */
export const STRATEGY_TAG = 'rotation-strategy';

/** In milliseconds. Labels that were read longer ago are read again before the database is changed. */
const LABELS_BELIEVED = 1000;

/**
 * Runs one step. Any step may be the first that a process sees, may run twice, and may run at the
 * same time as another run of itself. After a failure Secrets Manager starts again at createSecret,
 * with the same token.
 */
export function runStep<V>(step: Step<V>): Promise<Outcome> {
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

/** Stores a pending value, or finds a good one. What can be known to fail later fails before that. */
async function createSecret<V>(step: Step<V>): Promise<Outcome> {
  const { versions, event, kind } = step;
  const [{ description, current: version }, stored] = await together(
    versions.describeWithCurrent(),
    storedOrWhyNot(versions.pending(event.token)),
  );
  if (version.id === event.token) return 'already';
  requirePending(description, event.token);
  const current = readCurrent(step, version);
  const strategy = choose(step, description, current.value);
  await kind.precheck(current.value);

  if (stored !== undefined) {
    await keepOrGiveUp(step, strategy, description, current, stored);
    return 'done';
  }
  const given = rotation(step, strategy, description, current);
  const { keys, unused } = await strategy.successor(given);
  const successor = withKeys({ text: version.text, called: 'AWSCURRENT' }, keys);
  // PutSecretValue takes AWSPENDING from whichever version has it.
  try {
    await given.requireLabels();
  } catch (error) {
    await unused?.();
    throw error;
  }
  if ((await versions.putPending(event.token, successor, event.rotationToken)) === 'exists') {
    await unused?.();
    // Another attempt was faster, or the read above was stale. The stored value counts.
    const faster = await storedOrWhyNot(requirePendingValue(versions, event.token));
    await keepOrGiveUp(step, strategy, description, current, faster);
  }
  return 'done';
}

/** Makes the pending value work, and proves it. */
async function setSecret<V>(step: Step<V>): Promise<Outcome> {
  const { versions, event } = step;
  const { description, current: version } = await versions.describeWithCurrent();
  if (version.id === event.token) return 'already';
  requirePending(description, event.token);
  const current = readCurrent(step, version);
  const strategy = choose(step, description, current.value);
  await strategy.set(rotation(step, strategy, description, current));
  step.proven.add(event, { current: version.id, strategy: strategy.name });
  return 'done';
}

/**
 * Proves the pending value again. It no longer asks whether rotation is on: setSecret has made its
 * change, so to go on is safer than to stop here.
 */
async function testSecret<V>(step: Step<V>): Promise<Outcome> {
  const { versions, event, kind } = step;
  const stored = await versions.pendingOnceVisible(event.token);
  if (stored === undefined) return testWithoutPending(step);
  const value = readPending(step, stored);
  const strategy = kind.proving(value);
  step.report.strategy = strategy.name;
  await strategy.test(value, value, async () => readCurrent(step, await versions.current()).value);
  return 'done';
}

/**
 * testSecret for a pending version without a visible value. Either testSecret was called alone
 * (RotateSecret with RotateImmediately false,
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html), or the
 * read is stale, or an earlier attempt has finished and the version is no longer pending.
 * @throws {StaleReadError} if setSecret has seen the value
 * @throws one error with everything that would keep the next rotation from succeeding
 */
async function testWithoutPending<V>(step: Step<V>): Promise<Outcome> {
  const { versions, event, kind, proven } = step;
  const { description, current: version } = await versions.describeWithCurrent();
  if (version.id === event.token) return 'already';
  requireToken(description, event.token);
  // setSecret in this process has seen the value: a rehearsal would prove something else in its place.
  if (proven.of(event) !== undefined)
    throw new StaleReadError('Secrets Manager does not show the pending value, which setSecret has seen.');
  const current = readCurrent(step, version);
  const strategy = choose(step, description, current.value);
  const findings = new Findings();
  await findings.check(() => kind.precheck(current.value));
  await findings.check(() => strategy.rehearse(rotation(step, strategy, description, current), findings));
  findings.throwAll();
  return 'checked AWSCURRENT only';
}

/** Moves AWSCURRENT. Nothing important may follow the move: Secrets Manager would never retry it. */
async function finishSecret<V>(step: Step<V>): Promise<Outcome> {
  const { versions, event, proven } = step;
  const proof = proven.of(event);
  if (proof === undefined || (await versions.pending(event.token)) === undefined) return finishUnproven(step);
  step.report.strategy = proof.strategy;
  try {
    await versions.promote(event.token, proof.current);
    return 'done';
  } catch (error) {
    // AWSCURRENT has moved since the proof, which says nothing about the new one.
    if (!(error instanceof PendingMismatchError)) throw error;
    return finishUnproven(step);
  }
}

/**
 * Proves the pending version, and then moves AWSCURRENT. For a process that has not seen setSecret
 * return, and for an AWSCURRENT that was edited since.
 */
async function finishUnproven<V>(step: Step<V>): Promise<Outcome> {
  const { versions, event } = step;
  const [version, visible] = await together(versions.current(), versions.pending(event.token));
  if (version.id === event.token) return 'already';
  const stored = visible ?? (await versions.pendingOnceVisible(event.token));
  if (stored === undefined) {
    const { description, current } = await versions.describeWithCurrent();
    if (current.id === event.token) return 'already';
    requireToken(description, event.token);
    throw noPendingValue();
  }
  const current = readCurrent(step, version);
  const strategy = step.kind.following(current.value, readPending(step, stored));
  step.report.strategy = strategy.name;
  const pending = readFitting(step, strategy, current, stored);
  const seen = await strategy.test(pending.value, current.value, async () => current.value);
  if (seen === 'in part') await strategy.testRest?.(rotation(step, strategy, undefined, current));
  await versions.promote(event.token, version.id);
  return 'done';
}

function rotation<V>(
  step: Step<V>,
  strategy: Strategy<V>,
  description: Description | undefined,
  current: Readable<V>,
): Rotation<V> {
  const { versions, deadline, event } = step;
  let labels = description;
  const requireLabels = async (how?: 'anew') => {
    const isOld = labels === undefined || performance.now() - labels.readAt > LABELS_BELIEVED;
    if (labels === undefined || isOld || how === 'anew') labels = await versions.describe();
    requirePending(labels, event.token);
    if (!labels.stages.get(current.version.id)?.includes('AWSCURRENT'))
      throw new PendingMismatchError('AWSCURRENT moved in mid-step: no password was changed.');
  };
  return {
    secretArn: current.version.arn,
    token: event.token,
    current,
    pending: async () => readFitting(step, strategy, current, await requirePendingValue(versions, event.token)),
    previous: () => readPrevious(step),
    versions,
    requireLabels,
    async readyToChange() {
      await requireLabels();
      deadline.requireReserve();
    },
    async isPendingAlone() {
      const { stages } = await versions.describe();
      const labels = stages.get(event.token) ?? [];
      const isCurrent = stages.get(current.version.id)?.includes('AWSCURRENT') ?? false;
      return labels.length === 1 && labels[0] === 'AWSPENDING' && isCurrent;
    },
    async overtaken() {
      const { stages } = await versions.describe();
      const has = (id: string, label: string) => stages.get(id)?.includes(label) ?? false;
      const isPending = has(event.token, 'AWSPENDING');
      if ((isPending && has(current.version.id, 'AWSCURRENT')) || has(event.token, 'AWSCURRENT')) return undefined;
      return { current: readCurrent(step, await versions.current()).value, isPending };
    },
    release: () => versions.releasePending(event.token),
  };
}

/**
 * Keeps a stored pending value if it fits, and gives it up if not: otherwise every attempt would
 * find it again, for ever.
 * @throws {PendingGivenUpError} after it was given up
 */
async function keepOrGiveUp<V>(
  step: Step<V>,
  strategy: Strategy<V>,
  description: Description,
  current: Readable<V>,
  stored: Version | RotationError,
): Promise<void> {
  const pending = stored instanceof RotationError ? stored : readOrWhyNot(step, stored, 'AWSPENDING');
  const unfit =
    pending instanceof RotationError ? `cannot be used (${pending.message})` : strategy.fits(current.value, pending);
  if (unfit === undefined) return;
  const readable = pending instanceof RotationError ? undefined : pending;
  const withdrawing = readable === undefined ? strategy : step.kind.withdrawing(strategy, current.value, readable);
  await withdrawing.withdraw(rotation(step, strategy, description, current), readable);
  throw new PendingGivenUpError(
    `The pending version ${unfit}, so it was given up and AWSPENDING taken off it; AWSCURRENT works. Start the rotation again.`,
  );
}

function choose<V>(step: Step<V>, description: Description, current: V): Strategy<V> {
  const chosen = step.kind.choose(current, description.tags.get(STRATEGY_TAG));
  step.report.strategy = chosen.name;
  return chosen;
}

function readCurrent<V>(step: Step<V>, version: Version): Readable<V> {
  return { version, value: read(step, version, 'AWSCURRENT') };
}

function readPending<V>(step: Step<V>, version: Version): V {
  return read(step, version, 'AWSPENDING');
}

function read<V>({ kind }: Step<V>, { text }: Version, called: string): V {
  return kind.parse({ text, called });
}

/** Undefined if there is none, or if its text cannot be understood. */
async function readPrevious<V>(step: Step<V>): Promise<V | undefined> {
  const version = await step.versions.labelled('AWSPREVIOUS');
  const value = version && readOrWhyNot(step, version, 'AWSPREVIOUS');
  return value instanceof RotationError ? undefined : value;
}

function readOrWhyNot<V>(step: Step<V>, version: Version, called: string): V | RotationError {
  try {
    return read(step, version, called);
  } catch (error) {
    if (error instanceof RotationError) return error;
    throw error;
  }
}

/** Returns the error if no attempt can read the stored value: it is no text, or it cannot be decrypted. */
async function storedOrWhyNot<T>(reading: Promise<T>): Promise<T | RotationError> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof InvalidSecretError) return error;
    if (error instanceof SecretsManagerError && error.code === 'DecryptionFailure') return error;
    throw error;
  }
}

function readFitting<V>(step: Step<V>, strategy: Strategy<V>, current: Readable<V>, stored: Version): Readable<V> {
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

/**
 * Only createSecret and setSecret ask whether rotation is on: after the change, the rotation goes
 * on.
 */
function requirePending(description: Description, token: string): void {
  if (description.rotationEnabled === false)
    throw new RotationDisabledError('Rotation is off for this secret (RotationEnabled is false): nothing was changed.');
  requireToken(description, token);
}

/**
 * DescribeSecret lists only versions that have a label,
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html
 */
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
