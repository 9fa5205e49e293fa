import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import {
  type CloudWatchLogsFake,
  type CloudWatchLogsOptions,
  startCloudWatchLogs,
} from '../../local/cloudwatch-logs.ts';
import { type LambdaFunctionsFake, startLambdaFunctions } from '../../local/lambda-functions.ts';
import { ServiceError } from '../../local/secrets-manager/errors.ts';
import type { RotationOptions } from '../../local/secrets-manager/rotation.ts';
import { FUNCTION_ACCESS_KEY_ID, FUNCTION_ARN } from '../../local/secrets-manager/server.ts';
import { absent } from '../absent.ts';
import { id } from '../local/secrets-manager-client.ts';
import { newPassword, Rotating } from '../rotation/rotating.ts';
import { type SharedServer, servers } from '../servers.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/rotate-now.ts', import.meta.url));
/** Lambda's default for FUNCTION_ARN, and one that only the function's configuration names. */
const USUAL_GROUP = '/aws/lambda/secret-rotation';
const GROUP = '/databases/rotation';

const denied = (action: string) => () => new ServiceError('AccessDeniedException', `No policy allows ${action}`, 403);

type Environment = Record<string, string | undefined>;
/** What it is, what makes it so, and the sentence. */
type Refused = [string, (scene: Scene) => unknown, Environment, string];

type Ended = { code: number; stdout: string; stderr: string; said: string };

/** The command as a user starts it, in an AWS that is played: the secret `app`, its function, the function's log. */
class Scene implements AsyncDisposable {
  readonly rotating: Rotating;
  readonly logs: CloudWatchLogsFake;
  readonly functions: LambdaFunctionsFake;
  readonly #all: AsyncDisposableStack;

  static async on(
    server: SharedServer,
    {
      group = GROUP,
      logs,
      ...overHttp
    }: Partial<RotationOptions> & { group?: string; logs?: CloudWatchLogsOptions } = {},
  ): Promise<Scene> {
    await using all = new AsyncDisposableStack();
    const log = all.use(await startCloudWatchLogs(logs));
    const LoggingConfig = { LogFormat: 'Text', LogGroup: group } as const;
    const configuration = { FunctionName: 'secret-rotation', FunctionArn: FUNCTION_ARN, LoggingConfig };
    const functions = all.use(await startLambdaFunctions([configuration]));
    const rotating = all.use(await Rotating.on(server, { overHttp, listen: () => log.stream(group) }));
    return new Scene(rotating, log, functions, all.move());
  }

  private constructor(
    rotating: Rotating,
    logs: CloudWatchLogsFake,
    functions: LambdaFunctionsFake,
    all: AsyncDisposableStack,
  ) {
    this.rotating = rotating;
    this.logs = logs;
    this.functions = functions;
    this.#all = all;
  }

  /** Turns rotation on, as a person does with `RotateImmediately: false`. */
  attachFunction(): this {
    const { store } = this.rotating.manager;
    const { arn, token } = store.beginRotation({
      SecretId: 'app',
      ClientRequestToken: id('test'),
      RotationLambdaARN: FUNCTION_ARN,
      RotateImmediately: false,
    });
    store.removeTemporaryVersion(arn, token);
    return this;
  }

  start(args: readonly string[], environment: Environment = {}) {
    const command = spawn(process.execPath, [SCRIPT, ...args], {
      env: {
        PATH: process.env['PATH'],
        HOME: '/nonexistent', // where nobody has a profile
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'AKIAPERSON',
        AWS_SECRET_ACCESS_KEY: 'not verified',
        AWS_ENDPOINT_URL_SECRETS_MANAGER: this.rotating.manager.endpoint,
        AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: this.logs.endpoint,
        AWS_ENDPOINT_URL_LAMBDA: this.functions.endpoint,
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#all.defer(() => void command.kill()); // where a test has failed before it ended
    return new Running(command, (output) => this.rotating.expectNoPasswordIn(output));
  }

  run(args = 'app', environment: Environment = {}): Promise<Ended> {
    return this.start(args.split(' ').filter(Boolean), environment).ended;
  }

  /** What the command asked of Secrets Manager. */
  get calls(): string[] {
    return this.rotating.manager.calls.filter(({ by }) => by === 'other').map(({ operation }) => operation);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#all.disposeAsync();
  }
}

/** The command while it runs. */
class Running {
  readonly ended: Promise<Ended>;
  readonly #command: ChildProcessByStdio<null, Readable, Readable>;
  #stdout = '';
  #stderr = '';

  constructor(command: ChildProcessByStdio<null, Readable, Readable>, check: (output: string) => void) {
    this.#command = command;
    command.stdout.setEncoding('utf8').on('data', (output: string) => {
      this.#stdout += output;
    });
    command.stderr.setEncoding('utf8').on('data', (output: string) => {
      this.#stderr += output;
    });
    this.ended = once(command, 'close').then(([code]) => {
      check(this.#stdout + this.#stderr);
      return { code, stdout: this.#stdout, stderr: this.#stderr, said: this.#said };
    });
  }

  /** Long lines are folded: here is one blank wherever a line ended. */
  get #said(): string {
    return this.#stdout.replace(/\s+/g, ' ');
  }

  /** Waits until it has said this. */
  async says(what: string): Promise<void> {
    while (!this.#said.includes(what)) {
      if (this.#command.exitCode !== null) throw new Error(`It never said "${what}", but ${this.#said}${this.#stderr}`);
      await sleep(20);
    }
  }

  interrupt(): void {
    this.#command.kill('SIGINT');
  }
}

const server = servers['postgres 18'];
if ('remedy' in server) absent('npm run rotate-now, postgres 18', server.remedy);
else describe('npm run rotate-now', () => onServer(server));

function onServer(server: SharedServer): void {
  test('starts a rotation and follows labels and steps to its end', async () => {
    await using scene = (await Scene.on(server)).attachFunction();
    const { rotating, logs } = scene;
    const [before = ''] = Object.keys(rotating.labels);

    const { code, stdout, stderr, said } = await scene.run();

    const [version = ''] = Object.entries(rotating.labels).flatMap(([v, l]) => (l.includes('AWSCURRENT') ? [v] : []));
    await rotating.expectComplete(version);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [from, to] = [before, version].map((v) => v.slice(0, 10));
    for (const fact of [
      `secret ${rotating.arn} `,
      `function ${FUNCTION_ARN} `,
      'last rotated never ',
      `version ${version} `,
      `log ${GROUP} `,
      ` AWSCURRENT ${from} → ${to} `,
      `✔ Rotated app in `,
    ]) {
      expect(said).toContain(fact);
    }
    const steps = [...said.matchAll(/s (\w+): done, in \d+ ms/g)].map(([, step]) => step);
    expect(steps).toEqual(['createSecret', 'setSecret', 'testSecret', 'finishSecret']);
    expect(said.match(/Warning: .*?"ssl": false/g)).toHaveLength(1);
    expect(said.match(/AWSCURRENT \S+ → /g)).toHaveLength(1);
    expect(stdout).not.toContain('\u001b');
    expect(stdout).not.toContain('\r');
    // It read no value, asked for one version's lines alone, and read on from page to page.
    expect(new Set(scene.calls)).toEqual(new Set(['DescribeSecret', 'RotateSecret']));
    expect(scene.calls.filter((call) => call === 'RotateSecret')).toHaveLength(1);
    expect(logs.requests.map(({ filterPattern }) => filterPattern)).toEqual(
      logs.requests.map(() => `{ $.versionId = "${version}" }`),
    );
    expect(logs.requests.some(({ nextToken }) => nextToken !== undefined)).toBe(true);
  });

  test('says why an attempt failed, and follows the next; the lines of the log come late', async () => {
    const isRepaired = Promise.withResolvers<void>();
    await using scene = await Scene.on(server, {
      logs: { lateMs: 1500 },
      onStep: {
        before: (step, attempt) => (step === 'createSecret' && attempt === 2 ? isRepaired.promise : undefined),
      },
    });
    const { rotating } = scene.attachFunction();
    const isOut = new ServiceError('InternalServiceError', 'An error occurred on the server side.', 500);
    rotating.manager.hooks = { before: ({ operation }) => (operation === 'PutSecretValue' ? isOut : undefined) };

    const running = scene.start(['app']);
    await running.says('createSecret: failed');
    rotating.manager.hooks = {};
    isRepaired.resolve();
    const { code, said } = await running.ended;

    expect(code).toBe(0);
    expect(said).toMatch(
      /createSecret: failed, in \d+ ms: SecretsManagerError: .* createSecret: \w+, in .* ✔ Rotated app in /,
    );
    expect(said).toContain('Secrets Manager tries again by itself, from createSecret on.');
    expect(said).toMatch(/finishSecret: done, in \d+ ms .*✔/);
    expect(Object.values(rotating.labels)).toEqual([['AWSPREVIOUS'], ['AWSCURRENT']]);
  });

  test('ends with the cause, long before the time limit, where no attempt can succeed', async () => {
    await using scene = (await Scene.on(server, { attempts: 2 })).attachFunction();
    const { rotating } = scene;
    await rotating.setPassword(newPassword());

    const { code, said } = await scene.run();

    expect(code).toBe(1);
    expect(said).toMatch(
      /✘ app was not rotated: setSecret: LoginRefusedError: .*ended no retry helps before the cause/,
    );
    expect(said).not.toMatch(/tries again|seconds are over/);
    expect(said).toMatch(/AWSCURRENT was not moved: \S+, as before/);
    expect(said).toContain('docs/when-it-fails.md');
    expect(Object.values(rotating.labels)).toEqual([['AWSCURRENT'], ['AWSPENDING']]);
  });

  test('ends with the cause when the time is over', async () => {
    await using scene = (await Scene.on(server, { attempts: 1 })).attachFunction();
    const isOut = new ServiceError('InternalServiceError', 'An error occurred on the server side.', 500);
    scene.rotating.manager.hooks = { before: ({ operation }) => (operation === 'PutSecretValue' ? isOut : undefined) };

    const { code, said } = await scene.run('app --time-limit 4');

    expect(code).toBe(1);
    expect(said).toMatch(/✘ app was not rotated: createSecret: SecretsManagerError: .*ended 4 seconds are over/);
  });

  test('finds the Region as the AWS CLI does', async () => {
    await using scene = (await Scene.on(server)).attachFunction();
    expect(await scene.run('app', { AWS_REGION: undefined, AWS_DEFAULT_REGION: 'us-east-1' })).toMatchObject({
      code: 0,
    });
  });

  test('says where to look where no step has said why', async () => {
    const start = () => Promise.reject(new Error('Secrets Manager may not invoke the function'));
    await using scene = (await Scene.on(server, { start })).attachFunction();

    const { code, said } = await scene.run('app --time-limit 1');

    expect(code).toBe(1);
    expect(said).toMatch(/cause none was seen\. .*: see \/databases\/rotation /);
  });

  test.each<[string, (scene: Scene) => unknown, RegExp]>([
    [
      'AWSPENDING is taken off',
      ({ rotating: { manager, labels } }) => {
        const [version = ''] = Object.keys(labels).filter((v) => labels[v]?.includes('AWSPENDING'));
        const request = { SecretId: 'app', VersionStage: 'AWSPENDING', RemoveFromVersionId: version };
        manager.store.updateSecretVersionStage(request);
      },
      /setSecret: failed, in \d+ ms: TokenNotPendingError: .*✘ app was not rotated: setSecret: TokenNotPendingError: /,
    ],
    [
      'the rotation is cancelled',
      ({ rotating: { manager } }) => manager.store.cancelRotateSecret({ SecretId: 'app' }),
      /setSecret: failed, in \d+ ms: RotationDisabledError: .*✘ app was not rotated: setSecret: RotationDisabledError: /,
    ],
  ])('ends before the time limit once %s', async (_, act, said) => {
    const scenes: Scene[] = [];
    await using scene = await Scene.on(server, {
      onStep: { before: (step) => step === 'setSecret' && scenes.map(act) },
    });
    scenes.push(scene.attachFunction());

    expect(await scene.run()).toMatchObject({ code: 1, said: expect.stringMatching(said) });
  });

  test('follows the version of an earlier rotation that is not complete', async () => {
    await using scene = await Scene.on(server);
    const { rotating } = scene;
    const version = rotating.begin();
    await rotating.setPassword(newPassword());
    await rotating.step('createSecret', version);
    await rotating.step('setSecret', version);
    await rotating.setPassword(rotating.password());

    const { code, said } = await scene.run();

    expect(code).toBe(0);
    expect(said).toContain(`version ${version} `);
    expect(said).toMatch(
      /An earlier rotation goes on with its version\. Secrets Manager: A previous rotation isn't complete\. That rotation will be reattempted\./,
    );
    expect(said).not.toContain('LoginRefusedError'); // of the attempt before
    await rotating.expectComplete(version);
  });

  test('goes on with the labels alone where the log may not be read', async () => {
    await using scene = (await Scene.on(server)).attachFunction();
    scene.logs.hook = denied('logs:FilterLogEvents');

    const { code, said } = await scene.run();

    expect(code).toBe(0);
    expect(said.match(/logs:FilterLogEvents is not allowed: No policy allows logs:FilterLogEvents\./g)).toHaveLength(1);
    expect(said).toMatch(/AWSCURRENT \S+ → \S+ .*✔ Rotated app in /);
    expect(said).not.toContain('createSecret');
  });

  test('takes the log group for Lambda’s default where the function may not be asked', async () => {
    await using scene = (await Scene.on(server, { group: USUAL_GROUP })).attachFunction();
    scene.functions.hook = denied('lambda:GetFunctionConfiguration');

    const { code, said } = await scene.run();

    expect(code).toBe(0);
    expect(said).toContain('lambda:GetFunctionConfiguration is not allowed: ');
    expect(said).toContain(`log ${USUAL_GROUP} `);
    expect(said).toMatch(/finishSecret: done, in \d+ ms/);
  });

  test('follows on when Secrets Manager could not be asked for a moment', async () => {
    await using scene = (await Scene.on(server)).attachFunction();
    const { manager } = scene.rotating;
    let started = false;
    let failures = 0;
    // The function names the secret by its ARN.
    manager.hooks = {
      before({ operation, request }) {
        started ||= operation === 'RotateSecret';
        if (!started || operation !== 'DescribeSecret' || request['SecretId'] !== 'app' || failures === 6) return;
        failures += 1;
        return new ServiceError('InternalServiceError', 'An error occurred on the server side.', 500);
      },
    };

    const { code, said } = await scene.run('app', { AWS_ACCESS_KEY_ID: FUNCTION_ACCESS_KEY_ID });

    expect(failures).toBe(6); // the SDK asks three times
    expect(said.match(/DescribeSecret was refused with InternalServiceError/g)).toHaveLength(1);
    expect(code).toBe(0);
  });

  test('stops when it may not ask any more, and says that the rotation goes on', async () => {
    await using scene = (await Scene.on(server)).attachFunction();
    let started = false;
    scene.rotating.manager.hooks = {
      before({ operation, request }) {
        started ||= operation === 'RotateSecret';
        const refused = started && operation === 'DescribeSecret' && request['SecretId'] === 'app';
        return refused ? new ServiceError('ExpiredTokenException', 'The token has expired.') : undefined;
      },
    };

    const { code, stderr } = await scene.run('app', { AWS_ACCESS_KEY_ID: FUNCTION_ACCESS_KEY_ID });

    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        'secretsmanager:DescribeSecret was refused with ExpiredTokenException: The token has expired. ' +
        'The rotation goes on, and nobody follows it.\n',
    });
    expect(await scene.rotating.manager.rotationEnded('app')).toMatchObject({ succeeded: true });
  });

  test('on Ctrl-C stops following; the rotation goes on', async () => {
    const isGone = Promise.withResolvers<void>();
    await using scene = await Scene.on(server, {
      onStep: { before: (step) => (step === 'setSecret' ? isGone.promise : undefined) },
    });
    scene.attachFunction();

    const running = scene.start(['app']);
    await running.says('createSecret: done');
    running.interrupt();
    const { code, said } = await running.ended;
    isGone.resolve();

    expect(code).toBe(130);
    expect(said).toMatch(/Stopped following; the rotation of app goes on\. $/);
    expect(await scene.rotating.manager.rotationEnded('app')).toMatchObject({ succeeded: true });
  });

  describe('refuses in one sentence, with nothing started,', () => {
    const OFF = 'Nothing was started.\n';

    test.each<Refused>([
      [
        'a secret without a function',
        () => {},
        {},
        `app cannot be rotated: no rotation function is attached to it. ${OFF}`,
      ],
      [
        'a rotation that is turned off',
        (scene) => scene.attachFunction().rotating.manager.store.cancelRotateSecret({ SecretId: 'app' }),
        {},
        `app cannot be rotated: its rotation is turned off (\`aws secretsmanager rotate-secret\` turns it on, its schedule too). ${OFF}`,
      ],
      [
        'a secret that is to be deleted',
        (scene) => scene.attachFunction().rotating.manager.store.deleteSecret({ SecretId: 'app' }),
        {},
        `app cannot be rotated: it is marked for deletion. ${OFF}`,
      ],
      ...['DescribeSecret', 'RotateSecret'].map(
        (action): Refused => [
          `a person who may not call ${action}`,
          (scene) => {
            const deny = denied(`secretsmanager:${action}`);
            const before = ({ operation }: { operation: string }) => (operation === action ? deny() : undefined);
            scene.attachFunction().rotating.manager.hooks = { before };
          },
          { AWS_ACCESS_KEY_ID: FUNCTION_ACCESS_KEY_ID },
          `secretsmanager:${action} is not allowed: No policy allows secretsmanager:${action}. ${OFF}`,
        ],
      ),
      [
        'a person without credentials',
        (scene) => scene.attachFunction(),
        { AWS_ACCESS_KEY_ID: undefined },
        `There are no AWS credentials (Could not load credentials from any providers): log in, or set AWS_PROFILE. ${OFF}`,
      ],
      [
        'to guess a Region',
        (scene) => scene.attachFunction(),
        { AWS_REGION: undefined },
        `There is no Region: set AWS_REGION, or a profile that has one. ${OFF}`,
      ],
    ])('%s', async (_, prepare, environment, sentence) => {
      await using scene = await Scene.on(server);
      prepare(scene);
      const before = scene.rotating.labels;

      const { code, stderr } = await scene.run('app', environment);

      expect({ code, stderr }).toEqual({ code: 1, stderr: sentence });
      expect(scene.rotating.labels).toEqual(before);
    });

    test('a secret that is not there', async () => {
      await using scene = await Scene.on(server);

      expect(await scene.run('ap')).toMatchObject({
        code: 1,
        stdout: '',
        stderr: `There is no secret ap in us-east-1. ${OFF}`,
      });
    });

    test.each([
      ['', 'It takes one secret, by name or ARN; npm run rotate-now -- --help shows how.'],
      ['app other', 'It takes one secret, by name or ARN; npm run rotate-now -- --help shows how.'],
      ['app --folow', "Unknown option '--folow'; npm run rotate-now -- --help shows the options."],
      ['app --time-limit 0', '--time-limit takes a whole number from 1 on, not "0".'],
    ])('the arguments “%s”', async (args, sentence) => {
      await using scene = await Scene.on(server);

      expect(await scene.run(args)).toMatchObject({ code: 2, stdout: '', stderr: `${sentence}\n` });
      expect(scene.calls).toEqual([]);
    });
  });

  test('shows its options and the rights that it needs', async () => {
    await using scene = await Scene.on(server);

    const { code, stdout } = await scene.run('--help');

    expect(code).toBe(0);
    expect(stdout.match(/\w+:[A-Z]\w+/g)).toEqual([
      'secretsmanager:DescribeSecret',
      'secretsmanager:RotateSecret',
      'lambda:InvokeFunction',
      'lambda:GetFunctionConfiguration',
      'logs:FilterLogEvents',
    ]);
  });
}
