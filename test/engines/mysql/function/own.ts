/** What the tests of this engine alone have in common: servers of their own, whose settings they may change. */
import { Bench } from '../../../conformance/bench.ts';
import type { Wire } from '../../../conformance/wires.ts';
import { tls } from '../../../fixtures/tls/tls.ts';
import { describeOwnServers, type SharedServer } from '../../../servers.ts';
import { subject } from '../conformance/subject.ts';

export type Tools = {
  isMariaDb: boolean;
  over(wire: Wire): Bench;
  /** As root. */
  run(statement: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Sets it for sessions that are yet to begin, and back when the test ends. */
  setting(name: string, value: string): Promise<AsyncDisposable>;
  /** The host that the server knows this machine's clients by. */
  clientHost(): Promise<string>;
};

export async function describeOwnMySql(
  name: string,
  tests: (tools: Tools, server: SharedServer) => void,
): Promise<void> {
  await describeOwnServers('mysql', name, { tls }, (server) => tests(toolsOn(server), server));
}

function toolsOn(server: SharedServer): Tools {
  const over = (wire: Wire) => new Bench(server, undefined, wire, subject(server, false));
  const { run } = over('clear text').users;
  return {
    isMariaDb: server.row.startsWith('mariadb'),
    over,
    run,
    async setting(name, value) {
      const [before] = await run(`SELECT @@global.${name} AS it`);
      await run(`SET GLOBAL ${name} = ${value}`);
      return {
        [Symbol.asyncDispose]: async () => void (await run(`SET GLOBAL ${name} = ?`, [before?.['it']])),
      };
    },
    async clientHost() {
      const [row] = await run("SELECT SUBSTRING_INDEX(USER(), '@', -1) AS host");
      return String(row?.['host']);
    },
  };
}
