/** What is true of a strategy, in one table: for the code, the demo, the crash matrix, the conformance suite and the tests of the template. */

export type Facts = {
  /** It logs in as the admin of the secret's `masterarn`, too. */
  needsAdmin: boolean;
  /** The deployer has to allow it: ADMIN_MAY_SET_PASSWORDS. */
  needsPermission: boolean;
  /** How many users take turns. */
  users: 1 | 2;
  /** What AWSCURRENT says logs in at every moment, and as AWSPREVIOUS until the next rotation. */
  keepsOldValid: boolean;
  /** The member of the engine contract that it needs beside the common ones. */
  capability?: 'byAdmin' | 'twins' | 'overlap';
  /** Of a normal rotation: calls to Secrets Manager, and logins to the database. */
  calls: number;
  logins: number;
};

export const STRATEGIES = {
  'single-user': {
    needsAdmin: false,
    needsPermission: false,
    users: 1,
    keepsOldValid: false,
    calls: 11,
    logins: 3,
  },
  'single-user-by-admin': {
    needsAdmin: true,
    needsPermission: true,
    users: 1,
    keepsOldValid: false,
    capability: 'byAdmin',
    calls: 13,
    logins: 4,
  },
  'alternating-users': {
    needsAdmin: true,
    needsPermission: false,
    users: 2,
    keepsOldValid: true,
    capability: 'twins',
    calls: 13,
    logins: 4,
  },
  'dual-password': {
    needsAdmin: false,
    needsPermission: false,
    users: 1,
    keepsOldValid: true,
    capability: 'overlap',
    calls: 11,
    logins: 3,
  },
} as const satisfies Record<string, Facts>;

/** A strategy that a rotation can follow. */
export type StrategyName = keyof typeof STRATEGIES;

export const STRATEGY_NAMES = Object.keys(STRATEGIES) as StrategyName[];

/** What a tag or a setting may say. `auto`: alternating users if the secret names an admin secret (`masterarn`), as AWS's own functions decide; else single user. */
export type StrategySetting = 'auto' | StrategyName;

export const STRATEGY_SETTINGS: readonly StrategySetting[] = ['auto', ...STRATEGY_NAMES];

export function isStrategySetting(name: string): name is StrategySetting {
  return (STRATEGY_SETTINGS as readonly string[]).includes(name);
}
