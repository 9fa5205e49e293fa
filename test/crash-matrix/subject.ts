/** What is rotated: a fresh user of the database and a fresh secret of its own emulator. */
import { randomUUID } from 'node:crypto';
import { type SecretsManagerEmulator, startSecretsManager } from '../../local/secrets-manager/server.ts';
import { connect } from '../../local/servers/postgres.ts';
import type { Server } from '../../local/servers/server.ts';
import type { Administrator } from './administrator.ts';
import type { Who } from './login.ts';

/** A version with a value, and the password in it. */
export type Labelled = { id: string; password: string };
export type Labels = { current: Labelled; pending: Labelled | undefined };

/** What a secret says of how to reach the database. */
export type Route = { host: string; port: number; ssl: boolean; sslca?: string };

/** The function's, as it names itself to the server. */
const APPLICATION = 'secret-rotation';

let users = 0;

export class Subject implements AsyncDisposable {
  static readonly secretId = 'crash-matrix';
  readonly username: string;
  readonly emulator: SecretsManagerEmulator;
  readonly #server: Server;
  readonly #administrator: Administrator;
  /** The keys that the secret must have in the end, beside its password. */
  #keys: Record<string, unknown> = {};

  static async create(server: Server, administrator: Administrator): Promise<Subject> {
    return new Subject(server, administrator, await startSecretsManager());
  }

  private constructor(server: Server, administrator: Administrator, emulator: SecretsManagerEmulator) {
    this.username = `crash_${process.pid}_${++users}`;
    this.#server = server;
    this.#administrator = administrator;
    this.emulator = emulator;
  }

  /** The user, and the secret that a person made for it. */
  async establish(route: Route): Promise<void> {
    const password = newPassword();
    await this.#administrator.run(`CREATE ROLE ${this.username} LOGIN PASSWORD '${password}'`);
    const { username } = this;
    this.#keys = { engine: 'postgres', ...route, username, dbname: this.#server.database };
    this.emulator.store.createSecret({
      Name: Subject.secretId,
      ClientRequestToken: randomUUID(),
      SecretString: JSON.stringify({ ...this.#keys, password }),
    });
  }

  /** Straight to the server, past the proxy. */
  who({ password }: { password: string }): Who {
    const { host, port, database } = this.#server;
    return { host, port, database, username: this.username, password };
  }

  labels(): Labels {
    const current = this.#labelled('AWSCURRENT');
    if (current === undefined) throw new Error('The secret has lost AWSCURRENT');
    const pending = this.#labelled('AWSPENDING');
    return { current, pending: pending?.id === current.id ? undefined : pending };
  }

  #labelled(VersionStage: string): Labelled | undefined {
    const { stages } = this;
    const id = Object.keys(stages).find((version) => stages[version]?.includes(VersionStage));
    return id === undefined ? undefined : this.version(id);
  }

  /** Labels by version. */
  get stages(): Record<string, string[]> {
    return this.emulator.store.describeSecret({ SecretId: Subject.secretId }).VersionIdsToStages ?? {};
  }

  /** Undefined for a version without a value. */
  version(id: string): Labelled | undefined {
    const text = this.#text(id);
    return text === undefined ? undefined : { id, password: JSON.parse(text).password };
  }

  #text(VersionId: string): string | undefined {
    try {
      const value = this.emulator.store.getSecretValue({ SecretId: Subject.secretId, VersionId });
      return 'SecretString' in value ? value.SecretString : undefined;
    } catch {
      return undefined; // the emulator's way to say that there is none
    }
  }

  /** Every version that has a value, the oldest first. */
  get versions(): Labelled[] {
    const list = { SecretId: Subject.secretId, IncludeDeprecated: true };
    return this.emulator.store
      .listSecretVersionIds(list)
      .Versions.flatMap(({ VersionId }) => this.version(VersionId) ?? []);
  }

  /** Whether this version says what people put into the secret last, whatever its password. */
  saysWhatPeopleWrote({ id }: Labelled): boolean {
    const { password: _, ...keys } = JSON.parse(this.#text(id) ?? '{}');
    return JSON.stringify(keys) === JSON.stringify(this.#keys);
  }

  /** A person presses Cancel. */
  cancelRotation(): void {
    this.emulator.store.cancelRotateSecret({ SecretId: Subject.secretId });
  }

  /** A person adds a key to the secret, as the console does it. */
  addKey(): void {
    this.#keys = { ...this.#keys, note: 'added by a person in mid-rotation' };
    this.#edit(this.labels().current.password);
  }

  /** A person sets another password, in the database and in the secret. */
  async changePassword(): Promise<void> {
    const password = newPassword();
    await this.#administrator.run(`ALTER ROLE ${this.username} PASSWORD '${password}'`);
    this.#edit(password);
  }

  #edit(password: string): void {
    this.emulator.store.putSecretValue({
      SecretId: Subject.secretId,
      ClientRequestToken: randomUUID(),
      SecretString: JSON.stringify({ ...this.#keys, password }),
    });
  }

  /**
   * Another session holds the user's row, so that whoever alters the user waits.
   * @returns lets go of it
   */
  async lock(): Promise<() => Promise<void>> {
    const admin = await connect(this.#server);
    await admin.query(`BEGIN; ALTER ROLE ${this.username} CONNECTION LIMIT -1`);
    return () => admin.end(); // rolls back
  }

  /** What the function has open on the server; `busySince`: only what has been at the same statement or transaction that long. */
  async sessions({ busySince = 0 } = {}): Promise<string[]> {
    const busy = `AND state <> 'idle' AND state_change < now() - interval '${busySince} ms'`;
    const rows = await this.#administrator.run<{ state: string; ms: number }>(
      `SELECT state, round(extract(epoch FROM clock_timestamp() - state_change) * 1000)::int AS ms FROM pg_stat_activity
        WHERE usename = '${this.username}' AND application_name = '${APPLICATION}' ${busySince > 0 ? busy : ''}`,
    );
    return rows.map(({ state, ms }) => `${state} for ${ms} ms`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.emulator[Symbol.asyncDispose]();
    await this.#administrator.run(`DROP ROLE IF EXISTS ${this.username}`);
  }
}

/** Nothing else contains it by chance. */
function newPassword(): string {
  return `person-${randomUUID()}`;
}
