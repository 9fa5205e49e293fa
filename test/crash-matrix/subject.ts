/** What is rotated: fresh users of the database and fresh secrets of their own emulator. */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type SecretsManagerEmulator, startSecretsManager } from '../../local/secrets-manager/server.ts';
import { connect } from '../../local/servers/postgres.ts';
import type { Server } from '../../local/servers/server.ts';
import type { Administrator } from './administrator.ts';
import type { Who } from './login.ts';
import { meddledWith, outOfLine, type Roles, rolesCalled } from './rights.ts';
import { type StrategyName, strategies } from './strategies.ts';

/** A version with a value: its id, and the user and password in it. */
export type Labelled = { id: string; username: string; password: string };
export type Labels = { current: Labelled; pending: Labelled | undefined; previous: Labelled | undefined };

/** What a secret says of how to reach the database. */
export type Route = { host: string; port: number; ssl: boolean; sslca?: string };

/** The function's, as it names itself to the server. */
const APPLICATION = 'secret-rotation';

const ADMIN_SECRET = 'crash-matrix-admin';

let users = 0;

export class Subject implements AsyncDisposable {
  static readonly secretId = 'crash-matrix';
  readonly strategy: StrategyName;
  /** The only user, or the base. */
  readonly username: string;
  readonly twin: string;
  readonly emulator: SecretsManagerEmulator;
  readonly #admin: string;
  readonly #server: Server;
  readonly #administrator: Administrator;
  /** The keys that the secret must have in the end, beside its password and the names of a pair. */
  #keys: Record<string, unknown> = {};
  readonly #adminPasswords: string[] = [];
  #original: Labelled | undefined;
  /** The users as people left them. */
  #roles: Roles = new Map();
  #meddling: string[] = [];

  static async create(server: Server, administrator: Administrator, strategy: StrategyName): Promise<Subject> {
    return new Subject(server, administrator, strategy, await startSecretsManager());
  }

  private constructor(
    server: Server,
    administrator: Administrator,
    strategy: StrategyName,
    emulator: SecretsManagerEmulator,
  ) {
    // Names of one length: none is the beginning of another.
    this.username = `crash_${process.pid}_${String(++users).padStart(6, '0')}`;
    this.twin = `${this.username}_clone`;
    this.#admin = `${this.username}_admin`;
    this.strategy = strategy;
    this.#server = server;
    this.#administrator = administrator;
    this.emulator = emulator;
  }

  /** The user, and the secret that a person made for it; with an admin and its secret where the strategy needs them. */
  async establish(route: Route): Promise<void> {
    const { hasAdmin } = strategies[this.strategy];
    const { username } = this;
    const value = { engine: 'postgres', ...route, username, dbname: this.#server.database };
    const masterarn = hasAdmin ? await this.#makeAdmin({ ...value, username: this.#admin }) : undefined;
    const password = newPassword();
    await this.#administrator.run(
      `${hasAdmin ? `SET ROLE ${this.#admin};` : ''} CREATE ROLE ${username} LOGIN PASSWORD '${password}'; RESET ROLE`,
    );
    if (this.strategy === 'alternating-users') await this.#giveRights();
    this.#keys = { ...value, ...(masterarn && { masterarn }) };
    this.#createSecret(Subject.secretId, { ...this.#keys, password });
  }

  /** As on RDS: no superuser. @returns the secret's ARN */
  async #makeAdmin(value: Record<string, unknown>): Promise<string> {
    const password = newPassword();
    this.#adminPasswords.push(password);
    await this.#administrator.run(`CREATE ROLE ${this.#admin} LOGIN CREATEROLE CREATEDB PASSWORD '${password}'`);
    return this.#createSecret(ADMIN_SECRET, { ...value, password });
  }

  #createSecret(Name: string, value: Record<string, unknown>): string {
    const SecretString = JSON.stringify(value);
    return this.emulator.store.createSecret({ Name, ClientRequestToken: randomUUID(), SecretString }).ARN;
  }

  /** Of each kind that a twin has to have too, or that must not be its own. */
  async #giveRights(): Promise<void> {
    const base = this.username;
    await this.#administrator.run(`
      SET ROLE ${this.#admin};
      ALTER ROLE ${base} CREATEDB CONNECTION LIMIT 50;
      ALTER ROLE ${base} SET search_path = ${base}, public;
      ALTER ROLE ${base} IN DATABASE ${this.#server.database} SET work_mem = '5MB';
      RESET ROLE;
      GRANT pg_read_all_stats TO ${base};
      CREATE SCHEMA ${base} AUTHORIZATION ${base};
      CREATE TABLE ${base}.own (); ALTER TABLE ${base}.own OWNER TO ${base};
      CREATE TABLE ${base}.granted (); GRANT SELECT ON ${base}.granted TO ${base}`);
  }

  /** A rotation begins: what is true now is what people left. */
  async begin(): Promise<void> {
    this.#original = this.labels().current;
    this.#roles = await this.#rolesNow();
  }

  /** Since the base was active last a person has changed its rights, and the twin has got things of its own, as the twins of AWS's functions do. */
  async drift(): Promise<void> {
    const { username: base, twin } = this;
    await this.#administrator.run(`
      ALTER ROLE ${base} NOCREATEDB; ALTER ROLE ${base} SET work_mem = '6MB'; ALTER ROLE ${base} RESET search_path;
      CREATE TABLE ${base}.left_behind (); ALTER TABLE ${base}.left_behind OWNER TO ${twin};
      GRANT SELECT ON ${base}.own TO ${twin}`);
  }

  #rolesNow(): Promise<Roles> {
    return rolesCalled(this.#administrator, this.username);
  }

  /** What AWSCURRENT said when the rotation began. */
  get original(): Labelled {
    if (this.#original === undefined) throw new Error('No rotation has begun');
    return this.#original;
  }

  /** Who is to get a new password. */
  get dormant(): string {
    const { username } = this.original;
    if (this.strategy !== 'alternating-users') return username;
    return username === this.username ? this.twin : this.username;
  }

  get #users() {
    return { base: this.username, twin: this.twin, admin: this.#admin };
  }

  /** What was changed that only people may change. */
  async meddling(): Promise<string[]> {
    return [...this.#meddling, ...meddledWith(this.#users, this.#roles, await this.#rolesNow(), this.dormant)];
  }

  /** What the twin lacks of the base's rights or has beyond them, if it is its turn. */
  async twinOutOfLine(): Promise<string[]> {
    return this.dormant === this.twin ? outOfLine(this.#users, await this.#rolesNow()) : [];
  }

  #rotates(username: unknown): boolean {
    return username === this.username || (username === this.twin && this.strategy === 'alternating-users');
  }

  /** Whether a user is as people left it, its password too. */
  async isAsPeopleLeftIt(name: string): Promise<boolean> {
    return isDeepStrictEqual(this.#roles.get(name), (await this.#rolesNow()).get(name));
  }

  /** What a person changes in the database is not the rotation's doing. */
  async #asPerson(statements: string): Promise<void> {
    this.#meddling = await this.meddling();
    await this.#administrator.run(statements);
    this.#roles = await this.#rolesNow();
  }

  /** A person gives the base what the twin is to have too. */
  changeBase(): Promise<void> {
    return this.#asPerson(
      `ALTER ROLE ${this.username} CONNECTION LIMIT 40; ALTER ROLE ${this.username} SET statement_timeout = '1min'`,
    );
  }

  /** A person gives the twin what the base has not. */
  changeTwin(): Promise<void> {
    return this.#asPerson(`ALTER ROLE ${this.twin} CREATEROLE`);
  }

  /** The same admin has made a user for somebody else, and it has the twin's name. */
  makeStranger(): Promise<void> {
    return this.#asPerson(
      `SET ROLE ${this.#admin}; CREATE ROLE ${this.twin} LOGIN PASSWORD '${newPassword()}'; RESET ROLE`,
    );
  }

  /** Another secret's rotation has made this twin with the same admin, and got no further. */
  claimTwin(): Promise<void> {
    const mark = JSON.stringify({ secret: `${this.#keys['masterarn']}-another`, base: this.username });
    return this.#asPerson(`
      SET ROLE ${this.#admin}; CREATE ROLE ${this.twin} NOLOGIN; RESET ROLE;
      COMMENT ON ROLE ${this.twin} IS 'secret-rotation: ${mark}'`);
  }

  /** Straight to the server, past the proxy. */
  who({ username, password }: Omit<Labelled, 'id'>): Who {
    const { host, port, database } = this.#server;
    return { host, port, database, username, password };
  }

  /** Whom a session with this login acts as. */
  async actsAs({ username, password }: Omit<Labelled, 'id'>): Promise<string> {
    const client = await connect({ ...this.#server, superuser: { username, password } });
    try {
      return (await client.query('SELECT current_user')).rows[0].current_user;
    } finally {
      await client.end();
    }
  }

  labels(): Labels {
    const current = this.#labelled('AWSCURRENT');
    if (current === undefined) throw new Error('The secret has lost AWSCURRENT');
    const pending = this.#labelled('AWSPENDING');
    const previous = this.#labelled('AWSPREVIOUS');
    return { current, pending: pending?.id === current.id ? undefined : pending, previous };
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
    if (text === undefined) return undefined;
    const { username, password } = JSON.parse(text);
    return { id, username, password };
  }

  #value(id: string): Record<string, unknown> {
    return JSON.parse(this.#text(id) ?? '{}');
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

  /** All that must not be seen. */
  get passwords(): string[] {
    return [...this.#adminPasswords, ...this.versions.map(({ password }) => password)];
  }

  /** Whether this version says what people put into the secret last, whatever its password and which user of the pair it names. */
  saysWhatPeopleWrote({ id }: Labelled): boolean {
    const { username: base, twin } = this;
    const { password: _, username, baseusername = base, alternateusername = twin, ...keys } = this.#value(id);
    return (
      isDeepStrictEqual(
        { ...keys, username: base, baseusername, alternateusername },
        { ...this.#keys, baseusername: base, alternateusername: twin },
      ) && this.#rotates(username)
    );
  }

  /** A person presses Cancel. */
  cancelRotation(): void {
    this.emulator.store.cancelRotateSecret({ SecretId: Subject.secretId });
  }

  /** A person adds a key to the secret, as the console does it. */
  addKey(): void {
    this.#keys = { ...this.#keys, note: 'added by a person in mid-rotation' };
    this.#edit({ note: this.#keys['note'] });
  }

  /** A person sets another password, in the database and in the secret. */
  async changePassword(): Promise<void> {
    const password = newPassword();
    await this.#asPerson(`ALTER ROLE ${this.labels().current.username} PASSWORD '${password}'`);
    this.#edit({ password });
  }

  #edit(changes: Record<string, unknown>): void {
    this.emulator.store.putSecretValue({
      SecretId: Subject.secretId,
      ClientRequestToken: randomUUID(),
      SecretString: JSON.stringify({ ...this.#value(this.labels().current.id), ...changes }),
    });
  }

  /**
   * Another session holds the row of the user that is to be changed, so that whoever alters it waits; or is about to make that user.
   * @returns lets go of it
   */
  async lock(): Promise<() => Promise<void>> {
    const admin = await connect(this.#server);
    const { dormant } = this;
    await admin.query(
      `BEGIN; ${this.#roles.has(dormant) ? `ALTER ROLE ${dormant} CONNECTION LIMIT -1` : `CREATE ROLE ${dormant}`}`,
    );
    return () => admin.end(); // rolls back
  }

  /** What the function has open on the server; `busySince`: only what has been at the same statement or transaction that long. */
  async sessions({ busySince = 0 } = {}): Promise<string[]> {
    const busy = `AND state <> 'idle' AND state_change < now() - interval '${busySince} ms'`;
    const rows = await this.#administrator.run<{ state: string; ms: number }>(
      `SELECT state, round(extract(epoch FROM clock_timestamp() - state_change) * 1000)::int AS ms FROM pg_stat_activity
        WHERE starts_with(usename, '${this.username}') AND application_name = '${APPLICATION}' ${busySince > 0 ? busy : ''}`,
    );
    return rows.map(({ state, ms }) => `${state} for ${ms} ms`);
  }

  /** The twin before the base, and both before the admin that granted them something. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.emulator[Symbol.asyncDispose]();
    const there = await this.#rolesNow();
    for (const role of [this.twin, this.username, this.#admin])
      if (there.has(role)) await this.#administrator.run(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  }
}

/** Nothing else contains it by chance. */
function newPassword(): string {
  return `person-${randomUUID()}`;
}
