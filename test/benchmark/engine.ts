/**
 * What the benchmark has to know of an engine to make its floor: what the function asked for, and how
 * to ask for the same with the bare driver.
 */

/** What a message from the client to the server asks for. Undefined for a part of a login. */
export type Asked = { login: string } | { statement: string } | 'goodbye' | undefined;

export interface BenchmarkEngine {
  /** @param name the message's, as the crash matrix's protocol has it */
  asked(name: string, bytes: Buffer): Asked;
  /**
   * Path of the module that exports `floorDriver`, from the root of the repository. It is bundled with
   * the driver, and knows nothing else.
   */
  driver: string;
}

/** The bare driver. */
export type FloorDriver = {
  /** @throws the driver's error, or the server's */
  logIn(secret: SecretJson, as: { username: string; password: string }): Promise<FloorSession>;
  /** In place of what stands in a recorded statement, and is computed from the password. */
  derived: readonly { form: RegExp; from(password: string, found: RegExpMatchArray): string | Promise<string> }[];
};

/** One connection. */
export type FloorSession = { run(statement: string): Promise<unknown>; close(): Promise<unknown> };

/** Of a secret, what says how to reach the database. */
export type SecretJson = { host: string; port: number; dbname: string; ssl: boolean; sslca?: string };
