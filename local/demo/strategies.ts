import type { StrategyName } from '../../shared/database/strategies/facts.ts';

/** What the demo says of a strategy, for people. */
type Words = {
  summary: string;
  /** Why the lock-out is as it is. */
  lockOut: string;
};

const ONE_PASSWORD =
  'by design: one user has one password, so from the database’s commit to the end of finishSecret AWSCURRENT is refused ' +
  'and AWSPENDING alone logs in; on AWS that takes as long as the calls and invocations in between.';

export const WORDS: Readonly<Record<StrategyName, Words>> = {
  'single-user': {
    summary: 'one user changes its own password',
    lockOut: ONE_PASSWORD,
  },
  'single-user-by-admin': {
    summary: 'an admin sets the password of one user',
    lockOut: ONE_PASSWORD,
  },
  'alternating-users': {
    summary: 'two users take turns, no lock-out',
    lockOut:
      'by design: a rotation gives a new password to the user that AWSCURRENT does not name. The one that it did name keeps its ' +
      'password until the next rotation: by then an application has to have read the secret again.',
  },
  'dual-password': {
    summary: 'one user, the old password stays valid, no lock-out',
    lockOut:
      'by design: the server keeps AWSCURRENT’s old password valid beside the new one until the next rotation: by then an application ' +
      'has to have read the secret again.',
  },
};
