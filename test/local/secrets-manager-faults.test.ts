import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ServiceError } from '../../local/secrets-manager/errors.ts';
import { FAULT_KINDS, type FaultKind, Faults } from '../../local/secrets-manager/faults.ts';
import {
  FUNCTION_ACCESS_KEY_ID,
  type SecretsManagerEmulator,
  startSecretsManager,
} from '../../local/secrets-manager/server.ts';
import { clientOf, id, refusal } from './secrets-manager-client.ts';

const SecretId = 'app/db';

let emulator: SecretsManagerEmulator;
let client: SecretsManagerClient;
let own: SecretsManagerClient;
let now: number;

beforeEach(async () => {
  now = 1_700_000_000_000;
  emulator = await startSecretsManager({ now: () => now });
  client = clientOf(emulator.endpoint);
  own = clientOf(emulator.endpoint, FUNCTION_ACCESS_KEY_ID);
  const secret = { Name: SecretId, SecretString: 'old', ClientRequestToken: id('first') };
  await client.send(new CreateSecretCommand(secret));
});

afterEach(async () => {
  await emulator[Symbol.asyncDispose]();
});

const always = (kind: FaultKind, staleForMs = 500) =>
  emulator.faults.set({ seed: 1, probability: { [kind]: 1 }, staleForMs });
const put = (hand: SecretsManagerClient, value = 'new') =>
  hand.send(new PutSecretValueCommand({ SecretId, SecretString: value }));
const value = async (hand: SecretsManagerClient) =>
  (await hand.send(new GetSecretValueCommand({ SecretId }))).SecretString;

describe('faults', () => {
  test.each([
    ['throttling', 'ThrottlingException', 400, 'old'],
    ['errorBefore', 'InternalServiceError', 500, 'old'],
    ['errorAfter', 'InternalServiceError', 500, 'new'],
  ] as const)('%s answers %s (HTTP %d), and the value is %s', async (kind, name, status, left) => {
    always(kind);

    expect(await refusal(put(own))).toMatchObject({ name, status });

    emulator.faults.off();
    expect(await value(own)).toBe(left);
    expect(emulator.faults.delivered[kind]).toBe(1);
    expect(emulator.calls).toContainEqual(expect.objectContaining({ error: name, fault: kind, by: 'function' }));
  });

  test('lostAnswer closes the connection after the operation took effect', async () => {
    always('lostAnswer');

    expect(await refusal(put(own))).toMatchObject({ message: expect.stringMatching(/socket hang up|ECONNRESET/) });

    emulator.faults.off();
    expect(await value(own)).toBe('new');
    expect(emulator.calls).toContainEqual(expect.objectContaining({ error: 'NoAnswer', fault: 'lostAnswer' }));
  });

  test('staleRead answers the state before the last write, for a moment', async () => {
    always('staleRead', 500);
    await put(client);

    expect(await value(own)).toBe('old');
    now += 501;
    expect(await value(own)).toBe('new');
    expect(emulator.faults.delivered.staleRead).toBe(1);
  });

  test('staleRead does not find a pending version that was just put', async () => {
    always('staleRead');
    const request = { SecretId, SecretString: 'new', ClientRequestToken: id('second'), VersionStages: ['AWSPENDING'] };
    await put(client, 'a write before');
    await client.send(new PutSecretValueCommand(request));

    const read = own.send(new GetSecretValueCommand({ SecretId, VersionStage: 'AWSPENDING' }));

    expect((await refusal(read)).name).toBe('ResourceNotFoundException');
  });

  test('a stale read that says the same as a fresh one is none', async () => {
    for (const version of ['second', 'third', 'fourth']) await put(client, version);
    always('staleRead');

    await own.send(new GetSecretValueCommand({ SecretId, VersionId: id('first') }));

    expect(emulator.faults.delivered.staleRead).toBe(0);
  });

  test('strike only calls that the function signed', async () => {
    always('throttling');

    expect(await value(client)).toBe('old');
    expect((await refusal(value(own))).name).toBe('ThrottlingException');
  });

  test('come in the same order from the same seed, and as often as asked for', () => {
    const drawn = (seed: number) => {
      const faults = new Faults();
      const probability = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0.03]));
      faults.set({ seed, probability });
      return Array.from({ length: 10_000 }, () => faults.draw());
    };

    expect(drawn(7)).toEqual(drawn(7));
    expect(drawn(7)).not.toEqual(drawn(8));
    for (const kind of FAULT_KINDS) {
      const share = drawn(7).filter((fault) => fault === kind).length / 10_000;
      expect(share).toBeGreaterThan(0.02);
      expect(share).toBeLessThan(0.04);
    }
  });

  test('that add up to more than certainty are refused', () => {
    expect(() => emulator.faults.set({ seed: 1, probability: { throttling: 0.6, lostAnswer: 0.6 } })).toThrow(
      RangeError,
    );
  });
});

describe('hooks', () => {
  const denied = new ServiceError('AccessDeniedException', 'not authorized to perform UpdateSecretVersionStage');

  test('before: an error keeps the operation from taking effect', async () => {
    emulator.hooks = { before: ({ operation }) => (operation === 'PutSecretValue' ? denied : undefined) };

    expect(await refusal(put(own))).toMatchObject({ name: 'AccessDeniedException', status: 400 });
    expect(await value(own)).toBe('old');
  });

  test('before: a promotion can be denied by its label', async () => {
    const second = await put(client);
    emulator.hooks = { before: ({ request }) => (request['VersionStage'] === 'AWSCURRENT' ? denied : undefined) };
    const move = (VersionStage: string) =>
      own.send(
        new UpdateSecretVersionStageCommand({
          SecretId,
          VersionStage,
          MoveToVersionId: id('first'),
          ...(VersionStage === 'AWSCURRENT' ? { RemoveFromVersionId: second.VersionId ?? '' } : {}),
        }),
      );

    expect((await refusal(move('AWSCURRENT'))).name).toBe('AccessDeniedException');
    await move('mine');
  });

  test('after: the operation has taken effect, whatever is answered', async () => {
    emulator.hooks = { after: () => denied };
    expect((await refusal(put(own, 'one'))).name).toBe('AccessDeniedException');
    expect(await value(client)).toBe('one');

    emulator.hooks = { after: () => 'no answer' };
    expect((await refusal(put(own, 'two'))).message).toMatch(/socket hang up|ECONNRESET/);
    expect(await value(client)).toBe('two');
  });

  test('delay an answer', async () => {
    emulator.hooks = { before: () => new Promise((resolve) => setTimeout(() => resolve(undefined), 60)) };
    await value(own);

    expect(emulator.calls.at(-1)?.ms).toBeGreaterThan(50);
  });

  test('do not see the calls of others', async () => {
    emulator.hooks = { before: () => denied };

    expect(await value(client)).toBe('old');
  });

  test('that throw are shown to the caller', async () => {
    emulator.hooks = {
      before() {
        throw new Error('a mistake in the test');
      },
    };

    expect((await refusal(value(own))).message).toContain('a mistake in the test');
  });
});
