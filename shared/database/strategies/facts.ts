/** The facts about each strategy, in one table. Code, demo and tests read it. */

export type Facts = {
  /** Whether it logs in as the admin, too. */
  needsAdmin: boolean;
  /** Whether the deployer has to allow it by ADMIN_MAY_SET_PASSWORDS. */
  needsPermission: boolean;
  /** How many users the secret has. Two take turns. */
  users: 1 | 2;
  /** Whether AWSCURRENT logs in at every moment, and as AWSPREVIOUS until the next rotation. */
  keepsOldValid: boolean;
  /** The capability that the engine must have. */
  capability?: 'byAdmin' | 'twins' | 'overlap';
  /** Calls to Secrets Manager in a normal rotation. */
  calls: number;
  /** Logins to the database in a normal rotation. */
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

/** The name of a strategy. */
export type StrategyName = keyof typeof STRATEGIES;

export const STRATEGY_NAMES = Object.keys(STRATEGIES) as StrategyName[];

/**
 * What a tag or a setting may say. `auto` is alternating-users if the secret has a `masterarn`, and
 * single-user if not, as in AWS's own functions.
 */
export type StrategySetting = 'auto' | StrategyName;

export const STRATEGY_SETTINGS: readonly StrategySetting[] = ['auto', ...STRATEGY_NAMES];

export function isStrategySetting(name: string): name is StrategySetting {
  return (STRATEGY_SETTINGS as readonly string[]).includes(name);
}
