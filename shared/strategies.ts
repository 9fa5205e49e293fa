import { alternatingUsers } from './alternating-users.ts';
import { dualPassword } from './dual-password.ts';
import type { Capability, Engine } from './engine.ts';
import { UnknownStrategyError } from './errors.ts';
import { namesIn } from './pair.ts';
import type { SecretValue } from './secret-value.ts';
import { singleUser, singleUserByAdmin } from './single-user.ts';
import type { Strategy } from './strategy.ts';

/** `auto`: alternating users if the secret names an admin secret (`masterarn`), as AWS's own functions decide; else single user. */
export const STRATEGY_NAMES = [
  'auto',
  'single-user',
  'single-user-by-admin',
  'alternating-users',
  'dual-password',
] as const;
export type StrategyName = (typeof STRATEGY_NAMES)[number];

/** Over the function's default. Whoever may tag the secret may choose its strategy. */
export const STRATEGY_TAG = 'rotation-strategy';

export function isStrategyName(name: string): name is StrategyName {
  return (STRATEGY_NAMES as readonly string[]).includes(name);
}

export type Chosen = { name: Exclude<StrategyName, 'auto'>; strategy: Strategy };

const SINGLE_USER: Chosen = { name: 'single-user', strategy: singleUser };
const ALTERNATING_USERS: Chosen = { name: 'alternating-users', strategy: alternatingUsers };

/** @throws {UnknownStrategyError} for a name that is none (the tag's; settings are checked before), and for one that this engine does not have, with the reason */
export function chooseStrategy(current: SecretValue, named: string, engine: Engine): Chosen {
  if (!isStrategyName(named))
    throw new UnknownStrategyError(`The secret's tag "${STRATEGY_TAG}" names none of ${STRATEGY_NAMES.join(', ')}.`);
  const name = named !== 'auto' ? named : current.masterarn === undefined ? 'single-user' : 'alternating-users';
  switch (name) {
    case 'single-user':
      return SINGLE_USER;
    case 'single-user-by-admin':
      requireSupport(name, engine, engine.byAdmin(current.engineKey));
      return { name, strategy: singleUserByAdmin };
    case 'alternating-users':
      requireSupport(name, engine, engine.twins(current.engineKey));
      return ALTERNATING_USERS;
    case 'dual-password':
      requireSupport(name, engine, engine.overlap(current.engineKey));
      return { name, strategy: dualPassword };
  }
}

/** That of a pending version, from its value alone: the names of its pair stay in it. Who is neither of the two is no pair's, whatever names were left there. */
export function strategyOf(value: SecretValue): Chosen {
  const names = value.baseusername === undefined ? undefined : namesIn(value);
  return names === undefined || (value.username !== names.base && value.username !== names.twin)
    ? SINGLE_USER
    : ALTERNATING_USERS;
}

/** That by which this pending version follows AWSCURRENT: with another user, or the same. */
export function strategyBetween(current: SecretValue, pending: SecretValue): Chosen {
  return current.username === pending.username ? SINGLE_USER : ALTERNATING_USERS;
}

function requireSupport<T extends object>(name: StrategyName, engine: Engine, capability: Capability<T>): void {
  if (!('unsupported' in capability)) return;
  throw new UnknownStrategyError(
    `The strategy ${name} cannot be had for ${engine.name}: ${capability.unsupported}. To let the user change its own password, even where ` +
      `the secret has a "masterarn", tag the secret ${STRATEGY_TAG}=single-user.`,
  );
}
