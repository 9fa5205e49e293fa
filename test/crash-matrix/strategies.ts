/** How the matrix goes through each strategy. What a strategy needs and promises is in the table of facts. */
import { STRATEGIES, type StrategyName, type StrategySetting } from '../../shared/database/strategies/facts.ts';

type Course = {
  /** What the function is told: `auto` where that comes to this strategy. */
  setting: StrategySetting;
  /** The function's time-out: short, so that what waits for it does not wait long. Some engines need a multiple of it. */
  timeoutMs: number;
  /** Rotations that came before the one with the fault. */
  turns: readonly Turn[];
};

/** So many rotations before. With alternating users they decide whose turn it is. */
export type Turn = 0 | 1 | 2;

export const courses: Readonly<Record<StrategyName, Course>> = {
  'single-user': { setting: 'auto', timeoutMs: 5000, turns: [0] },
  'single-user-by-admin': { setting: 'single-user-by-admin', timeoutMs: 5000, turns: [0] },
  'alternating-users': { setting: 'auto', timeoutMs: 10_000, turns: [0, 1, 2] },
  'dual-password': { setting: 'dual-password', timeoutMs: 5000, turns: [0] },
};

/** The function's, beside the address of Secrets Manager. */
export function environmentFor(strategy: StrategyName): Record<string, string> {
  return {
    DEFAULT_STRATEGY: courses[strategy].setting,
    ...(STRATEGIES[strategy].needsPermission && { ADMIN_MAY_SET_PASSWORDS: 'true' }),
  };
}

/** Before a point's id, and what it means. */
export const TURNS: Record<Turn, { prefix: string; means: string }> = {
  0: { prefix: '', means: 'to a twin that is not there yet' },
  1: { prefix: 'to-base/', means: 'to the base' },
  2: { prefix: 'to-twin/', means: 'to a twin that is there and has to catch up' },
};
