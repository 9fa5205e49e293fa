/** The superuser's connection to a server, kept open; a new one after a restart. */
import type { Server, ServerDescription } from '../../local/servers/server.ts';
import type { Abilities, Connection, Engine } from './engine.ts';

/** A server that is the crash matrix's own. */
export type Stand = { server: Server; administrator: Administrator; abilities: Abilities };

export class Administrator implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #server: ServerDescription;
  #connection: Promise<Connection> | undefined;

  constructor(engine: Engine, server: ServerDescription) {
    this.#engine = engine;
    this.#server = server;
  }

  /** One statement or several, in the engine's own language; the rows of the last. */
  async run<Row>(statements: unknown): Promise<Row[]> {
    this.#connection ??= this.#open();
    return (await this.#connection).run<Row>(statements);
  }

  async #open(): Promise<Connection> {
    const connection = await this.connect();
    connection.ended.then(() => {
      this.#connection = undefined;
    });
    return connection;
  }

  /** Another one, for whoever ends it. */
  async connect(): Promise<Connection> {
    const { superuser, ...server } = this.#server;
    return this.#engine.connect({ ...server, ...superuser });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#connection)?.end();
  }
}
