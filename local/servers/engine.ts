/** What differs between the servers of one engine and another's, wherever they come from; one module each says it. */
import { randomBytes } from 'node:crypto';
import type { Row } from './row.ts';
import type { Address, Settings, Started, Unavailable } from './source.ts';
import type { Users } from './users.ts';

export interface ServerEngine {
  /** One for each version, by the name that test/engines gives it; the newest first. */
  readonly rows: Readonly<Record<string, Row>>;
  /** Beside an address and Docker: programs on this machine's PATH, and those that npm brings. */
  readonly programs: Readonly<Partial<Record<'path' | 'embedded', Source>>>;
  /** What people do there, past the function. */
  users(server: Address): Users;

  readonly defaultPort: number;
  /** Whom a new server has, and a database that every server has. */
  readonly superuser: string;
  readonly database: string;

  /**
   * For the official image and those that behave like it.
   * @param variables what the image itself has in its environment: the official one says there what is in it
   */
  container(address: Address, settings: Settings, variables: readonly string[]): Container;
  /**
   * Where a server in a container logs: to a file in it, which has everything at once, or to the container's output, which
   * Docker hands on a little later, in order. `mark` writes such a line: what stood before it is there when it is.
   */
  readonly containerLog: { file: string } | { mark(address: Address, marker: string): Promise<void> };

  /** One attempt, as the superuser. */
  identify(address: Address): Promise<Identity>;
  /** Whether what `identify` threw is the server's answer to the superuser's password: then there is nothing to wait for. */
  isRefusal(error: unknown): boolean;

  /** Of a server that was started here and answers: what is left to do before clients can use it. One attempt, repeatable. */
  complete?(address: Address): Promise<void>;

  /** With TLS it takes no plain text. */
  readonly tlsOnly?: true;
  /** Where `container` has not done it already. Resolves when clients may use TLS. */
  turnOnTls?(address: Address, tls: NonNullable<Settings['tls']>): Promise<void>;
}

/** Where a server of this engine and row can come from. */
export type Source = (engine: ServerEngine, row: Row, settings: Settings) => Promise<Started | Unavailable>;

/** As the server says itself. */
export type Identity = {
  product: string;
  /** `18.1` */
  version: string;
  /** Why its log does not tell whose a login was, as a sentence; absent where it does. */
  namesNobody?: string;
};

export type Container = {
  environment: Readonly<Record<string, string>>;
  command: string[];
  /** Put there before it starts. */
  files?: { target: string; content: string; mode?: number }[];
};

/** Of a server that is to be started. */
export function newAddress(engine: ServerEngine, { tls }: Settings, host: string, port: number): Address {
  const superuser = { username: engine.superuser, password: randomBytes(18).toString('base64url') };
  return { host, port, database: engine.database, superuser, ...(tls && engine.tlsOnly && { tlsOnly: true }) };
}
