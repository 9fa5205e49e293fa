import {
  CancelRotateSecretCommand,
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type Invocation,
  type RotationOptions,
  type StartFunction,
  type Step,
  stepEvent,
} from '../../local/secrets-manager/rotation.ts';
import {
  FUNCTION_ACCESS_KEY_ID,
  FUNCTION_ARN,
  type SecretsManagerEmulator,
  type SecretsManagerOptions,
  startSecretsManager,
} from '../../local/secrets-manager/server.ts';
import { clientOf, id, refusal } from './secrets-manager-client.ts';

const SecretId = 'app/db';
const success: Invocation = { outcome: 'success', ms: 1 };
const failure: Invocation = { outcome: 'error', error: { errorType: 'Refused', errorMessage: 'no route' }, ms: 1 };

let emulator: SecretsManagerEmulator;
let client: ReturnType<typeof clientOf>;
let ARN: string;
let events: Record<string, unknown>[];
let started: number;
let stopped: number;
/** What a step of the function comes to, if not success. It may also do what the function must not. */
let outcomes: Partial<Record<Step, () => Promise<Invocation | undefined>>>;

/** The least that is a rotation function: it stores a value and moves the label, over HTTP and with its own key. */
const start: StartFunction = async () => {
  started += 1;
  const own = clientOf(emulator.endpoint, FUNCTION_ACCESS_KEY_ID);
  const steps: Partial<Record<string, (token: string) => Promise<unknown>>> = {
    createSecret: (token) =>
      own.send(
        new PutSecretValueCommand({
          SecretId: ARN,
          ClientRequestToken: token,
          SecretString: token,
          VersionStages: ['AWSPENDING'],
        }),
      ),
    finishSecret: (token) => promote(own, token),
  };
  return {
    async invoke(event) {
      events.push(event);
      const outcome = await outcomes[event['Step'] as Step]?.();
      if (outcome !== undefined) return outcome;
      await steps[String(event['Step'])]?.(String(event['ClientRequestToken']));
      return success;
    },
    async stop() {
      stopped += 1;
    },
  };
};

async function promote(hand: ReturnType<typeof clientOf>, token: string): Promise<void> {
  const { VersionId = '' } = await hand.send(new GetSecretValueCommand({ SecretId: ARN }));
  const move = { SecretId: ARN, VersionStage: 'AWSCURRENT', MoveToVersionId: token, RemoveFromVersionId: VersionId };
  await hand.send(new UpdateSecretVersionStageCommand(move));
}

async function startEmulator(rotation: Partial<RotationOptions> = {}, more: SecretsManagerOptions = {}): Promise<void> {
  emulator = await startSecretsManager({ rotation: { start, ...rotation }, ...more });
  client = clientOf(emulator.endpoint);
  const secret = { Name: SecretId, SecretString: 'old', ClientRequestToken: id('first') };
  ARN = (await client.send(new CreateSecretCommand(secret))).ARN ?? '';
}

beforeEach(() => {
  events = [];
  outcomes = {};
  started = 0;
  stopped = 0;
});

afterEach(async () => {
  await emulator[Symbol.asyncDispose]();
  expect(stopped).toBe(started);
});

const labels = async () => (await client.send(new DescribeSecretCommand({ SecretId }))).VersionIdsToStages;
const steps = () => events.map((event) => event['Step']);
const ALL = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'];
const takeAwspendingOff = (token: string) =>
  client.send(
    new UpdateSecretVersionStageCommand({ SecretId, VersionStage: 'AWSPENDING', RemoveFromVersionId: token }),
  );
const rotateOverHttp = (more: { RotateImmediately?: boolean } = {}, token = id('second')) =>
  client.send(
    new RotateSecretCommand({ SecretId, ClientRequestToken: token, RotationLambdaARN: FUNCTION_ARN, ...more }),
  );

describe('a rotation', () => {
  test('calls the four steps in one process, with the full ARN and the token', async () => {
    await startEmulator();

    const result = await emulator.rotate(SecretId, { token: id('second') });

    expect(result).toEqual({
      succeeded: true,
      token: id('second'),
      attempts: [{ steps: ALL.map((step) => ({ step, ...success })) }],
    });
    expect(events).toEqual(ALL.map((Step) => ({ Step, SecretId: ARN, ClientRequestToken: id('second') })));
    expect(started).toBe(1);
  });

  test('registers an empty pending version first; both labels stand on it for a moment, then AWSPENDING is gone', async () => {
    await startEmulator();
    const seen: unknown[] = [];
    const read = () =>
      client.send(new GetSecretValueCommand({ SecretId, VersionId: id('second'), VersionStage: 'AWSPENDING' }));

    await emulator.rotate(SecretId, {
      token: id('second'),
      onStep: {
        async before(step) {
          if (step === 'createSecret') seen.push(await labels(), (await refusal(read())).name);
        },
        async after(step) {
          if (step === 'finishSecret') seen.push(await labels());
        },
      },
    });

    expect(seen).toEqual([
      { [id('first')]: ['AWSCURRENT'], [id('second')]: ['AWSPENDING'] },
      'ResourceNotFoundException',
      { [id('first')]: ['AWSPREVIOUS'], [id('second')]: ['AWSCURRENT', 'AWSPENDING'] },
    ]);
    expect(await labels()).toEqual({ [id('first')]: ['AWSPREVIOUS'], [id('second')]: ['AWSCURRENT'] });
    expect((await client.send(new DescribeSecretCommand({ SecretId }))).LastRotatedDate).toBeInstanceOf(Date);
  });

  test('starts over HTTP and goes on after the answer', async () => {
    await startEmulator();

    expect(await rotateOverHttp()).toMatchObject({ ARN, VersionId: id('second') });

    expect(await emulator.rotationEnded(SecretId)).toMatchObject({ succeeded: true, token: id('second') });
    expect((await labels())?.[id('second')]).toEqual(['AWSCURRENT']);
  });

  test('is not started twice: while it runs, RotateSecret is refused or, with its token, repeated', async () => {
    await startEmulator();
    outcomes = {
      async setSecret() {
        await rotateOverHttp();
        expect((await refusal(rotateOverHttp({}, id('third')))).name).toBe('InvalidRequestException');
        return undefined;
      },
    };

    await rotateOverHttp();

    expect(await emulator.rotationEnded(SecretId)).toMatchObject({ succeeded: true, token: id('second') });
    expect(started).toBe(1);
  });

  test('sends the RotationToken if there is one', async () => {
    await startEmulator({ rotationToken: 'rt-1' });

    await emulator.rotate(SecretId);

    expect(events.map((event) => event['RotationToken'])).toEqual(['rt-1', 'rt-1', 'rt-1', 'rt-1']);
  });

  test("counts the function's calls apart from others", async () => {
    await startEmulator();
    emulator.calls.length = 0;

    await emulator.rotate(SecretId);
    await labels();

    expect(emulator.calls.filter(({ by }) => by === 'function').map(({ operation }) => operation)).toEqual([
      'PutSecretValue',
      'GetSecretValue',
      'UpdateSecretVersionStage',
    ]);
    expect(emulator.calls.filter(({ by }) => by === 'other')).toHaveLength(1);
  });
});

describe('a step that fails', () => {
  test('makes the whole rotation start again, with the same token, in a new process', async () => {
    await startEmulator();
    outcomes = { testSecret: async () => (started < 3 ? failure : undefined) };

    const result = await emulator.rotate(SecretId, { token: id('second') });

    expect(result.succeeded).toBe(true);
    expect(steps()).toEqual([...ALL.slice(0, 3), ...ALL.slice(0, 3), ...ALL]);
    expect(new Set(events.map((event) => event['ClientRequestToken']))).toEqual(new Set([id('second')]));
    expect(started).toBe(3);
    expect(result.attempts[0]?.steps.at(-1)).toEqual({ step: 'testSecret', ...failure });
  });

  test('ends the rotation after five attempts, and AWSPENDING stays', async () => {
    await startEmulator();
    outcomes = { setSecret: async () => failure };

    const result = await emulator.rotate(SecretId, { token: id('second') });

    expect(result).toMatchObject({ succeeded: false, error: 'setSecret: error, Refused: no route' });
    expect(result.attempts).toHaveLength(5);
    expect(await labels()).toEqual({ [id('first')]: ['AWSCURRENT'], [id('second')]: ['AWSPENDING'] });
  });

  test('is not repeated in a single attempt', async () => {
    await startEmulator();
    outcomes = { setSecret: async () => ({ outcome: 'crash', ms: 1 }) };

    const result = await emulator.rotate(SecretId, { attempts: 1 });

    expect(result).toMatchObject({ succeeded: false, error: 'setSecret: crash' });
    expect(steps()).toEqual(['createSecret', 'setSecret']);
  });

  test('is not repeated after CancelRotateSecret', async () => {
    await startEmulator();
    outcomes = {
      async setSecret() {
        await client.send(new CancelRotateSecretCommand({ SecretId }));
        return failure;
      },
    };

    const result = await emulator.rotate(SecretId, { token: id('second') });

    expect(result.attempts).toHaveLength(1);
    expect(result.error).toContain('Rotation was cancelled');
    expect((await labels())?.[id('second')]).toEqual(['AWSPENDING']);
  });

  test('is not repeated once AWSPENDING is gone from the version', async () => {
    await startEmulator();
    outcomes = {
      async setSecret() {
        await takeAwspendingOff(id('second'));
        return failure;
      },
    };

    const result = await emulator.rotate(SecretId, { token: id('second') });

    expect(result.attempts).toHaveLength(1);
    expect(result.error).toContain('AWSPENDING is gone');
  });

  test('in finishSecret after the move ends a rotation that succeeded', async () => {
    await startEmulator();
    outcomes = {
      async finishSecret() {
        await promote(client, id('second'));
        return failure;
      },
    };

    const result = await emulator.rotate(SecretId, { token: id('second') });

    expect(result.succeeded).toBe(true);
    expect(result.attempts).toHaveLength(1);
  });
});

test('four successes without a promotion are none', async () => {
  await startEmulator();
  outcomes = { finishSecret: async () => success };

  expect(await emulator.rotate(SecretId, { attempts: 2 })).toMatchObject({
    succeeded: false,
    attempts: [{}, {}],
    error: 'finishSecret succeeded, but the version is not AWSCURRENT',
  });
});

test('a cancelled attempt runs to its end', async () => {
  await startEmulator();

  await emulator.rotate(SecretId, {
    onStep: {
      async before(step) {
        if (step === 'testSecret') await client.send(new CancelRotateSecretCommand({ SecretId }));
      },
    },
  });

  expect(steps()).toEqual(ALL);
});

describe('RotateSecret after an incomplete rotation', () => {
  beforeEach(async () => {
    await startEmulator({ attempts: 1 });
    outcomes = { setSecret: async () => failure };
    await emulator.rotate(SecretId, { token: id('second') });
    outcomes = {};
    events = [];
  });

  test('is refused, and attempts the same version again', async () => {
    expect((await refusal(rotateOverHttp({}, id('third')))).message).toBe(
      "A previous rotation isn't complete. That rotation will be reattempted.",
    );

    expect(await emulator.rotationEnded(SecretId)).toMatchObject({ succeeded: true, token: id('second') });
    expect(steps()).toEqual(ALL);
    expect((await labels())?.[id('second')]).toEqual(['AWSCURRENT']);
  });

  test('attempts the same version again though AWSCURRENT was edited', async () => {
    const edit = { SecretId, SecretString: 'edited', ClientRequestToken: id('edit') };
    await client.send(new PutSecretValueCommand(edit));

    expect(await emulator.rotate(SecretId)).toMatchObject({ succeeded: true, token: id('second') });
  });

  test('attempts the same version again after it was cancelled', async () => {
    await client.send(new CancelRotateSecretCommand({ SecretId }));

    expect(await emulator.rotate(SecretId)).toMatchObject({ succeeded: true, token: id('second') });
  });

  test('starts a new version once AWSPENDING was taken off', async () => {
    await takeAwspendingOff(id('second'));

    expect(await emulator.rotate(SecretId, { token: id('third') })).toMatchObject({
      succeeded: true,
      token: id('third'),
    });
  });
});

describe('RotateImmediately false', () => {
  const read = () => client.send(new GetSecretValueCommand({ SecretId, VersionStage: 'AWSPENDING' }));
  let seen: unknown[];
  beforeEach(() => {
    seen = [];
    outcomes = {
      async testSecret() {
        seen.push(
          await labels(),
          await read().then(
            ({ SecretString }) => SecretString,
            ({ name }) => name,
          ),
        );
        return undefined;
      },
    };
  });

  test('runs testSecret alone, on an empty version that is removed afterwards', async () => {
    await startEmulator();

    await rotateOverHttp({ RotateImmediately: false });

    expect(await emulator.rotationEnded(SecretId)).toMatchObject({ succeeded: true });
    expect(steps()).toEqual(['testSecret']);
    expect(seen).toEqual([
      { [id('first')]: ['AWSCURRENT'], [id('second')]: ['AWSPENDING'] },
      'ResourceNotFoundException',
    ]);
    expect(await labels()).toEqual({ [id('first')]: ['AWSCURRENT'] });
    expect(emulator.store.listSecretVersionIds({ SecretId, IncludeDeprecated: true }).Versions).toHaveLength(1);
  });

  test('runs it on a version with the value of AWSCURRENT, if the emulator is told so', async () => {
    await startEmulator({}, { temporaryVersionHasValue: true });

    await emulator.rotate(SecretId, { rotateImmediately: false });

    expect(seen[1]).toBe('old');
  });

  test('tells that the test failed, and does not repeat it', async () => {
    await startEmulator();
    outcomes = { testSecret: async () => failure };

    const result = await emulator.rotate(SecretId, { rotateImmediately: false });

    expect(result).toMatchObject({ succeeded: false, error: 'testSecret: error, Refused: no route' });
    expect(result.attempts).toHaveLength(1);
    expect(await labels()).toEqual({ [id('first')]: ['AWSCURRENT'] });
  });
});

test('without a function RotateSecret registers the pending version, and the caller drives the steps', async () => {
  emulator = await startSecretsManager();
  client = clientOf(emulator.endpoint);
  ARN = (await client.send(new CreateSecretCommand({ Name: SecretId, SecretString: 'old' }))).ARN ?? '';
  await rotateOverHttp();

  const running = await start();
  await running.invoke(stepEvent('createSecret', ARN, id('second')));
  await running.invoke(stepEvent('finishSecret', ARN, id('second')));
  await running.stop();

  expect((await labels())?.[id('second')]).toEqual(['AWSCURRENT', 'AWSPENDING']);
});

test('closing the emulator ends a rotation that is being repeated', async () => {
  await startEmulator({ attempts: Number.POSITIVE_INFINITY });
  outcomes = { setSecret: async () => failure };
  await rotateOverHttp();
  const ended = emulator.rotationEnded(SecretId);

  await emulator[Symbol.asyncDispose]();

  expect(await ended).toMatchObject({ succeeded: false });
});
