/** PostgreSQL, as the matrix sees it. */
import type { Address } from '../../../../local/servers/source.ts';
import { ALL_ABILITIES, type Connection, type Engine, type Names } from '../../../crash-matrix/engine.ts';
import type { Who } from '../../../crash-matrix/login.ts';
import { type Selection, TWO_USERS } from '../../../crash-matrix/selection.ts';
import { connect } from '../connection.ts';
import { login } from './login.ts';
import { postgresProtocol } from './protocol.ts';
import { meddling, outOfLine, type Roles, rolesCalled } from './rights.ts';

/** The function's, as it names itself to the server. */
const APPLICATION = 'secret-rotation';

const EVERY_WRITE: Selection = {
  title: 'every write of a rotation is survived: killed, dropped or answered by an error',
  strategy: 'single-user',
  // Those faults that do not take a whole time-out, or a restart.
  chosen: ({ write, id }) => write && /\/(kill-before|kill-after|drop|error)$/.test(id),
  atLeast: 25,
};

export const matrix: Engine<string, Roles> = {
  protocol: postgresProtocol,
  settings: {},
  patience: 1,
  passwordIn: new Set(),
  deniesNormally: new Set(),
  firstLoginAhead: 0,
  selections: [EVERY_WRITE, TWO_USERS],
  login,
  connect: open,
  abilities: async () => ALL_ABILITIES,
  databaseOf: (_: Names, { database }: Address) => database,

  statements: {
    prepare: () => '',

    giveRights: ({ base, admin }, database) => `
      SET ROLE ${admin};
      ALTER ROLE ${base} CREATEDB CONNECTION LIMIT 50;
      ALTER ROLE ${base} SET search_path = ${base}, public;
      ALTER ROLE ${base} IN DATABASE ${database} SET work_mem = '5MB';
      RESET ROLE;
      GRANT pg_read_all_stats TO ${base};
      CREATE SCHEMA ${base} AUTHORIZATION ${base};
      CREATE TABLE ${base}.own (); ALTER TABLE ${base}.own OWNER TO ${base};
      CREATE TABLE ${base}.granted (); GRANT SELECT ON ${base}.granted TO ${base}`,

    drift: ({ base, twin }) => `
      ALTER ROLE ${base} NOCREATEDB; ALTER ROLE ${base} SET work_mem = '6MB'; ALTER ROLE ${base} RESET search_path;
      CREATE TABLE ${base}.left_behind (); ALTER TABLE ${base}.left_behind OWNER TO ${twin};
      GRANT SELECT ON ${base}.own TO ${twin}`,

    changeBase: ({ base }) =>
      `ALTER ROLE ${base} CONNECTION LIMIT 40; ALTER ROLE ${base} SET statement_timeout = '1min'`,

    changeTwin: ({ twin }) => `ALTER ROLE ${twin} CREATEROLE`,

    claimTwin: ({ base, twin, admin }, otherSecret) => `
      SET ROLE ${admin}; CREATE ROLE ${twin} NOLOGIN; RESET ROLE;
      COMMENT ON ROLE ${twin} IS 'secret-rotation: ${JSON.stringify({ secret: otherSecret, base })}'`,

    /** Holds the row of the user; or is about to make it. */
    lock: (username, isThere) =>
      `BEGIN; ${isThere ? `ALTER ROLE ${username} CONNECTION LIMIT -1` : `CREATE ROLE ${username}`}`,

    sessions({ base }, busySince) {
      const busy = `AND state <> 'idle' AND state_change < now() - interval '${busySince} ms'`;
      return `SELECT state, round(extract(epoch FROM clock_timestamp() - state_change) * 1000)::int AS ms FROM pg_stat_activity
        WHERE starts_with(usename, '${base}') AND application_name = '${APPLICATION}' ${busySince > 0 ? busy : ''}`;
    },

    cleanUp: () => '',
  },

  kept: (connection, { base }) => rolesCalled(connection, base),
  meddledWith: meddling,
  outOfLine,

  async actsOtherwise({ base }, _, twin) {
    const [acting] = await twin.run<{ role: string }>('SELECT current_user AS role');
    return acting?.role === base ? [] : [`a session of the twin acts as ${acting?.role}`];
  },
};

async function open({ host, port, database, ...superuser }: Who): Promise<Connection<string>> {
  const client = await connect({ host, port, database, superuser });
  return {
    run: async (statements) => [await client.query(statements)].flat().at(-1)?.rows ?? [],
    end: () => client.end(),
    ended: new Promise((resolve) => client.once('end', resolve)),
  };
}
