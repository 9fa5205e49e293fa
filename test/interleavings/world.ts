/** A secret with its users, the function that rotates it, and the people and other functions that get in between. */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type Invocation, STEPS, type Step, stepEvent } from '../../local/secrets-manager/rotation.ts';
import { SecretStore } from '../../local/secrets-manager/store.ts';
import type { ServerDescription } from '../../local/servers/server.ts';
import { STRATEGIES, type StrategyName } from '../../shared/database/strategies/facts.ts';
import type { Stand } from '../crash-matrix/administrator.ts';
import type { Connection, Engine, Kept, Names } from '../crash-matrix/engine.ts';
import { engineOf } from '../crash-matrix/engines.ts';
import type { Verdict } from '../crash-matrix/login.ts';
import { environmentFor } from '../crash-matrix/strategies.ts';
import { Timeline } from '../crash-matrix/timeline.ts';
import { rows, usersOf } from '../engines/servers.ts';
import { handsFor } from './engines.ts';
import type { Hands, User } from './hands.ts';
import { Lookout } from './lookout.ts';
import { type Json, Secret, type Version } from './secret.ts';
import { type Called, connectTo } from './secrets-manager.ts';
import type { StartProcess, TakeStep } from './step.ts';
import { type Heard, tapWire, type Wiretap } from './wiretap.ts';

/** Where points are run, several at once. */
export type Bench = Pick<Stand, 'abilities'> & {
  server: ServerDescription;
  administrator: Pick<Stand['administrator'], 'run' | 'connect'>;
  strategy: StrategyName;
  startProcess: StartProcess;
};

/** Of the function, in milliseconds: less than the default, and enough beside other points on a busy machine. */
const TIMEOUT = 30_000;

/** As the secret says it: a name, which can be written in several ways. */
export const HOST = 'localhost';

/** A person repeats what failed because somebody else was at it. */
const TRIES = 5;

let worlds = 0;

type Beside = { secret: Secret; take: TakeStep };

export class World implements AsyncDisposable {
  readonly bench: Bench;
  readonly names: Names;
  readonly engine: Engine;
  readonly hands: Hands;
  readonly store = new SecretStore();
  readonly lookout: Lookout;
  readonly timeline = new Timeline();
  /** What was seen on the way and must not be. */
  readonly violations: string[] = [];
  /** Everything that the function answered. */
  readonly answers: Invocation[] = [];
  /** A person has moved a label, or stopped the rotation. */
  labelsMoved = false;
  /** The strategy that a person has chosen in mid-rotation. */
  tagged: StrategyName | undefined;
  /** The act is about users, beyond their passwords: what people leave of them is what there was before. */
  touchesUsers = false;
  /** The users as people left them. */
  before: Kept = new Map();
  /** Whom the function has no business with, as people left them. */
  readonly strangers = new Map<string, unknown>();
  /** What people want the secret to say, beside what a rotation changes; undefined if they wrote no JSON. */
  wanted: Json | undefined;
  /** When the function, or a person, did something last: performance.now(). */
  lastEvent = performance.now();
  /** Told of each request, message and answer, which waits until it resolves. */
  onEvent: (event: Heard | Called) => Promise<void> = async () => {};
  readonly #take: TakeStep;
  readonly #client = connectTo(this.store, (called) => this.#hear(called));
  /** By connection, the message under way that changes something. */
  readonly #writing = new Map<Heard['connection'], string>();
  /** Users outside the pair, who are dropped too. */
  readonly #others: Names[] = [];
  /** The call under way moves AWSCURRENT. */
  #promotes = false;
  /** The pending version when the call under way was made. */
  #pendingBefore: Version | undefined;
  /** AWSPENDING's version, if the last call of a rotation that was given up has passed over it. */
  #passedOver: Version | undefined;
  /** Invocations. */
  #underWay = 0;
  #wire: Wiretap | undefined;
  #secret: Secret | undefined;
  #person: Promise<Connection> | undefined;
  #changes = 0;

  static async create(bench: Bench): Promise<World> {
    await using world = new AsyncDisposableStack();
    const created = world.use(new World(bench));
    await created.#establish();
    world.move();
    return created;
  }

  private constructor(bench: Bench) {
    const { row } = bench.server;
    // Names of one length: none is the beginning of another.
    // Short: a name that is made from it has room for 32 characters on MySQL.
    const base = `r${process.pid.toString(36)}_${(++worlds).toString(36).padStart(4, '0')}`;
    this.bench = bench;
    this.#take = bench.startProcess();
    this.names = { base, twin: `${base}_clone`, admin: `${base}_admin` };
    this.engine = engineOf(row);
    this.hands = handsFor(row);
    const world = this;
    this.lookout = new Lookout(
      {
        counting: () => this.#counting(),
        kept: () => this.passwords(),
        logIn: (value) => this.logIn(value),
        younger: ({ id }) => {
          const { versions } = this.secret;
          return versions.slice(versions.findIndex((version) => version.id === id) + 1);
        },
        get labelsMoved() {
          return world.labelsMoved;
        },
      },
      (text) => this.timeline.add(`    ${text}`),
    );
  }

  /** The user, and the secret that a person made for it; with an admin and its secret where the strategy needs them. */
  async #establish(): Promise<void> {
    const { strategy, server, abilities, administrator } = this.bench;
    const { base, admin } = this.names;
    const { needsAdmin } = STRATEGIES[strategy];
    const { statements } = this.engine;
    this.#wire = await tapWire(server, this.engine.protocol, (heard) => this.#hear(heard));
    const { port } = this.#wire;
    const { engineKey: engine } = rows[server.row];
    const dbname = this.#database;
    const place = { engine, host: HOST, port, ssl: false, dbname };
    const [password, adminPassword] = [newPassword(), newPassword()];
    if (needsAdmin) await usersOf(server).createAdmin({ username: admin, password: adminPassword });
    await this.#make({ username: base, password }, administrator);
    const aboutRights = statements.prepare(this.names, strategy);
    if (abilities.changesRights === 'supported') {
      if (aboutRights) await administrator.run(aboutRights);
      if (strategy === 'alternating-users') await administrator.run(statements.giveRights(this.names, server.database));
    }
    const masterarn =
      needsAdmin && this.createSecret('admin', { ...place, username: admin, password: adminPassword }).id;
    const value = { ...place, username: base, password, ...(masterarn && { masterarn }) };
    this.#secret = this.createSecret('app', value);
    this.wanted = keysOf(value);
  }

  get #database(): string {
    return this.engine.databaseOf(this.names, this.bench.server);
  }

  get secret(): Secret {
    if (this.#secret === undefined) throw new Error('There is no secret yet');
    return this.#secret;
  }

  get strategy(): StrategyName {
    return this.bench.strategy;
  }

  #counting(): Version[] {
    const { current, pending } = this.secret;
    const inWindow = this.#hasWindow && pending ? [pending] : [];
    return [current, ...inWindow, ...(this.#passedOver ? [this.#passedOver] : [])];
  }

  /** By a strategy that a person chose, too. */
  get #hasWindow(): boolean {
    return [this.strategy, ...(this.tagged ? [this.tagged] : [])].some(
      (strategy) => !STRATEGIES[strategy].keepsOldValid,
    );
  }

  async #hear(event: Heard | Called): Promise<void> {
    const { direction, connection } = event;
    this.lastEvent = performance.now();
    if (connection !== 'sm' && direction === '→' && this.engine.protocol.isWrite(event.name))
      this.#writing.set(connection, event.name);
    await this.onEvent(event);
    if (connection === 'sm') return this.#hearCall(event);
    if (direction === '→') return;
    const written = event.endsAnswer && this.#writing.get(connection);
    if (!written) return;
    this.#writing.delete(connection);
    await this.#look(written);
  }

  async #hearCall({ direction, name, about, isError }: Called): Promise<void> {
    const { pending } = this.secret;
    if (direction === '→') {
      const promoted = /VersionStage=AWSCURRENT MoveToVersionId=(\S+)/.exec(about)?.[1];
      this.#promotes = promoted !== undefined;
      // What is promoted was given up, if another rotation has begun since.
      if (this.#promotes) this.#passedOver = pending?.id === promoted ? undefined : pending;
      this.#pendingBefore = pending;
    } else if (/^(Put|Update)/.test(name) && !isError) {
      if (name === 'PutSecretValue' && pending?.id !== this.#pendingBefore?.id) this.#passedOver = this.#pendingBefore;
      await this.#look(name);
      if (this.#promotes) await this.#requireRights();
    }
  }

  #look(after: string): Promise<void> {
    this.#changes++;
    return this.lookout.look(after);
  }

  /** Nothing is promoted that lacks rights of its predecessor. */
  async #requireRights(): Promise<void> {
    if (this.touchesUsers || this.secret.current.value?.['username'] !== this.names.twin) return;
    for (const what of this.engine.outOfLine(this.names, await this.kept())) this.violations.push(`promoted: ${what}`);
  }

  /** How sessions of a pair differ. */
  async actsOtherwise(versions: readonly Version[]): Promise<string[]> {
    const sessionOf = async (username: string) => {
      const value = versions.find((version) => version.value?.['username'] === username)?.value;
      return value && this.#sessionOf(value);
    };
    const [base, twin] = [await sessionOf(this.names.base), await sessionOf(this.names.twin)];
    try {
      if (base === undefined || twin === undefined) return ['AWSCURRENT and AWSPREVIOUS are not the two of the pair'];
      return await this.engine.actsOtherwise(this.names, base, twin);
    } finally {
      await Promise.all([base?.end(), twin?.end()]);
    }
  }

  #sessionOf({ username, password }: Json): Promise<Connection> {
    const { host, port, tlsOnly } = this.bench.server;
    const database = this.#database;
    const who = { host, port, database, username: String(username), password: String(password) };
    return this.engine.connect({ ...who, ...(tlsOnly && { tlsOnly }) });
  }

  /** What the server keeps of users' passwords; where it does not show that, how many changes there were. */
  async passwords(): Promise<ReadonlyMap<string, string> | number> {
    const { passwords } = this.hands;
    if ('unsupported' in passwords) return this.#changes;
    return passwords.read(this.bench.administrator, this.names);
  }

  /** All that the server keeps of users. */
  kept(): Promise<Kept> {
    return this.engine.kept(this.bench.administrator, this.names, this.bench.abilities);
  }

  /** Straight to the server, with what a version says. */
  async logIn({ username, password, dbname }: Json): Promise<Verdict> {
    const { host, port, tlsOnly } = this.bench.server;
    const database = this.hands.entersDatabase && dbname ? String(dbname) : this.#database;
    const who = { host, port, database, username: String(username), password: String(password) };
    const { verdict } = await this.engine.login({ ...who, ...(tlsOnly && { tlsOnly }) });
    return verdict;
  }

  async verdictOn({ value }: Version): Promise<Verdict> {
    return value === undefined ? 'unknown' : this.lookout.verdict(value, await this.passwords());
  }

  /** Since the base was active last a person has changed its rights, and the twin has got things of its own. */
  async drift(): Promise<void> {
    const { abilities, administrator } = this.bench;
    if (abilities.changesRights === 'supported') await administrator.run(this.engine.statements.drift(this.names));
  }

  /** One step of the function, in the process that takes all of them; or beside it, in another one. */
  async takeStep(step: Step, token: string, beside?: Beside): Promise<Invocation> {
    const { secret = this.secret, take = this.#take } = beside ?? {};
    this.#underWay++;
    const invocation = await take(stepEvent(step, secret.id, token), {
      client: this.#client,
      environment: environmentFor(this.strategy),
      timeoutMs: TIMEOUT,
    });
    this.#underWay--;
    await this.invocationEnds(`${beside ? 'beside: ' : ''}${step}`, invocation);
    return invocation;
  }

  async invocationEnds(what: string, invocation: Invocation): Promise<void> {
    const { outcome, error } = invocation;
    this.answers.push(invocation);
    this.timeline.add(`${what}: ${outcome}${error ? `, ${error.errorType}: ${error.errorMessage}` : ''}`);
    // Another one that is under way may have made what is not well, and may still mend it.
    await (this.#underWay > 0 ? this.lookout.look(what) : this.lookout.invocationEnds(what));
  }

  /** A whole attempt beside whatever is under way. @returns whether it came to its end */
  async attempt(token: string, secret = this.secret, steps: readonly Step[] = STEPS): Promise<boolean> {
    const beside = { secret, take: this.bench.startProcess() };
    for (const step of steps) {
      const { outcome } = await this.takeStep(step, token, beside);
      if (outcome !== 'success') return false;
    }
    return true;
  }

  /** What people do: if no password logs in afterwards, it is their doing. */
  asPeople<T>(work: () => Promise<T> | T): Promise<T> {
    return this.lookout.whilePeopleWork(async () => {
      const result = await work();
      this.lastEvent = performance.now();
      this.wanted = keysOf(this.secret.current.value);
      if (this.touchesUsers) this.before = await this.kept();
      return result;
    });
  }

  /** In the database, as its superuser. Waits where the function holds a lock. */
  async run(statements: unknown): Promise<void> {
    this.#person ??= this.bench.administrator.connect();
    const person = await this.#person;
    for (let tries = 1; ; tries++) {
      try {
        await person.run(statements);
        break;
      } catch (error) {
        if (tries === TRIES) throw error;
      }
    }
    this.#changes++;
  }

  /** @returns the user's new password */
  async setPassword(username: string, password = newPassword()): Promise<string> {
    const user = { username, password };
    if (this.hands.setPassword) await this.run(this.hands.setPassword(user));
    else await usersOf(this.bench.server).setPassword(user);
    this.#changes++;
    this.lookout.noteSet(user);
    return password;
  }

  /** Of AWSCURRENT's user, where users can have two. */
  async discardSecondPassword(): Promise<void> {
    const username = String(this.secret.current.value?.['username']);
    const { discardSecond } = this.hands;
    if (discardSecond && (await this.kept()).has(username))
      await this.asPeople(() => this.run(discardSecond(username)));
  }

  /** Somebody else's: the function has to leave this user alone. */
  async isStranger(username: string): Promise<void> {
    this.strangers.set(username, await this.#stateOf(username));
  }

  /** Those who are not as people left them. */
  async strangersTouched(): Promise<string[]> {
    const touched: string[] = [];
    for (const [username, before] of this.strangers)
      if (!isDeepStrictEqual(await this.#stateOf(username), before)) touched.push(username);
    return touched;
  }

  /** What the server keeps of that user, and of others whose names begin so. */
  async #stateOf(base: string): Promise<unknown> {
    const { administrator, abilities } = this.bench;
    const users = await this.engine.kept(administrator, { ...this.names, base }, abilities);
    return [...users].sort(([one], [other]) => (one < other ? -1 : 1));
  }

  /** Somebody outside the pair. @returns what a secret for it says */
  async makeOther(): Promise<Json> {
    const other = { ...this.names, base: `other_of_${this.names.base}` };
    const { statements } = this.engine;
    this.#others.push(other);
    const password = await this.createUser(other.base);
    const preparing = statements.prepare(other, this.strategy);
    if (preparing && this.bench.abilities.changesRights === 'supported') await this.run(preparing);
    return { username: other.base, password, dbname: this.engine.databaseOf(other, this.bench.server) };
  }

  /** @returns its password */
  async createUser(username: string, password = newPassword()): Promise<string> {
    await this.#make({ username, password }, this);
    return password;
  }

  async #make(user: User, by: { run(statements: unknown): Promise<unknown> }): Promise<void> {
    const admin = STRATEGIES[this.strategy].needsAdmin ? this.names.admin : undefined;
    if (this.hands.makeUser) await by.run(this.hands.makeUser(user, admin));
    else await usersOf(this.bench.server).createUser(user, admin);
    this.#changes++;
  }

  /** All that the function has open breaks off. */
  async endSessions(): Promise<void> {
    this.#wire?.cut();
    await this.hands.endSessions(this.bench.administrator, this.names);
  }

  createSecret(Name: string, value: Json, tags: Readonly<Record<string, string>> = {}): Secret {
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
    const SecretString = JSON.stringify(value);
    const { ARN } = this.store.createSecret({ Name, ClientRequestToken: randomUUID(), SecretString, Tags });
    return new Secret(this.store, ARN);
  }

  /** The server has a place for what says whose a twin is. */
  get hasMarks(): boolean {
    return this.bench.abilities.marksTwins === 'supported';
  }

  /** Something on the server tells AWSCURRENT's user whose it is. */
  async isMarked(): Promise<boolean> {
    if (this.strategy !== 'alternating-users' || !this.hasMarks) return false;
    const { twin } = this.names;
    const isShown = this.hands.showsMarks || this.secret.current.value?.['username'] === twin;
    return isShown && (await this.kept()).has(twin);
  }

  /** Of the pair the one that is not called so. */
  otherOf(username: string): string {
    return username === this.names.base ? this.names.twin : this.names.base;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const person = await this.#person?.catch(() => undefined);
    await person?.end();
    await this.#wire?.[Symbol.asyncDispose]();
    for (const names of [...this.#others, this.names]) await this.#drop(names);
  }

  async #drop(names: Names): Promise<void> {
    const { administrator, abilities } = this.bench;
    await this.hands.dropAll(administrator, names);
    const cleaning = this.engine.statements.cleanUp(names);
    if (cleaning && abilities.changesRights === 'supported') await administrator.run(cleaning);
  }
}

/** All that a rotation does not change. */
export function keysOf(value: Json | undefined): Json | undefined {
  if (value === undefined) return undefined;
  const { password: _, username: __, baseusername: ___, alternateusername: ____, ...keys } = value;
  return keys;
}

function newPassword(): string {
  return `person-${randomUUID()}`;
}
