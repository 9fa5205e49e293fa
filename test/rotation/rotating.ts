/** One secret, its user on a real server, and the built function, each in a place of its own. */
import { randomBytes, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { afterAll, expect } from '@jest/globals';
import { Lambda, WarmSandboxes } from '../../local/lambda.ts';
import type { Invocation, RotationOptions, RotationResult, Step } from '../../local/secrets-manager/rotation.ts';
import { stepEvent } from '../../local/secrets-manager/rotation.ts';
import {
  FUNCTION_ACCESS_KEY_ID,
  FUNCTION_ARN,
  type RotateOptions,
  type SecretsManagerEmulator,
  startSecretsManager,
} from '../../local/secrets-manager/server.ts';
import type { ServerDescription } from '../../local/servers/server.ts';
import type { Users } from '../../local/servers/users.ts';
import { type EngineName, rows, usersOf } from '../engines/servers.ts';

/** Sent with each event, and looked for in everything that a function's process writes. */
const ROTATION_TOKEN = 'rotation-token-that-must-never-be-logged';

/** Of this test file. */
const warm = new WarmSandboxes();
afterAll(() => warm[Symbol.asyncDispose]());

export type Json = Record<string, unknown>;

export type RotatingOptions = {
  /** A name of its own unless given. */
  user?: string;
  /** Over the secret's first value. */
  secret?: Json;
  tags?: Record<string, string>;
  environment?: Record<string, string>;
  timeoutMs?: number;
  /** The secret is made, its user in the database is not. */
  withoutUser?: boolean;
  /** As on RDS, the admin is no superuser; it makes the user, unless a superuser did. Its secret is `masterarn`. */
  admin?: {
    madeTheUser: boolean;
    /** Over the admin secret's own. */
    secret?: Json;
    /** The ARN of the instance or cluster: the admin secret has two keys, and it in a tag. */
    managedByRds?: { tag: string; arn: string };
  };
  /** Another than the built one. */
  bundle?: string;
  /** Each attempt, or step that is invoked alone, starts a process, as after a deployment; else it takes one that other functions have left. */
  cold?: boolean;
  /** RotateSecret over HTTP calls the function, too, and so; without it the pending version is registered and no more. */
  overHttp?: Partial<RotationOptions>;
  /** For each function that is started: who hears what it writes, as it comes. */
  listen?: () => (output: string) => void;
};

/** What a testSecret that was called alone has found. */
export type Finding = { errorType: string; message: string };

export class Rotating implements AsyncDisposable {
  readonly user: string;
  readonly admin: string;
  readonly manager: SecretsManagerEmulator;
  readonly #server: ServerDescription;
  readonly #users: Users;
  readonly #options: RotatingOptions;
  readonly #secrets = new Set<string>([ROTATION_TOKEN]);
  /** Every function that was started, the latest last. */
  readonly processes: Lambda[] = [];

  static async on(server: ServerDescription, options: RotatingOptions = {}): Promise<Rotating> {
    const rotation = options.overHttp && { start: () => rotating.start(), ...options.overHttp };
    const rotating = new Rotating(server, options, await startSecretsManager(rotation && { rotation }));
    const password = newPassword();
    if (options.admin) await rotating.#makeAdmin(options.admin);
    const maker = options.admin?.madeTheUser ? rotating.admin : undefined;
    if (!options.withoutUser) await rotating.#users.createUser({ username: rotating.user, password }, maker);
    const masterarn = options.admin && { masterarn: rotating.arnOf('admin') };
    const value = { ...rotating.#endpoint, username: rotating.user, password, ...masterarn, ...options.secret };
    rotating.manager.store.createSecret({
      Name: 'app',
      ClientRequestToken: randomUUID(),
      SecretString: rotating.remember(value),
      Tags: Object.entries(options.tags ?? {}).map(([Key, Value]) => ({ Key, Value })),
    });
    return rotating;
  }

  private constructor(server: ServerDescription, options: RotatingOptions, manager: SecretsManagerEmulator) {
    const some = randomBytes(6).toString('hex');
    this.user = options.user ?? `app_${some}`;
    this.admin = `admin_${some}`;
    this.#server = server;
    this.#users = usersOf(server);
    this.#options = options;
    this.manager = manager;
  }

  async #makeAdmin({ secret, managedByRds }: NonNullable<RotatingOptions['admin']>): Promise<void> {
    const login = { username: this.admin, password: newPassword() };
    await this.#users.createAdmin(login);
    this.manager.store.createSecret({
      Name: 'admin',
      ClientRequestToken: randomUUID(),
      SecretString: this.remember(managedByRds ? login : { ...this.#endpoint, ...login, ...secret }),
      Tags: managedByRds ? [{ Key: managedByRds.tag, Value: managedByRds.arn }] : [],
    });
  }

  /** As the server's superuser, and unheard by the server's log: some of it holds a password. */
  sql(statement: string, values?: unknown[]): Promise<Json[]> {
    return this.#users.run(statement, values);
  }

  /** What a secret has to say of the server. */
  get #endpoint(): Json {
    const { row, host, port } = this.#server;
    return { engine: rows[row].engineKey, host, port, ssl: false };
  }

  /** By a person, past the function. @param maker the superuser unless given */
  makeUser(username: string, password: string, maker?: string): Promise<void> {
    return this.#users.createUser({ username, password }, maker);
  }

  /** By a person, past the function. */
  setPassword(password: string, username = this.user): Promise<void> {
    return this.#users.setPassword({ username, password });
  }

  /** By a person, or a failover that has lost the user. */
  dropUser(username: string): Promise<void> {
    return this.#users.dropUser(username);
  }

  start = async (): Promise<Lambda> => {
    const lambda = await Lambda.start({
      bundle: this.#options.bundle ?? bundleOf(rows[this.#server.row].engine),
      environment: { SECRETS_MANAGER_ENDPOINT: this.manager.endpoint, ...this.#options.environment },
      credentials: { accessKeyId: FUNCTION_ACCESS_KEY_ID, secretAccessKey: 'x', sessionToken: 'x' },
      ...(!this.#options.cold && { warm }),
      ...(this.#options.timeoutMs && { timeoutMs: this.#options.timeoutMs }),
      ...(this.#options.listen && { onOutput: this.#options.listen() }),
    });
    this.processes.push(lambda);
    return lambda;
  };

  /** One attempt, unless told otherwise. */
  rotate(options: Partial<RotateOptions> = {}): Promise<RotationResult> {
    return this.manager.rotate('app', {
      start: this.start,
      attempts: 1,
      rotationToken: ROTATION_TOKEN,
      ...options,
    });
  }

  /**
   * testSecret alone, as `RotateImmediately: false` runs it. Neither the server's users nor the secret's
   * versions have changed afterwards.
   * @returns the findings, the first of which gave the step's error its class
   */
  async preflight(): Promise<Finding[]> {
    const [before, versions, callsBefore] = [await this.stored(), this.#versions, this.calls.length];

    const { attempts } = await this.rotate({ rotateImmediately: false });

    expect(await this.stored()).toEqual(before);
    expect(this.#versions).toEqual(versions);
    expect(this.calls.slice(callsBefore).filter((call) => !/^(Get|Describe|List)/.test(call))).toEqual([]);
    expect(attempts.flatMap(({ steps }) => steps.map(({ step }) => step))).toEqual(['testSecret']);
    const error = attempts[0]?.steps[0]?.error;
    if (error === undefined) return [];
    const { errorType = '', errorMessage = '' } = error;
    const numbered = errorMessage.replace(/^\d+ findings: /, '').split(/ ?\(\d+\) (?=[A-Z]\w+Error: )/);
    const findings =
      numbered.length === 1
        ? [{ errorType, message: errorMessage }]
        : numbered.slice(1).map((text) => {
            const [, name = '', message = ''] = /^(\w+): (.*)$/s.exec(text) ?? [];
            return { errorType: name, message };
          });
    expect(findings[0]?.errorType).toBe(errorType);
    return findings;
  }

  /** Every version of the secret with its labels and its value. */
  get #versions(): Json[] {
    const { Versions = [] } = this.manager.store.listSecretVersionIds({ SecretId: 'app', IncludeDeprecated: true });
    return Versions.map(({ VersionId = '', VersionStages: labels }) => ({
      labels,
      ...this.manager.store.getSecretValue({ SecretId: 'app', VersionId }),
    }));
  }

  /** Another secret, of the same user unless `changes` say otherwise. */
  makeOther(changes: Json): void {
    const SecretString = this.remember({ ...this.value(), ...changes });
    this.manager.store.createSecret({ Name: 'other', ClientRequestToken: randomUUID(), SecretString });
  }

  /** One attempt for that one. @returns the error of its last step, if there was one */
  async rotateOther() {
    const { attempts } = await this.manager.rotate('other', { start: this.start, attempts: 1 });
    return attempts[0]?.steps.at(-1)?.error;
  }

  /** Registers a pending version as RotateSecret does, for steps invoked by hand. */
  begin(token: string = randomUUID()): string {
    return this.manager.store.beginRotation({
      SecretId: 'app',
      ClientRequestToken: token,
      RotationLambdaARN: FUNCTION_ARN,
    }).token;
  }

  eventOf(step: Step | string, token: string): Json {
    return stepEvent(step as Step, this.arn, token, ROTATION_TOKEN);
  }

  /** A step that is invoked alone. */
  async step(step: Step | string, token: string): Promise<Invocation> {
    return this.invoke(this.eventOf(step, token));
  }

  /** What a person does who has cancelled the rotation. */
  takePendingOff(token: string): void {
    this.#moveLabel({ VersionStage: 'AWSPENDING', RemoveFromVersionId: token });
  }

  /** Past the function: to a version, from the one that bears it. */
  moveCurrent(to: string): void {
    const [from] = Object.entries(this.labels).find(([, labels]) => labels.includes('AWSCURRENT')) ?? [];
    this.#moveLabel({ VersionStage: 'AWSCURRENT', MoveToVersionId: to, RemoveFromVersionId: String(from) });
  }

  #moveLabel(move: { VersionStage: string; MoveToVersionId?: string; RemoveFromVersionId: string }): void {
    this.manager.store.updateSecretVersionStage({ SecretId: 'app', ...move });
  }

  async invoke(event: Json): Promise<Invocation> {
    const lambda = await this.start();
    try {
      return await lambda.invoke(event);
    } finally {
      await lambda.stop();
    }
  }

  get twin(): string {
    return `${this.user}_clone`;
  }

  get arn(): string {
    return this.arnOf('app');
  }

  arnOf(secret: string): string {
    return this.manager.store.describeSecret({ SecretId: secret }).ARN;
  }

  /** Staging labels by version id. */
  get labels(): Record<string, string[]> {
    return this.manager.store.describeSecret({ SecretId: 'app' }).VersionIdsToStages ?? {};
  }

  /** The value of the version with this label, or of this id. */
  value(which: string = 'AWSCURRENT'): Json {
    const byId = which in this.labels;
    const found = this.manager.store.getSecretValue({
      SecretId: 'app',
      ...(byId ? { VersionId: which } : { VersionStage: which }),
    });
    return JSON.parse('SecretString' in found ? found.SecretString : '{}');
  }

  password(which?: string): string {
    return String(this.value(which)['password']);
  }

  /** What a person does in the console: a new version that is AWSCURRENT. */
  edit(changes: Json): void {
    this.manager.store.putSecretValue({
      SecretId: 'app',
      ClientRequestToken: randomUUID(),
      SecretString: this.remember({ ...this.value(), ...changes }),
    });
  }

  /** A pending value that somebody else stored. */
  putPending(token: string, text: string): void {
    this.manager.store.putSecretValue({
      SecretId: 'app',
      ClientRequestToken: token,
      SecretString: text,
      VersionStages: ['AWSPENDING'],
    });
  }

  async logsIn(password: string, username = this.user): Promise<boolean> {
    return (await this.#users.logIn({ username, password })) === 'accepted';
  }

  /** Both in the secret and in the database, this rotation is complete. */
  async expectComplete(token: string): Promise<void> {
    expect(this.labels[token]).toEqual(['AWSCURRENT']);
    expect(await this.logsIn(this.password(), String(this.value()['username']))).toBe(true);
    expect(Object.values(this.labels).flat()).not.toContain('AWSPENDING');
  }

  /** A rotation that completes, to `username` where that is not the same for ever. */
  async expectRotated(username?: string, options?: Partial<RotateOptions>): Promise<void> {
    const { error, token } = await this.rotate(options);
    expect(error).toBeUndefined();
    await this.expectComplete(token);
    if (username !== undefined) expect(this.value()['username']).toBe(username);
  }

  /**
   * A rotation that fails so in every attempt, and nothing has changed: neither AWSCURRENT's value nor what the server keeps of this test's users.
   * @returns the token
   */
  async expectRefused(
    errorType: string,
    words: string | RegExp | readonly (string | RegExp)[],
    { step, ...options }: Partial<RotateOptions> & { step?: Step } = {},
  ): Promise<string> {
    const [before, current, callsBefore] = [await this.stored(), this.value(), this.calls.length];

    const { succeeded, attempts, token } = await this.rotate(options);

    expect(succeeded).toBe(false);
    expect(attempts).not.toEqual([]);
    for (const { steps } of attempts) {
      expect(steps.at(-1)).toMatchObject({ ...(step && { step }), error: { errorType } });
      for (const word of [words].flat()) expect(steps.at(-1)?.error?.errorMessage).toMatch(word);
    }
    expect(await this.stored()).toEqual(before);
    expect(this.value()).toEqual(current);
    if (step === 'createSecret') expect(this.calls.slice(callsBefore)).not.toContain('PutSecretValue');
    return token;
  }

  /** Everything that the server keeps of this test's users and that a rotation could have changed. */
  stored(): Promise<Json[]> {
    return this.#users.stored(this.user.slice(-12));
  }

  /** Calls that the function made to Secrets Manager. */
  get calls(): string[] {
    return this.manager.calls.filter(({ by }) => by === 'function').map(({ operation }) => operation);
  }

  get output(): string {
    return this.processes.map(({ output }) => output).join('');
  }

  /** What the function logged, line by line, as CloudWatch would have it. */
  get logged(): Json[] {
    return this.output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  }

  remember(value: Json): string {
    this.#secrets.add(String(value['password']));
    return JSON.stringify(value);
  }

  /** Looks for every password there was. */
  expectNoPasswordIn(text: string): void {
    for (const id of Object.keys(this.labels)) {
      try {
        this.#secrets.add(this.password(id));
      } catch {
        // A version without a value, or with a broken one.
      }
    }
    for (const secret of this.#secrets) for (const form of forms(secret)) expect(text).not.toContain(form);
  }

  /** Ends everything, and looks at everything that was written. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.processes.map((process) => process.stop()));
    await this.manager[Symbol.asyncDispose]();
    for (const name of [this.twin, this.user, this.admin]) await this.#users.dropUser(name).catch(() => {});
    this.expectNoPasswordIn(this.output);
  }
}

function bundleOf(engine: EngineName): string {
  return fileURLToPath(new URL(`../../dist/${engine}/index.mjs`, import.meta.url));
}

/** Starts with characters that change when a text is quoted. */
export function newPassword(): string {
  return `"\\&%<é ${randomBytes(12).toString('base64url')}`;
}

/** A text as JSON, URLs, SQL, shells, inspect and base64 would write it. */
export function forms(secret: string): string[] {
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret.toWellFormed()),
    secret.replaceAll("'", "''"),
    inspect(secret).slice(1, -1),
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  ];
}
