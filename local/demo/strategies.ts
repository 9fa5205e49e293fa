import type { StrategyName } from '../../shared/database/strategies/facts.ts';

export type { StrategyName };

/** What the demo has to know of a strategy. */
type Strategy = {
  /** For people. */
  summary: string;
  /** Needs the secret of an admin. */
  byAdmin: boolean;
  /** What not every engine can. */
  needs: 'byAdmin' | 'twins' | 'overlap' | undefined;
  /** Two users take turns. */
  alternates: boolean;
  /** The old password stays valid, nobody is ever locked out, and so no application fails. */
  keepsOld: boolean;
  /** In a rotation. */
  mostCalls: number;
  mostLogins: number;
  /** For people: why the lock-out is as it is. */
  lockOut: string;
};

const ONE_PASSWORD =
  'by design: one user has one password, so from the database’s commit to the end of finishSecret AWSCURRENT is refused ' +
  'and AWSPENDING alone logs in; on AWS that takes as long as the calls and invocations in between.';

export const STRATEGIES = {
  'single-user': {
    summary: 'one user changes its own password',
    byAdmin: false,
    needs: undefined,
    alternates: false,
    keepsOld: false,
    mostCalls: 11,
    mostLogins: 3,
    lockOut: ONE_PASSWORD,
  },
  'single-user-by-admin': {
    summary: 'an admin sets the password of one user',
    byAdmin: true,
    needs: 'byAdmin',
    alternates: false,
    keepsOld: false,
    mostCalls: 13,
    mostLogins: 4,
    lockOut: ONE_PASSWORD,
  },
  'alternating-users': {
    summary: 'two users take turns, no lock-out',
    byAdmin: true,
    needs: 'twins',
    alternates: true,
    keepsOld: true,
    mostCalls: 13,
    mostLogins: 4,
    lockOut:
      'by design: a rotation gives a new password to the user that AWSCURRENT does not name. The one that it did name keeps its ' +
      'password until the next rotation: by then an application has to have read the secret again.',
  },
  'dual-password': {
    summary: 'one user, the old password stays valid, no lock-out',
    byAdmin: false,
    needs: 'overlap',
    alternates: false,
    keepsOld: true,
    mostCalls: 11,
    mostLogins: 3,
    lockOut:
      'by design: the server keeps AWSCURRENT’s old password valid beside the new one until the next rotation: by then an application ' +
      'has to have read the secret again.',
  },
} as const satisfies Record<StrategyName, Strategy>;
