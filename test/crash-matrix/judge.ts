/** Whether a rotation kept the README's promises. */
import type { RotationResult } from '../../local/secrets-manager/rotation.ts';
import { STRATEGIES } from '../../shared/database/strategies/facts.ts';
import { type Point, REFUSALS } from './points.ts';
import type { ProbeReport } from './prober.ts';
import type { Subject } from './subject.ts';

export type Judgement = {
  outcome: 'converged' | 'refused' | 'not converged';
  /** Of a refusal: the name of the error. */
  cause?: string;
  /** Broken promises, lock-outs first. Empty: all is well. */
  violations: string[];
};

/** The causes that only a person can settle. */
const DOCUMENTED = new Set([
  'LoginRefusedError',
  'LoginBarredError',
  'PrivilegeError',
  'PasswordPolicyError',
  'ForeignUserError',
  'TwinRightsError',
  'DormantUserError',
  'AdminRefusedError',
  'AdminSecretError',
]);

export type Evidence = {
  subject: Subject;
  point: Point | undefined;
  /** All but the last ended without success. */
  rotations: readonly RotationResult[];
  probes: ProbeReport;
  /** What was seen on the way. */
  violations: readonly string[];
  /** Everything that the function wrote, answered or sent where no secret belongs. */
  written: string;
  rotationToken: string;
};

export async function judge(evidence: Evidence): Promise<Judgement> {
  const { subject, point, rotations, probes, rotationToken, written } = evidence;
  const rotation = rotations.at(-1) as RotationResult;
  const refusal = point && REFUSALS[point.fault];
  const violations = [
    ...lockOuts(probes),
    ...(probes.logins === 0 ? ['the prober got no answer, so nobody knows whether there was a lock-out'] : []),
    ...evidence.violations,
    ...leaks(subject, rotationToken, written),
    ...refusals(rotations, refusal),
    ...(await subject.meddling()),
    ...(subject.saysWhatPeopleWrote(subject.labels().current) ? [] : ['what a person wrote into the secret is lost']),
  ];
  if (rotation.succeeded) {
    const unfinished = await notConverged(subject, rotation.token);
    if (refusal !== undefined) unfinished.push(`the rotation went through where it had to be refused with ${refusal}`);
    return {
      outcome: unfinished.length > 0 ? 'not converged' : 'converged',
      violations: [...violations, ...unfinished],
    };
  }
  const cause = causeOf(rotation);
  if (!DOCUMENTED.has(cause)) {
    const ended = `the rotation did not converge: ${rotation.error}`;
    return { outcome: 'not converged', cause, violations: [...violations, ended] };
  }
  return { outcome: 'refused', cause, violations: [...violations, ...(await groundless(subject, cause))] };
}

function causeOf({ attempts }: RotationResult): string {
  return attempts.at(-1)?.steps.at(-1)?.error?.errorType ?? 'no attempt';
}

/** That nothing but a person can settle, though no person did anything: even where a new RotateSecret goes through. */
function refusals(rotations: readonly RotationResult[], expected: string | undefined): string[] {
  return rotations
    .filter((rotation) => !rotation.succeeded && DOCUMENTED.has(causeOf(rotation)) && causeOf(rotation) !== expected)
    .map((rotation) => `refused with ${causeOf(rotation)}, though no person did anything: ${rotation.error}`);
}

function lockOuts({ lockOuts, seconds, logins }: ProbeReport): string[] {
  if (lockOuts.length === 0) return [];
  return [
    `LOCK-OUT: ${lockOuts.length} of ${logins} probes in ${seconds.toFixed(1)} s found no labelled password that logs in`,
  ];
}

function leaks(subject: Subject, rotationToken: string, written: string): string[] {
  const { passwords } = subject;
  return [
    ...(passwords.some((password) => written.includes(password)) ? ['LEAK: a password'] : []),
    ...(written.includes(rotationToken) ? ['LEAK: the RotationToken'] : []),
  ];
}

async function notConverged(subject: Subject, token: string): Promise<string[]> {
  const { current } = subject.labels();
  const pendingOn = Object.entries(subject.stages).filter(([, stages]) => stages.includes('AWSPENDING'));
  return [
    ...((await subject.logIn(current)).verdict === 'accepted' ? [] : ['AWSCURRENT does not log in at the end']),
    ...(current.id === token ? [] : ['AWSCURRENT is not the version that was rotated to']),
    ...(current.password === subject.original.password ? ['AWSCURRENT has the old password'] : []),
    ...(current.username === subject.dormant
      ? []
      : [`AWSCURRENT names ${current.username} and not ${subject.dormant}`]),
    ...(pendingOn.some(([id]) => id !== current.id) ? ['AWSPENDING is left on another version'] : []),
    ...(STRATEGIES[subject.strategy].keepsOldValid ? await previousNotKept(subject) : []),
  ];
}

/** Whoever read the secret before the rotation logs in until the next one; and both users of a pair have the same rights, by the server's word. */
async function previousNotKept(subject: Subject): Promise<string[]> {
  const { current, previous } = subject.labels();
  const outOfLine = await subject.twinOutOfLine();
  if (previous === undefined || (await subject.logIn(previous)).verdict !== 'accepted')
    return [...outOfLine, 'AWSPREVIOUS does not log in at the end'];
  if (subject.strategy !== 'alternating-users') return [];
  return [...outOfLine, ...(await subject.twinActsOtherwise([current, previous]))];
}

/** A refusal must be true, and leave working what worked. */
async function groundless(subject: Subject, cause: string): Promise<string[]> {
  const logins = await Promise.all(subject.versions.map((version) => subject.logIn(version)));
  const accepted = logins.some(({ verdict }) => verdict === 'accepted');
  if (cause === 'LoginRefusedError')
    return accepted ? ['refused because every version is refused, but one of them logs in'] : [];
  if (!accepted) return [`refused with ${cause}, and no version logs in`];
  return (await subject.isAsPeopleLeftIt(subject.dormant))
    ? []
    : [`refused with ${cause}, but ${subject.dormant} was changed`];
}
