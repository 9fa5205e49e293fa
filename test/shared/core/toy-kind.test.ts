/** The core rotates a kind of secret that it has never heard of: no engine, no login, no database. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { RunningFunction } from '../../../local/secrets-manager/rotation.ts';
import { FUNCTION_ARN, startSecretsManager } from '../../../local/secrets-manager/server.ts';
import { Deadline } from '../../../shared/core/deadline.ts';
import { parseEvent } from '../../../shared/core/event.ts';
import { Proven } from '../../../shared/core/proven.ts';
import { runStep } from '../../../shared/core/rotation.ts';
import { SecretVersions } from '../../../shared/core/versions.ts';
import { clientOf } from '../../local/secrets-manager-client.ts';
import { Life } from './life.ts';
import { Provider, toyKind } from './toy-kind.ts';

async function startWorld() {
  const manager = await startSecretsManager();
  const life = new Life();
  const provider = new Provider(life.around);
  provider.keys.set('by hand', { key: 'first', note: '' });
  const SecretString = JSON.stringify({ id: 'by hand', key: 'first', note: 'kept' });
  const { ARN } = manager.store.createSecret({ Name: 'api', ClientRequestToken: randomUUID(), SecretString });
  const value = (VersionStage: string) => {
    const version = manager.store.getSecretValue({ SecretId: ARN, VersionStage });
    return JSON.parse('SecretString' in version ? version.SecretString : '');
  };

  let lockOuts = 0;
  let proven = new Proven();
  const client = clientOf(manager.endpoint);
  const send = client.send.bind(client) as (...given: unknown[]) => Promise<unknown>;
  const counting = async (...given: unknown[]) => {
    life.around(() => {});
    const answer = await send(...given);
    life.around(() => {});
    const { id, key } = value('AWSCURRENT');
    if (provider.keys.get(id)?.key !== key) lockOuts++;
    return answer;
  };
  client.send = counting as typeof client.send;

  const start = async (): Promise<RunningFunction> => ({
    async invoke(input) {
      if (life.reborn()) proven = new Proven();
      const deadline = new Deadline(60_000);
      const event = parseEvent(input);
      const versions = new SecretVersions(client, event.secretId, deadline);
      const report = { warnings: new Set<string>() };
      const step = { kind: toyKind(provider), versions, deadline, event, proven, report };
      return await runStep(step).then(
        () => ({ outcome: 'success' as const, ms: 0 }),
        (error: Error) => ({ outcome: 'error' as const, ms: 0, error: { errorType: error.name, errorMessage: '' } }),
      );
    },
    stop: async () => {},
  });
  return {
    provider,
    life,
    value,
    rotate: () => manager.rotate(ARN, { start }),
    /** @returns the version that is pending now */
    giveUpAndBegin(): string {
      const { store } = manager;
      const pending = () => {
        const labels = store.describeSecret({ SecretId: ARN }).VersionIdsToStages ?? {};
        return Object.keys(labels).find((id) => labels[id]?.includes('AWSPENDING')) ?? '';
      };
      store.cancelRotateSecret({ SecretId: ARN });
      store.updateSecretVersionStage({ SecretId: ARN, VersionStage: 'AWSPENDING', RemoveFromVersionId: pending() });
      store.beginRotation({ SecretId: ARN, ClientRequestToken: randomUUID(), RotationLambdaARN: FUNCTION_ARN });
      return pending();
    },
    labels: (id: string) => manager.store.describeSecret({ SecretId: ARN }).VersionIdsToStages?.[id],
    lockOuts: () => lockOuts,
    [Symbol.asyncDispose]: () => manager[Symbol.asyncDispose](),
  };
}

test('a key is rotated, and both the new one and the one before are alive', async () => {
  await using world = await startWorld();
  expect(await world.rotate()).toMatchObject({ succeeded: true });
  expect(await world.rotate()).toMatchObject({ succeeded: true });
  expect(world.value('AWSCURRENT')).toMatchObject({ id: 'key-2', note: 'kept' });
  expect([...world.provider.keys.keys()]).toEqual(['key-1', 'key-2']);
});

test('killed before and after each call: AWSCURRENT works at every moment, and the next attempt goes on to the end', async () => {
  let points = 0;
  for (const when of ['before', 'after'] as const)
    for (let call = 1, isReached = true; isReached; call++) {
      await using world = await startWorld();
      await world.rotate();
      const { calls } = world.life;
      world.life.until(calls + call, when);
      const result = await world.rotate();
      isReached = result.attempts.length > 1;
      points += Number(isReached);
      expect(result).toMatchObject({ succeeded: true });
      expect(await world.rotate()).toMatchObject({ succeeded: true });
      expect(world.lockOuts()).toBe(0);
      expect(world.provider.keys.size).toBe(2);
    }
  expect(points).toBeGreaterThan(50);
});

test('a key that took a second is not stored, and is revoked, if another rotation has begun meanwhile', async () => {
  await using world = await startWorld();
  const { provider } = world;
  const issue = provider.issue.bind(provider);
  let newer = '';
  provider.issue = async (note) => {
    const key = await issue(note);
    newer = world.giveUpAndBegin();
    await sleep(1100); // labels are believed for a second
    return key;
  };

  expect(await world.rotate()).toMatchObject({ succeeded: false });

  expect(world.labels(newer)).toEqual(['AWSPENDING']);
  expect([...provider.keys.keys()]).toEqual(['by hand']);
});
