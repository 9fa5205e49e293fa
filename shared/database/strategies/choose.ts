/** Which strategy applies to a secret. */

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

/** Makes the strategies for one database, and the functions that choose among them. */
export function strategiesOf<S extends Session>(database: Database<S>) {
  const all: Record<StrategyName, Strategy<SecretValue>> = {
    'single-user': singleUser(database),
    'single-user-by-admin': singleUserByAdmin(database),
    'alternating-users': alternatingUsers(database),
    'dual-password': dualPassword(database),
  };
  const alternating = all['alternating-users'];
  const single = all['single-user'];

  /** A pending version that names another user than AWSCURRENT comes from alternating users. */
  function following(current: SecretValue, pending: SecretValue): Strategy<SecretValue> {
    return current.username === pending.username ? single : alternating;
  }

  return {
    /**
     * See `Kind.choose`.
     * @param named what the secret's tag says, or else the function's setting
     * @throws {UnknownStrategyError} if there is no such strategy, or if this engine does not have it;
     *   the message then says why
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

    /**
     * See `Kind.proving`. A pending version of alternating users names its pair. A user outside the
     * pair is rotated alone, even if the secret still names a pair.
     */
    proving(pending: SecretValue): Strategy<SecretValue> {
      const names = pending.baseusername === undefined ? undefined : namesIn(pending);
      const isOfPair = pending.username === names?.base || pending.username === names?.twin;
      return isOfPair ? alternating : single;
    },

    /** See `Kind.following`. */
    following,

    /**
     * See `Kind.withdrawing`. If the pending version names the same user as AWSCURRENT, the chosen
     * strategy for one user gives it up: that strategy knows who can change the password.
     */
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
