/** The core rotates on an engine that it has never heard of, and that has no server. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { RunningFunction } from '../../../local/secrets-manager/rotation.ts';
import { startSecretsManager } from '../../../local/secrets-manager/server.ts';
import { Deadline } from '../../../shared/core/deadline.ts';
import { parseEvent } from '../../../shared/core/event.ts';
import { Proven } from '../../../shared/core/proven.ts';
import { runStep } from '../../../shared/core/rotation.ts';
import { SecretVersions } from '../../../shared/core/versions.ts';
import { databaseAccounts } from '../../../shared/database/kind.ts';
import { Rds } from '../../../shared/database/rds.ts';
import { Refusals } from '../../../shared/database/refusals.ts';
import { DatabaseSettings } from '../../../shared/database/settings.ts';
import {
  type Facts,
  STRATEGIES,
  STRATEGY_NAMES,
  type StrategyName,
} from '../../../shared/database/strategies/facts.ts';
import { clientOf } from '../../local/secrets-manager-client.ts';
import { Life } from '../core/life.ts';
import { ToyDatabase, toyEngine } from './toy-engine.ts';

async function startWorld(strategy: StrategyName) {
  const manager = await startSecretsManager();
  const life = new Life();
  const database = new ToyDatabase(life.around);
  database.users.set('app', { password: 'first' });
  database.users.set('admin', { password: 'of the admin', mayCreateUsers: true });
  const create = (Name: string, value: object) => {
    const SecretString = JSON.stringify({ engine: 'toy', host: 'localhost', ssl: false, ...value });
    const Tags = [{ Key: 'rotation-strategy', Value: strategy }];
    return manager.store.createSecret({ Name, ClientRequestToken: randomUUID(), SecretString, Tags }).ARN;
  };
  const { needsAdmin, needsPermission } = STRATEGIES[strategy];
  const masterarn = needsAdmin && create('admin', { username: 'admin', password: 'of the admin' });
  const ARN = create('app', { username: 'app', password: 'first', note: 'kept', ...(masterarn && { masterarn }) });
  const settings = new DatabaseSettings(needsPermission ? { ADMIN_MAY_SET_PASSWORDS: 'true' } : {});

  const value = (VersionStage: string) => {
    const version = manager.store.getSecretValue({ SecretId: ARN, VersionStage });
    return JSON.parse('SecretString' in version ? version.SecretString : '');
  };
  const logsIn = (label: string) => {
    const isThere = Object.values(manager.store.describeSecret({ SecretId: ARN }).VersionIdsToStages ?? {}).flat();
    if (!isThere.includes(label)) return false;
    const { username, password } = value(label);
    return database.users.get(username)?.password === password;
  };

  let calls = 0;
  let lockOuts = 0;
  let memory = { proven: new Proven(), refusals: new Refusals() };
  const client = clientOf(manager.endpoint);
  const send = client.send.bind(client) as (...given: unknown[]) => Promise<unknown>;
  const counting = async (...given: unknown[]) => {
    calls++;
    life.around(() => {});
    const answer = await send(...given);
    life.around(() => {});
    return answer;
  };
  client.send = counting as typeof client.send;

  const start = async (): Promise<RunningFunction> => ({
    async invoke(input) {
      if (life.reborn()) memory = { proven: new Proven(), refusals: new Refusals() };
      const { proven, refusals } = memory;
      const deadline = new Deadline(60_000);
      const event = parseEvent(input);
      const { secretId } = event;
      const versions = new SecretVersions(client, secretId, deadline);
      const warnings = new Set<string>();
      const kind = databaseAccounts({
        ...{ engine: toyEngine(database), versions, databases: new Rds(deadline), deadline },
        ...{ settings, refusals, secretId, warnings },
      });
      const step = { kind, versions, deadline, event, proven, report: { warnings } };
      const result = await runStep(step).then(
        () => ({ outcome: 'success' as const, ms: 0 }),
        ({ name: errorType, message: errorMessage }: Error) => ({
          outcome: 'error' as const,
          ms: 0,
          error: { errorType, errorMessage },
        }),
      );
      if (!logsIn('AWSCURRENT') && !logsIn('AWSPENDING')) lockOuts++;
      return result;
    },
    stop: async () => {},
  });
  return {
    database,
    life,
    value,
    rotate: () => manager.rotate(ARN, { start }),
    /** So far. */
    figures: () => ({ calls, logins: { ...database.logins }, lockOuts }),
    [Symbol.asyncDispose]: () => manager[Symbol.asyncDispose](),
  };
}

describe.each(STRATEGY_NAMES)('%s', (strategy) => {
  const { capability, calls, logins }: Facts = STRATEGIES[strategy];
  const found = capability && toyEngine(new ToyDatabase())[capability]('toy');

  if (found && 'unsupported' in found) {
    test(`is refused, as ${found.unsupported}`, async () => {
      await using world = await startWorld(strategy);

      const { succeeded, error } = await world.rotate();

      expect(succeeded).toBe(false);
      expect(error).toContain(found.unsupported);
      expect(world.value('AWSCURRENT')).toMatchObject({ username: 'app', password: 'first' });
    });
    return;
  }

  test('rotates with as many calls and logins as on any engine, none refused', async () => {
    await using world = await startWorld(strategy);

    expect(await world.rotate()).toMatchObject({ succeeded: true });

    expect(world.figures()).toEqual({ calls, logins: { accepted: logins, refused: 0 }, lockOuts: 0 });
    const { password, ...rest } = world.value('AWSCURRENT');
    expect(password).not.toBe('first');
    expect(rest).toMatchObject({ engine: 'toy', username: 'app', note: 'kept' });
    expect(world.database.users.get('app')).toEqual({ password });
  });

  test('killed before and after each call: AWSCURRENT or AWSPENDING logs in, and the next attempt goes on to the end', async () => {
    await using normal = await startWorld(strategy);
    await normal.rotate();
    expect(normal.life.calls).toBeGreaterThan(calls + logins);
    for (const when of ['before', 'after'] as const)
      for (let call = 1; call <= normal.life.calls; call++) {
        await using world = await startWorld(strategy);
        world.life.until(call, when);

        const { succeeded, attempts } = await world.rotate();

        expect(succeeded).toBe(true);
        // By the last call the label has been moved.
        if (call < normal.life.calls) expect(attempts).toHaveLength(2);
        expect(world.figures()).toMatchObject({ lockOuts: 0 });
        expect(world.database.users.get('app')).toEqual({ password: world.value('AWSCURRENT').password });
      }
  });
});
