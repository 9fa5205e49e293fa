/** What is rotated: fresh users of the database and fresh secrets of their own emulator. */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type SecretsManagerEmulator, startSecretsManager } from '../../local/secrets-manager/server.ts';
import type { Server } from '../../local/servers/server.ts';
import type { Users } from '../../local/servers/users.ts';
import { STRATEGIES, type StrategyName } from '../../shared/database/strategies/facts.ts';
import { rows, usersOf } from '../engines/servers.ts';
import type { Administrator, Stand } from './administrator.ts';
import type { Abilities, Engine, Kept, Names } from './engine.ts';
import { engineOf } from './engines.ts';
import type { Login, Who } from './login.ts';

/** A version with a value: its id, and the user and password in it. */
export type Labelled = { id: string; username: string; password: string };
export type Labels = { current: Labelled; pending: Labelled | undefined; previous: Labelled | undefined };

/** What a secret says of how to reach the database. */
export type Route = { host: string; port: number; ssl: boolean; sslca?: string };

const ADMIN_SECRET = 'crash-matrix-admin';

let users = 0;

export class Subject implements AsyncDisposable {
  static readonly secretId = 'crash-matrix';
  readonly strategy: StrategyName;
  /** The only user, or the base. */
  readonly username: string;
  readonly twin: string;
  readonly emulator: SecretsManagerEmulator;
  readonly #names: Names;
  readonly #server: Server;
  readonly #engine: Engine;
  readonly #users: Users;
  readonly #database: string;
  readonly #administrator: Administrator;
  readonly #abilities: Abilities;
  /** The keys that the secret must have in the end, beside its password and the names of a pair. */
  #keys: Record<string, unknown> = {};
  readonly #adminPasswords: string[] = [];
  /** Of each user the one that people gave it, or that a rotation before had given it. */
  readonly #passwords = new Map<string, string>();
  #original: Labelled | undefined;
  /** The users as people left them. */
  #kept: Kept = new Map();
  #meddling: string[] = [];

  static async create(on: Stand, strategy: StrategyName): Promise<Subject> {
    return new Subject(on, strategy, await startSecretsManager());
  }

  private constructor(
    { server, administrator, abilities }: Stand,
    strategy: StrategyName,
    emulator: SecretsManagerEmulator,
  ) {
    // Names of one length: none is the beginning of another.
    this.username = `crash_${process.pid}_${String(++users).padStart(6, '0')}`;
    this.twin = `${this.username}_clone`;
    this.#names = { base: this.username, twin: this.twin, admin: `${this.username}_admin` };
    this.strategy = strategy;
    this.#server = server;
    this.#engine = engineOf(server.row);
    this.#users = usersOf(server);
    this.#database = this.#engine.databaseOf(this.#names, server);
    this.#administrator = administrator;
    this.#abilities = abilities;
    this.emulator = emulator;
  }

  /** The user, and the secret that a person made for it; with an admin and its secret where the strategy needs them. */
  async establish(route: Route): Promise<void> {
    const { needsAdmin } = STRATEGIES[this.strategy];
    const { username } = this;
    const { admin } = this.#names;
    const { statements } = this.#engine;
    const value = { engine: rows[this.#server.row].engineKey, ...route, username, dbname: this.#database };
    const masterarn = needsAdmin ? await this.#makeAdmin({ ...value, username: admin }) : undefined;
    const password = this.#newPasswordOf(username);
    await this.#users.createUser({ username, password }, needsAdmin ? admin : undefined);
    await this.#runAboutRights(statements.prepare(this.#names, this.strategy));
    if (this.strategy === 'alternating-users')
      await this.#runAboutRights(statements.giveRights(this.#names, this.#database));
    this.#keys = { ...value, ...(masterarn && { masterarn }) };
    this.#createSecret(Subject.secretId, { ...this.#keys, password });
  }

  /** Nothing to do where rights do not change. */
  async #runAboutRights(statements: unknown): Promise<void> {
    if (this.#abilities.changesRights === 'supported') await this.#administrator.run(statements);
  }

  #newPasswordOf(username: string): string {
    const password = newPassword();
    this.#passwords.set(username, password);
    return password;
  }

  /** As on RDS: no superuser. @returns the secret's ARN */
  async #makeAdmin(value: Record<string, unknown>): Promise<string> {
    const { admin } = this.#names;
    const password = this.#newPasswordOf(admin);
    this.#adminPasswords.push(password);
    await this.#users.createAdmin({ username: admin, password });
    return this.#createSecret(ADMIN_SECRET, { ...value, password });
  }

  #createSecret(Name: string, value: Record<string, unknown>): string {
    const SecretString = JSON.stringify(value);
    return this.emulator.store.createSecret({ Name, ClientRequestToken: randomUUID(), SecretString }).ARN;
  }

  /** A rotation begins: what is true now is what people left. */
  async begin(): Promise<void> {
    const { current, previous } = this.labels();
    this.#original = current;
    for (const { username, password } of [previous ?? current, current]) this.#passwords.set(username, password);
    this.#kept = await this.#keptNow();
  }

  /** Since the base was active last a person has changed its rights, and the twin has got things of its own, as the twins of AWS's functions do. */
  async drift(): Promise<void> {
    await this.#runAboutRights(this.#engine.statements.drift(this.#names));
  }

  async #keptNow(): Promise<Kept> {
    const kept = await this.#engine.kept(this.#administrator, this.#names, this.#abilities);
    return this.#abilities.showsPasswords === 'supported' ? kept : this.#withLogins(kept);
  }

  /** In place of what the server keeps of a password, whether it still is the one that people know. */
  async #withLogins(kept: Kept): Promise<Kept> {
    const known = [...this.#passwords].filter(([username]) => kept.has(username));
    const users = known.map(async ([username, password]) => {
      const { verdict } = await this.logIn({ username, password });
      return [username, { ...kept.get(username), password: verdict }] as const;
    });
    return new Map([...kept, ...(await Promise.all(users))]);
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

  /** What was changed that only people may change. */
  async meddling(): Promise<string[]> {
    const now = await this.#keptNow();
    return [...this.#meddling, ...this.#engine.meddledWith(this.#names, this.#kept, now, this.dormant)];
  }

  /** What the twin lacks of the base's rights or has beyond them, if it is its turn. */
  async twinOutOfLine(): Promise<string[]> {
    return this.dormant === this.twin ? this.#engine.outOfLine(this.#names, await this.#keptNow()) : [];
  }

  #rotates(username: unknown): boolean {
    return username === this.username || (username === this.twin && this.strategy === 'alternating-users');
  }

  /** Whether a user is as people left it, its password too. */
  async isAsPeopleLeftIt(name: string): Promise<boolean> {
    return isDeepStrictEqual(this.#kept.get(name), (await this.#keptNow()).get(name));
  }

  /** What a person changes in the database is not the rotation's doing. */
  async #asPerson(work: () => Promise<unknown>): Promise<void> {
    this.#meddling = await this.meddling();
    await work();
    this.#kept = await this.#keptNow();
  }

  /** A person gives the base what the twin is to have too. */
  changeBase(): Promise<void> {
    return this.#asPerson(() => this.#administrator.run(this.#engine.statements.changeBase(this.#names)));
  }

  /** A person gives the twin what the base has not. */
  changeTwin(): Promise<void> {
    return this.#asPerson(() => this.#administrator.run(this.#engine.statements.changeTwin(this.#names)));
  }

  /** The same admin has made a user for somebody else, and it has the twin's name. */
  makeStranger(): Promise<void> {
    const { twin: username, admin } = this.#names;
    return this.#asPerson(() => this.#users.createUser({ username, password: this.#newPasswordOf(username) }, admin));
  }

  /** Another secret's rotation has made this twin with the same admin, and got no further. */
  claimTwin(): Promise<void> {
    const other = `${this.#keys['masterarn']}-another`;
    return this.#asPerson(() => this.#administrator.run(this.#engine.statements.claimTwin(this.#names, other)));
  }

  /** Straight to the server, past the proxy. */
  logIn(as: Omit<Labelled, 'id'>): Promise<Login> {
    return this.#engine.login(this.#who(as));
  }

  get firstLoginAhead(): number {
    return this.#engine.firstLoginAhead;
  }

  #who({ username, password }: Omit<Labelled, 'id'>): Who {
    const { host, port, tlsOnly } = this.#server;
    return { host, port, database: this.#database, username, password, ...(tlsOnly && { tlsOnly }) };
  }

  /** How sessions of the pair differ; both have to log in. */
  async twinActsOtherwise(labelled: Labelled[]): Promise<string[]> {
    const sessionOf = (name: string) => {
      const as = labelled.find(({ username }) => username === name);
      return as && this.#engine.connect(this.#who(as));
    };
    const [base, twin] = [await sessionOf(this.username), await sessionOf(this.twin)];
    if (base === undefined || twin === undefined) return ['AWSCURRENT and AWSPREVIOUS are not the two of the pair'];
    try {
      return await this.#engine.actsOtherwise(this.#names, base, twin);
    } finally {
      await Promise.all([base.end(), twin.end()]);
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

  /** Of the admin's secret, where there is one. */
  get adminArn(): string | undefined {
    const { masterarn } = this.#keys;
    return typeof masterarn === 'string' ? masterarn : undefined;
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
    const { username } = this.labels().current;
    await this.#asPerson(() => this.#users.setPassword({ username, password: this.#newPasswordOf(username) }));
    this.#edit({ password: this.#passwords.get(username) });
  }

  #edit(changes: Record<string, unknown>): void {
    this.emulator.store.putSecretValue({
      SecretId: Subject.secretId,
      ClientRequestToken: randomUUID(),
      SecretString: JSON.stringify({ ...this.#value(this.labels().current.id), ...changes }),
    });
  }

  /**
   * Another session holds what whoever changes that user waits for, or is about to make it.
   * @returns lets go of it
   */
  async lock(): Promise<() => Promise<void>> {
    const connection = await this.#administrator.connect();
    const { dormant } = this;
    await connection.run(this.#engine.statements.lock(dormant, this.#kept.has(dormant)));
    return () => connection.end();
  }

  /** What the function has open on the server; `busySince`: only what has been at the same statement or transaction that long. */
  sessions(busySince: number): Promise<{ state: string; ms: number }[]> {
    return this.#administrator.run(this.#engine.statements.sessions(this.#names, busySince));
  }

  /** The twin before the base, and both before the admin that granted them something. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.emulator[Symbol.asyncDispose]();
    const { base, twin, admin } = this.#names;
    const there = await this.#engine.kept(this.#administrator, this.#names, this.#abilities);
    for (const user of [twin, base, admin]) if (there.has(user)) await this.#users.dropUser(user);
    await this.#runAboutRights(this.#engine.statements.cleanUp(this.#names));
  }
}

/** Nothing else contains it by chance. */
function newPassword(): string {
  return `person-${randomUUID()}`;
}
