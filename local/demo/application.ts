import { setTimeout as sleep } from 'node:timers/promises';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Database } from './database.ts';
import type { Credential } from './engine.ts';
import { credentialIn, SECRET } from './secret.ts';

/** Milliseconds between two logins. */
export const PAUSE = 10;

/**
 * Milliseconds that it keeps what it has read. AWS's caching clients keep it for an hour:
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/retrieving-secrets_cache-ref-secretcacheconfig.html
 */
export const TIME_TO_LIVE = 500;

/** An application's attempt to log in and do its work. Milliseconds on the monotonic clock. */
export type Attempt = { startedAt: number; username: string; succeeded: boolean };

/**
 * An application as there are many: it logs in with what AWSCURRENT said, and reads the secret anew when a login fails or its
 * time to live is over. So it does not notice a promotion at once, but long before the next rotation.
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
    let staleAt = 0;
    while (this.#running) {
      if (cached === undefined || performance.now() >= staleAt) {
        cached = await this.#read();
        staleAt = performance.now() + TIME_TO_LIVE;
      }
      if (cached !== undefined && !(await this.#work(cached))) cached = undefined;
      await sleep(PAUSE);
    }
  }

  async #work(credential: Credential): Promise<boolean> {
    const startedAt = performance.now();
    const succeeded = (await this.#database.work(credential)) === 'accepted';
    this.attempts.push({ startedAt, username: credential.username, succeeded });
    return succeeded;
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
