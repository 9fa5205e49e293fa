/** The superuser's connection to a server, kept open; a new one after a restart. */
import type pg from 'pg';
import { connect } from '../../local/servers/postgres.ts';
import type { ServerDescription } from '../../local/servers/server.ts';

export class Administrator implements AsyncDisposable {
  readonly #server: ServerDescription;
  #connection: Promise<pg.Client> | undefined;

  constructor(server: ServerDescription) {
    this.#server = server;
  }

  async run<Row extends pg.QueryResultRow>(statement: string): Promise<Row[]> {
    this.#connection ??= this.#open();
    return (await (await this.#connection).query<Row>(statement)).rows;
  }

  async #open(): Promise<pg.Client> {
    const client = await connect(this.#server);
    client.once('end', () => {
      this.#connection = undefined;
    });
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#connection)?.end();
  }
}
