/** What people do on a database server, past the function: tests, the demo and the crash matrix make and inspect users with it. */

export type Login = { username: string; password: string };

export type Logins = { accepted: number; failed: number };

export interface Users {
  /**
   * Runs statements as the superuser, unheard by the server's log: some hold a password. In the engine's own language, SQL or mongosh's. Values
   * take the place of its placeholders, if it has some.
   * @returns the rows of a single statement
   */
  run(statement: string, values?: unknown[]): Promise<Record<string, unknown>[]>;

  /**
   * Makes a user who may log in from anywhere, and nothing else.
   * @param admin makes the user, where it matters who did: PostgreSQL's CREATEROLE covers only the roles that one made oneself
   */
  createUser(user: Login, admin?: string): Promise<void>;
  /** Makes an admin as RDS does: no superuser, but it makes users and grants rights. */
  createAdmin(admin: Login): Promise<void>;
  setPassword(user: Login): Promise<void>;
  /** With all that it owns, where users own something. Does nothing if there is no such user. */
  dropUser(username: string): Promise<void>;

  /**
   * What the server shows of the users in whose name `part` is, as far as a rotation could change it.
   * Passwords are in it as the server keeps them, where it shows that.
   */
  stored(part: string): Promise<Record<string, unknown>[]>;

  /** What this part of the server's own log says of a user's logins, where it names users. */
  loginsIn(log: string, username: string): Logins;

  /** One login, and out again. @throws whatever says nothing about the password, as the driver has it */
  logIn(user: Login): Promise<'accepted' | 'refused'>;
}
