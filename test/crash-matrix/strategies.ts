/** The strategies that the matrix knows, which engine has them, and what each needs and promises. */
import type { EngineKey } from '../engines/servers.ts';

export const strategyNames = ['single-user', 'single-user-by-admin', 'alternating-users', 'dual-password'] as const;
export type StrategyName = (typeof strategyNames)[number];

type Strategy = {
  /** The function's, beside the address of Secrets Manager. */
  environment: Readonly<Record<string, string>>;
  /** The function's time-out: short, so that what waits for it does not wait long. Some engines need a multiple of it. */
  timeoutMs: number;
  /** An admin made the user, and `masterarn` names its secret. */
  hasAdmin: boolean;
  /** From the database's change to the promotion it may be AWSPENDING alone that logs in; else AWSCURRENT has to at every moment. */
  hasWindow: boolean;
  /** Who read the secret before the rotation logs in until the next one: AWSPREVIOUS works in the end. */
  keepsPrevious: boolean;
  /** Rotations that came before the one with the fault. */
  turns: readonly Turn[];
};

/** So many rotations before. With alternating users they decide whose turn it is. */
export type Turn = 0 | 1 | 2;

export const strategies: Record<StrategyName, Strategy> = {
  'single-user': {
    environment: {},
    timeoutMs: 5000,
    hasAdmin: false,
    hasWindow: true,
    keepsPrevious: false,
    turns: [0],
  },
  'single-user-by-admin': {
    environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
    timeoutMs: 5000,
    hasAdmin: true,
    hasWindow: true,
    keepsPrevious: false,
    turns: [0],
  },
  'alternating-users': {
    environment: {},
    timeoutMs: 10_000,
    hasAdmin: true,
    hasWindow: false,
    keepsPrevious: true,
    turns: [0, 1, 2],
  },
  'dual-password': {
    environment: { DEFAULT_STRATEGY: 'dual-password' },
    timeoutMs: 5000,
    hasAdmin: false,
    hasWindow: false,
    keepsPrevious: true,
    turns: [0],
  },
};

const ONE_PASSWORD = { unsupported: 'a user has one password there, so that the old one cannot stay valid' };

/** What an engine has not is refused by the function. */
const support: Record<EngineKey, Record<StrategyName, 'supported' | { unsupported: string }>> = {
  postgres: {
    'single-user': 'supported',
    'single-user-by-admin': 'supported',
    'alternating-users': 'supported',
    'dual-password': ONE_PASSWORD,
  },
  mysql: {
    'single-user': 'supported',
    'single-user-by-admin': 'supported',
    'alternating-users': 'supported',
    'dual-password': 'supported',
  },
  mongo: {
    'single-user': 'supported',
    'single-user-by-admin': 'supported',
    'alternating-users': 'supported',
    'dual-password': ONE_PASSWORD,
  },
  mariadb: {
    'single-user': 'supported',
    'single-user-by-admin': 'supported',
    'alternating-users': 'supported',
    'dual-password': ONE_PASSWORD,
  },
};

/** @returns why this engine has it not; undefined if it has */
export function unsupported(engine: EngineKey, strategy: StrategyName): string | undefined {
  const found = support[engine][strategy];
  return found === 'supported' ? undefined : found.unsupported;
}

/** Before a point's id, and what it means. */
export const TURNS: Record<Turn, { prefix: string; means: string }> = {
  0: { prefix: '', means: 'to a twin that is not there yet' },
  1: { prefix: 'to-base/', means: 'to the base' },
  2: { prefix: 'to-twin/', means: 'to a twin that is there and has to catch up' },
};
