/** What people can do to an engine's users, and see of their passwords: all that the interleavings know of one engine beyond the crash matrix. */
import type { Connection, Names } from '../crash-matrix/engine.ts';
import type { Json } from './secret.ts';

export type User = { username: string; password: string };
export type Session<Statements> = Pick<Connection<Statements>, 'run'>;

/** `unsupported`: why the engine has it not. */
export type Capability<T> = T | { unsupported: string };

/** All on a connection that is open: to make one takes longer than anything that is done on it. */
export interface Hands<Statements = unknown> {
  /** The server's, beside those of the crash matrix. */
  readonly settings: Readonly<Record<string, string>>;

  /** A user who may only log in. Left out where nothing is won by it. */
  makeUser?(user: User, admin: string | undefined): Statements;
  setPassword?(user: User): Statements;
  /** Takes a second valid password away. Left out where a user has one only. */
  discardSecond?(username: string): Statements;
  drop(username: string): Statements;
  /** All users whose name begins with the base's, and what was made for them. */
  dropAll(connection: Session<Statements>, names: Names): Promise<void>;

  readonly passwords: Capability<{
    /** Of all users whose name begins with the base's: what the server keeps of their passwords. */
    read(connection: Session<Statements>, names: Names): Promise<ReadonlyMap<string, string>>;
    /** Back to what `read` has shown. */
    putBack(username: string, kept: string): Statements;
  }>;

  /** The user may not log in any more. */
  readonly lock: Capability<{ statements(username: string): Statements }>;
  /** Changes something that is no business of a rotation's. */
  readonly alter: Capability<{ statements(username: string): Statements }>;
  /** Ends the function's sessions on the server, which a restart leaves nothing of. */
  endSessions(connection: Session<Statements>, names: Names): Promise<void>;

  /** Whether one logs in to the database that the secret names in `dbname`. */
  readonly entersDatabase: boolean;
  /** A user who is no admin can read the mark at the twin of a pair. Everybody may read one's own. */
  readonly showsMarks: boolean;
  /** The same secret, with what it leaves out said expressly or what it says said in another way. */
  explicit(value: Json): Json;
  /** What AWS's function for two users does after it has made the second one. */
  grantAsAwsDoes(connection: Session<Statements>, names: Names): Promise<void>;
}
