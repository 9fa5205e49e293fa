import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildFunction } from '../../scripts/build.ts';
import { STRATEGIES } from '../../shared/database/strategies/facts.ts';
import { Lambda } from '../lambda.ts';
import type { Step } from '../secrets-manager/rotation.ts';
import { FUNCTION_ACCESS_KEY_ID, type SecretsManagerEmulator, startSecretsManager } from '../secrets-manager/server.ts';
import { Application } from './application.ts';
import { Database } from './database.ts';
import type { Credential } from './engine.ts';
import type { ApplicationFacts, Facts, RotationFacts, Scene } from './facts.ts';
import type { Options } from './options.ts';
import { lockOutIn, Prober } from './prober.ts';
import { ADMIN_SECRET, labelsOf, SECRET, type Version, versionAt } from './secret.ts';

/** Hears of facts as they become known. */
export interface Audience {
  preparing(what: string): void;
  ready(scene: Scene): void;
  step(step: Step, rotation: number): void;
  rotated(facts: RotationFacts, rotation: number): void;
  ended(facts: Facts, broken: readonly string[]): void;
  /** Nothing more will come: an error or Ctrl-C. */
  stopped(): void;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** How long, in milliseconds, to wait for the application to get in with the new password. */
const PATIENCE = 5000;

/** Rotates, and returns what was found out. When `signal` fires, it stops what it started and throws. */
export async function gather(options: Options, audience: Audience, signal: AbortSignal): Promise<Facts> {
  const { engine, strategy } = options;
  audience.preparing('Building the function');
  await buildFunction(engine);
  const bundle = `dist/${engine}/index.mjs`;
  signal.throwIfAborted();

  audience.preparing('Starting the database server');
  const admin = credentialOf('orders_admin');
  const user = credentialOf('orders_app');
  await using database = await Database.start(options, { admin, user });
  signal.throwIfAborted();
  await using secretsManager = await startSecretsManager();
  const store = (Name: string, value: object) => {
    const SecretString = JSON.stringify({ ...database.endpoint, ...value });
    return secretsManager.store.createSecret({ Name, SecretString, ClientRequestToken: crypto.randomUUID() });
  };
  const { needsAdmin } = STRATEGIES[strategy];
  store(SECRET, needsAdmin ? { ...user, masterarn: store(ADMIN_SECRET, admin).ARN } : user);
  await using application = new Application(database, secretsManager.endpoint);
  await using prober = new Prober(database, secretsManager.store);

  const scene: Scene = {
    engine,
    strategy,
    server: database.introduction,
    ...(database.unreadable && { logUnreadable: database.unreadable }),
    ...(database.uncounted && { loginsUncounted: database.uncounted }),
    ...(!database.hasMarks && { hasNoMarks: true }),
    username: user.username,
    secret: SECRET,
    ...(needsAdmin && { admin: { username: admin.username, secret: ADMIN_SECRET } }),
    bundle,
  };
  const demo = new Demo(scene, { database, secretsManager, application, prober }, audience, signal);
  audience.ready(scene);
  for (let n = 1; n <= options.rotations; n++) {
    const { succeeded } = await demo.rotate(n);
    if (!succeeded) break; // Secrets Manager would only take the same rotation up again
  }
  return await demo.facts(); // before what they are asked of is gone
}

function credentialOf(username: string): Credential {
  return { username, password: randomBytes(24).toString('base64url') };
}

type Cast = { database: Database; secretsManager: SecretsManagerEmulator; application: Application; prober: Prober };

class Demo {
  readonly #scene: Scene;
  readonly #cast: Cast;
  readonly #audience: Audience;
  readonly #signal: AbortSignal;
  readonly #rotations: RotationFacts[] = [];
  readonly #passwords: Set<string>;
  #outputOfFunction = '';

  constructor(scene: Scene, cast: Cast, audience: Audience, signal: AbortSignal) {
    this.#scene = scene;
    this.#cast = cast;
    this.#audience = audience;
    this.#signal = signal;
    this.#passwords = new Set(cast.database.firstPasswords);
  }

  async rotate(n: number): Promise<RotationFacts> {
    const { database, prober } = this.#cast;
    const { store, calls } = this.#cast.secretsManager;
    const old = this.#version('AWSCURRENT');
    const before = labelsOf(store);
    const logBefore = await database.log();
    calls.length = 0;

    const { begun, ...result } = await this.#runSteps(n);
    const current = this.#version('AWSCURRENT');
    this.#passwords.add(current.password).add(versionAt(store, 'AWSPENDING')?.password ?? current.password);
    const inAgain = await this.#everybodyIsIn(current);
    const log = (await database.log())?.slice(logBefore?.length);
    const lockOut = lockOutIn(prober.probes, begun);

    const facts: RotationFacts = {
      ...result,
      labels: { before, after: labelsOf(store) },
      activeUser: { before: old.username, after: current.username },
      newPassword: await database.login('prober', current),
      oldPassword: await database.login('prober', old),
      secretsManagerCalls: calls.filter(({ by }) => by === 'function').length,
      ...(log !== undefined && !database.uncounted && { logins: database.loginsOfFunction(log) }),
      ...(lockOut && { lockOut }),
      application: { ...this.#workOfApplication(begun), inAgain },
    };
    this.#rotations.push(facts);
    this.#audience.rotated(facts, n);
    return facts;
  }

  async facts(): Promise<Facts> {
    const { database, prober } = this.#cast;
    const { probes } = prober;
    const facts = {
      ...this.#scene,
      rotations: this.#rotations,
      application: this.#workOfApplication(0),
      prober: {
        probes: probes.length,
        refused: probes.filter(({ worked }) => worked !== 'AWSCURRENT').length,
        neither: probes.filter(({ worked }) => worked === 'neither').length,
      },
    };
    const places = {
      'the output of the function': this.#outputOfFunction,
      'the log of the server': (await database.log()) ?? '',
      'the output of the demo': JSON.stringify(facts),
    };
    const showsPassword = (text: string) => [...this.#passwords].some((password) => text.includes(password));
    const passwordsIn = Object.entries(places).flatMap(([place, text]) => (showsPassword(text) ? [place] : []));
    return { ...facts, passwordsIn };
  }

  /** `begun`: when the first step was started, on the monotonic clock. */
  async #runSteps(n: number): Promise<Pick<RotationFacts, 'succeeded' | 'error' | 'steps'> & { begun: number }> {
    const starts: number[] = [];
    const { succeeded, attempts, error } = await this.#cast.secretsManager.rotate(SECRET, {
      attempts: 1, // the first one is to succeed
      start: () => this.#startFunction(),
      onStep: {
        before: (step) => {
          this.#signal.throwIfAborted();
          this.#audience.step(step, n);
          starts.push(performance.now());
        },
      },
    });
    this.#signal.throwIfAborted();
    const [begun = performance.now()] = starts;
    const steps = (attempts[0]?.steps ?? []).map(({ step, ms }, i) => {
      return { step, startedAt: Math.round((starts[i] ?? begun) - begun), ms: Math.round(ms) };
    });
    return { succeeded, ...(error === undefined ? {} : { error }), steps, begun };
  }

  async #startFunction(): Promise<Lambda> {
    this.#signal.throwIfAborted();
    const lambda = await Lambda.start({
      bundle: join(ROOT, this.#scene.bundle),
      environment: {
        SECRETS_MANAGER_ENDPOINT: this.#cast.secretsManager.endpoint,
        DEFAULT_STRATEGY: this.#scene.strategy,
        ADMIN_MAY_SET_PASSWORDS: String(this.#scene.strategy === 'single-user-by-admin'),
      },
      credentials: {
        accessKeyId: FUNCTION_ACCESS_KEY_ID,
        secretAccessKey: 'not verified by the emulator',
        sessionToken: 'not verified by the emulator',
      },
      onOutput: (text) => {
        this.#outputOfFunction += text;
      },
    });
    this.#signal.addEventListener('abort', () => lambda.kill(), { once: true });
    return lambda;
  }

  /**
   * Waits until application and prober have both logged in with AWSCURRENT as it is now; false if that takes too long. So the
   * application has read the secret before the next rotation ends what this one may have left valid.
   */
  async #everybodyIsIn(current: Credential): Promise<boolean> {
    const { application, prober } = this.#cast;
    const now = performance.now();
    for (const deadline = now + PATIENCE; performance.now() < deadline; await sleep(5)) {
      this.#signal.throwIfAborted();
      const isIn = application.attempts.some(
        ({ startedAt, username, succeeded }) => succeeded && username === current.username && startedAt >= now,
      );
      const isProven = prober.probes.some(({ startedAt, worked }) => worked === 'AWSCURRENT' && startedAt >= now);
      if (isIn && isProven) return true;
    }
    return false;
  }

  #workOfApplication(since: number): Omit<ApplicationFacts, 'inAgain'> {
    const attempts = this.#cast.application.attempts.filter(({ startedAt }) => startedAt >= since);
    const succeeded = attempts.filter((attempt) => attempt.succeeded);
    const as: Record<string, number> = {};
    for (const { username } of succeeded) as[username] = (as[username] ?? 0) + 1;
    return { logins: succeeded.length, failed: attempts.length - succeeded.length, as };
  }

  #version(label: string): Version {
    const version = versionAt(this.#cast.secretsManager.store, label);
    if (version === undefined) throw new Error(`No version is ${label}`);
    return version;
  }
}
