/** Whether a rotation kept the README's promises. */
import type { RotationResult } from '../../local/secrets-manager/rotation.ts';
import { login } from './login.ts';
import type { ProbeReport } from './prober.ts';
import type { Subject } from './subject.ts';

export type Judgement = {
  outcome: 'converged' | 'refused' | 'not converged';
  /** Of a refusal: the name of the error. */
  cause?: string;
  /** Broken promises, lock-outs first. Empty: all is well. */
  violations: string[];
};

/** The causes that only a person can settle, of those that the strategy can meet. */
const DOCUMENTED = new Set(['LoginRefusedError', 'LoginBarredError', 'PrivilegeError', 'PasswordPolicyError']);

export type Evidence = {
  subject: Subject;
  /** The last one; those before it ended without success. */
  rotation: RotationResult;
  probes: ProbeReport;
  /** What was seen on the way. */
  violations: readonly string[];
  /** Everything that the function wrote, answered or sent where no secret belongs. */
  written: string;
  rotationToken: string;
};

export async function judge(evidence: Evidence): Promise<Judgement> {
  const { subject, rotation, probes, rotationToken, written } = evidence;
  const violations = [
    ...lockOuts(probes),
    ...(probes.logins === 0 ? ['the prober got no answer, so nobody knows whether there was a lock-out'] : []),
    ...evidence.violations,
    ...leaks(subject, rotationToken, written),
    ...(subject.saysWhatPeopleWrote(subject.labels().current) ? [] : ['what a person wrote into the secret is lost']),
  ];
  if (rotation.succeeded) {
    const unfinished = await notConverged(subject, rotation.token);
    return {
      outcome: unfinished.length > 0 ? 'not converged' : 'converged',
      violations: [...violations, ...unfinished],
    };
  }
  const cause = rotation.attempts.at(-1)?.steps.at(-1)?.error?.errorType ?? 'no attempt';
  if (!DOCUMENTED.has(cause)) {
    const ended = `the rotation did not converge: ${rotation.error}`;
    return { outcome: 'not converged', cause, violations: [...violations, ended] };
  }
  return { outcome: 'refused', cause, violations: [...violations, ...(await groundless(subject, cause))] };
}

function lockOuts({ lockOuts, seconds, logins }: ProbeReport): string[] {
  if (lockOuts.length === 0) return [];
  return [
    `LOCK-OUT: ${lockOuts.length} of ${logins} probes in ${seconds.toFixed(1)} s found no labelled password that logs in`,
  ];
}

function leaks(subject: Subject, rotationToken: string, written: string): string[] {
  const passwords = subject.versions.map(({ password }) => password);
  return [
    ...(passwords.some((password) => written.includes(password)) ? ['LEAK: a password'] : []),
    ...(written.includes(rotationToken) ? ['LEAK: the RotationToken'] : []),
  ];
}

async function notConverged(subject: Subject, token: string): Promise<string[]> {
  const { current } = subject.labels();
  const [original] = subject.versions;
  const pendingOn = Object.entries(subject.stages).filter(([, stages]) => stages.includes('AWSPENDING'));
  return [
    ...((await login(subject.who(current))).verdict === 'accepted' ? [] : ['AWSCURRENT does not log in at the end']),
    ...(current.id === token ? [] : ['AWSCURRENT is not the version that was rotated to']),
    ...(current.password === original?.password ? ['AWSCURRENT has the old password'] : []),
    ...(pendingOn.some(([id]) => id !== current.id) ? ['AWSPENDING is left on another version'] : []),
  ];
}

/** A refusal must be true, and leave working what worked. */
async function groundless(subject: Subject, cause: string): Promise<string[]> {
  const logins = await Promise.all(subject.versions.map((version) => login(subject.who(version))));
  const accepted = logins.some(({ verdict }) => verdict === 'accepted');
  if (cause === 'LoginRefusedError')
    return accepted ? ['refused because every version is refused, but one of them logs in'] : [];
  return accepted ? [] : [`refused with ${cause}, and no version logs in`];
}
