import { setTimeout as sleep } from 'node:timers/promises';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Credential, Database } from './database.ts';
import { credentialIn, SECRET } from './secret.ts';

/** Milliseconds between two logins. */
export const PAUSE = 10;

/** An application's attempt to log in. Milliseconds on the monotonic clock. */
export type Attempt = { startedAt: number; accepted: boolean };

/**
 * An application as there are many: it keeps what AWSCURRENT said, logs in with that again and again, and reads the
 * secret anew only when a login fails.
 */
export class Application implements AsyncDisposable {
  readonly attempts: Attempt[] = [];
  readonly #database: Database;
  readonly #client: SecretsManagerClient;
  readonly #stopped: Promise<void>;
  #running = true;

  constructor(database: Database, endpoint: string) {
    this.#database = database;
    this.#client = new SecretsManagerClient({
      endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'AKIAAPPLICATION', secretAccessKey: 'not verified by the emulator' },
    });
    this.#stopped = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running = false;
    await this.#stopped;
    this.#client.destroy();
  }

  async #run(): Promise<void> {
    let cached: Credential | undefined;
    while (this.#running) {
      cached ??= await this.#read();
      if (cached !== undefined && !(await this.#login(cached))) cached = undefined;
      await sleep(PAUSE);
    }
  }

  async #login(credential: Credential): Promise<boolean> {
    const startedAt = performance.now();
    const accepted = (await this.#database.login('application', credential)) === 'accepted';
    this.attempts.push({ startedAt, accepted });
    return accepted;
  }

  /** undefined if Secrets Manager does not answer: an application tries again later. */
  async #read(): Promise<Credential | undefined> {
    try {
      const { SecretString = '' } = await this.#client.send(new GetSecretValueCommand({ SecretId: SECRET }));
      return credentialIn(SecretString);
    } catch {
      return undefined;
    }
  }
}
