import { UnknownStrategyError } from '../../core/errors.ts';
import type { Strategy } from '../../core/kind.ts';
import { STRATEGY_TAG } from '../../core/rotation.ts';
import type { Engine, Session } from '../engine.ts';
import { namesIn } from '../pair.ts';
import type { SecretValue } from '../secret-value.ts';
import type { Database } from '../work.ts';
import { alternatingUsers } from './alternating-users.ts';
import { dualPassword } from './dual-password.ts';
import { type Facts, isStrategySetting, STRATEGIES, STRATEGY_SETTINGS, type StrategyName } from './facts.ts';
import { singleUser } from './single-user.ts';
import { singleUserByAdmin } from './single-user-by-admin.ts';

/** The strategies for one database, and which of them applies. */
export function strategiesOf<S extends Session>(database: Database<S>) {
  const all: Record<StrategyName, Strategy<SecretValue>> = {
    'single-user': singleUser(database),
    'single-user-by-admin': singleUserByAdmin(database),
    'alternating-users': alternatingUsers(database),
    'dual-password': dualPassword(database),
  };
  const alternating = all['alternating-users'];
  const single = all['single-user'];

  /** With another user, or the same. */
  function following(current: SecretValue, pending: SecretValue): Strategy<SecretValue> {
    return current.username === pending.username ? single : alternating;
  }

  return {
    /**
     * @param named by the secret's tag or the function's setting
     * @throws {UnknownStrategyError} for a name that is none, and for one that this engine does not have, with the reason
     */
    choose(current: SecretValue, named: string): Strategy<SecretValue> {
      if (!isStrategySetting(named))
        throw new UnknownStrategyError(
          `The secret's tag "${STRATEGY_TAG}" names none of ${STRATEGY_SETTINGS.join(', ')}.`,
        );
      const auto = current.masterarn === undefined ? 'single-user' : 'alternating-users';
      const name = named === 'auto' ? auto : named;
      requireSupport(name, database.engine, current.engineKey);
      return all[name];
    },

    /** The names of its pair stay in a pending version. A user outside the pair is rotated alone, even if the secret still names a pair. */
    proving(pending: SecretValue): Strategy<SecretValue> {
      const names = pending.baseusername === undefined ? undefined : namesIn(pending);
      const isOfPair = pending.username === names?.base || pending.username === names?.twin;
      return isOfPair ? alternating : single;
    },

    following,

    /** A pending version of the same user is given up as the chosen strategy does it, for that knows who can change the password. */
    withdrawing(chosen: Strategy<SecretValue>, current: SecretValue, pending: SecretValue): Strategy<SecretValue> {
      const followed = following(current, pending);
      return followed === single && chosen !== alternating ? chosen : followed;
    },
  };
}

function requireSupport(name: StrategyName, engine: Engine, engineKey: string): void {
  const { capability }: Facts = STRATEGIES[name];
  const found = capability && engine[capability](engineKey);
  if (found === undefined || !('unsupported' in found)) return;
  throw new UnknownStrategyError(
    `The strategy ${name} cannot be had for ${engine.name}: ${found.unsupported}. To let the user change its own password, even where ` +
      `the secret has a "masterarn", tag the secret ${STRATEGY_TAG}=single-user.`,
  );
}
