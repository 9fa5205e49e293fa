/** What an engine must do, tested on one server: each duty over each wire. */
import { afterAll, describe } from '@jest/globals';
import { NoServer, type Server, type ServerOptions, startServer } from '../../local/servers/server.ts';
import { absent } from '../absent.ts';
import { engines } from '../engines/engines.ts';
import { type RowName, rows } from '../engines/servers.ts';
import { tls } from '../fixtures/tls/tls.ts';
import { type SharedServer, servers } from '../servers.ts';
import { Bench } from './bench.ts';
import { admins } from './duties/admins.ts';
import { alone } from './duties/alone.ts';
import { deadlines } from './duties/deadlines.ts';
import { logins } from './duties/logins.ts';
import { names } from './duties/names.ts';
import { overlap } from './duties/overlap.ts';
import { passwords } from './duties/passwords.ts';
import { rehearsal } from './duties/rehearsal.ts';
import { sessions } from './duties/sessions.ts';
import { silence } from './duties/silence.ts';
import { strategies } from './duties/strategies.ts';
import { tlsVerified } from './duties/tls.ts';
import { twins } from './duties/twins.ts';
import { DUTIES, type DutyName } from './duty-names.ts';
import type { Wire } from './wires.ts';

/** Registers the duty's tests. */
export type Duty = (bench: Bench) => void;

const duties: Record<DutyName, Duty> = {
  login: logins,
  'own password': passwords,
  'password by an admin': admins,
  'one at a time': alone,
  'names and passwords': names,
  twins,
  overlap,
  rehearsal,
  TLS: tlsVerified,
  deadlines,
  sessions,
  silence,
  strategies,
};

/**
 * On a server with TLS that no other test file uses, and beside it one without where it then takes no plain text; or, where none can be started, on the
 * shared one, and what needs more is skipped by name. A test's title begins with row, duty and wire: the support matrix is made of that.
 */
export async function conform(row: RowName): Promise<void> {
  const start = (settings: ServerOptions) =>
    startServer(row, { ...settings, from: ['docker', 'path', 'embedded'] }).catch(orAbsent);
  const own = await start({ tls });
  const server = 'remedy' in own ? servers[row] : own;
  if ('remedy' in server) return describe(row, () => absent(row, server.remedy));
  const isShared = 'remedy' in own ? `it needs a server of its own: ${own.remedy}` : undefined;
  const second = server.tlsOnly ? await start({}) : undefined;
  const plain = second ?? server;
  if ('remedy' in plain) throw plain;
  const benchOf = async (wire: Wire, on: SharedServer) =>
    new Bench(on, isShared, wire, await engines[rows[row].engine].subject(on, isShared !== undefined));
  const benches = [
    ...(isShared === undefined ? [await benchOf('TLS', server)] : []),
    await benchOf('clear text', plain),
  ];
  describe(row, () => {
    afterAll(async () => {
      for (const started of [own, second]) if (started && !('remedy' in started)) await started.stop();
    });
    for (const duty of DUTIES)
      for (const bench of benches) describe(duty, () => describe(bench.wire, () => duties[duty](bench)));
    if (isShared !== undefined) absent(`${row} over TLS`, isShared);
  });
}

function orAbsent(error: unknown): NoServer | Server {
  if (error instanceof NoServer) return error;
  throw error;
}
