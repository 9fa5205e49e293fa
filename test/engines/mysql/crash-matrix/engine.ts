/** MySQL and MariaDB, as the matrix sees them. */
import {
  type Abilities,
  ALL_ABILITIES,
  type Connection,
  type Engine,
  type Names,
} from '../../../crash-matrix/engine.ts';
import type { Who } from '../../../crash-matrix/login.ts';
import { OWN_PASSWORD, type Selection, TWO_USERS } from '../../../crash-matrix/selection.ts';
import type { EngineKey } from '../../servers.ts';
import { connect } from '../connection.ts';
import { login } from './login.ts';
import { mysqlProtocol } from './protocol.ts';
import { type Accounts, accountsCalled, meddling, outOfLine } from './rights.ts';

const abilities: Abilities = {
  ...ALL_ABILITIES,
  showsRights: {
    unsupported:
      'a session of the twin does not see the base’s rights, so what a person gives the base after setSecret waits for its next turn',
  },
};

/** What the two have in common. */
const either = {
  protocol: mysqlProtocol,
  patience: 2,
  // Whether a session may look into mysql.user, for other accounts of a name and for the base, it finds out by looking.
  deniesNormally: new Set(['ERR:1142']),
  login,
  databaseOf: ({ base }: Names) => base,
  meddledWith: meddling,
  outOfLine,

  async actsOtherwise(_: Names, base: Connection<string>, twin: Connection<string>) {
    const [ofBase, ofTwin] = await Promise.all(
      [base, twin].map(async (session) => (await session.run<object>('SELECT CURRENT_ROLE()')).map(Object.values)),
    );
    return String(ofBase) === String(ofTwin)
      ? []
      : [`a session of the twin has the role ${ofTwin}, the base’s ${ofBase}`];
  },
} as const;

/** A plain user reaches no database before it has a right in it. */
const prepare = ({ base }: Names) =>
  `CREATE DATABASE ${base}; CREATE TABLE ${base}.granted (a INT, b INT); GRANT SELECT ON ${base}.* TO ${base}`;

const giveRights = ({ base, admin }: Names) => `
  CREATE PROCEDURE ${base}.routine() SELECT 1;
  GRANT INSERT, DELETE ON ${base}.granted TO ${base};
  GRANT UPDATE (a) ON ${base}.granted TO ${base};
  GRANT EXECUTE ON PROCEDURE ${base}.routine TO ${base};
  GRANT CREATE VIEW ON ${base}.* TO ${base} WITH GRANT OPTION;
  GRANT PROCESS ON *.* TO ${base};
  CREATE ROLE ${roleOf(base)};
  GRANT ALTER ON ${base}.* TO ${roleOf(base)};
  GRANT ${roleOf(base)} TO ${base};
  GRANT ${roleOf(base)} TO ${admin} WITH ADMIN OPTION;
  ALTER USER ${base} WITH MAX_USER_CONNECTIONS 50`;

const statements = {
  prepare,

  drift: ({ base, twin }: Names) => `
    REVOKE DELETE ON ${base}.granted FROM ${base};
    GRANT INDEX ON ${base}.granted TO ${base};
    ALTER USER ${base} WITH MAX_USER_CONNECTIONS 60;
    GRANT TRIGGER ON ${base}.granted TO ${twin}`,

  changeBase: ({ base }: Names) =>
    `GRANT CREATE ON ${base}.* TO ${base}; ALTER USER ${base} WITH MAX_USER_CONNECTIONS 40`,

  changeTwin: ({ base, twin }: Names) => `GRANT DROP ON ${base}.* TO ${twin}`,

  /** Beginning with the base's name, it would be taken for a user that the rotation made. */
  cleanUp: ({ base }: Names) => `DROP DATABASE IF EXISTS ${base}; DROP ROLE IF EXISTS ${roleOf(base)}`,

  sessions({ base }: Names, busySince: number) {
    const busy = `AND COMMAND <> 'Sleep' AND TIME * 1000 > ${busySince}`;
    return `SELECT COMMAND AS state, TIME * 1000 AS ms FROM information_schema.PROCESSLIST
      WHERE LEFT(USER, ${base.length}) = '${base}' AND DB = '${base}' ${busySince > 0 ? busy : ''}`;
  },
} as const;

function roleOf(base: string): string {
  return `role_of_${base}`;
}

const KEPT_PASSWORD: Selection = {
  ...OWN_PASSWORD,
  title: 'whatever happens to the change of one of two passwords, both are the right two',
  strategy: 'dual-password',
};

const mysql: Engine<string, Accounts> = {
  ...either,
  // The fewest there can be: it is the prober that has them computed again and again.
  settings: { general_log: '0', caching_sha2_password_digest_rounds: '5000' },
  abilities: async () => abilities,
  // REPLACE and RETAIN go with passwords only, and a user may not send a hash.
  passwordIn: new Set(['Query:ALTER']),
  firstLoginAhead: 150, // caching_sha2_password
  selections: [OWN_PASSWORD, { ...TWO_USERS, atLeast: 10 }, KEPT_PASSWORD],
  connect: (who) => open(who, 'SET SESSION print_identified_with_as_hex = ON'),
  statements: {
    ...statements,
    /** What a user needs to keep a second password of its own. */
    prepare: (names, strategy) =>
      `${prepare(names)}; ${strategy === 'dual-password' ? `GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ${names.base}` : 'DO 0'}`,
    claimTwin: ({ base, twin }, otherSecret) =>
      `CREATE USER ${twin} ACCOUNT LOCK ATTRIBUTE '${JSON.stringify({ 'secret-rotation': { secret: otherSecret, base } })}'`,
    giveRights: (names) => `${giveRights(names)}; SET DEFAULT ROLE ${roleOf(names.base)} TO ${names.base}`,
    lock: () => 'LOCK TABLES mysql.user READ',
  },
  kept: (connection, { base }) =>
    accountsCalled(
      connection,
      base,
      `SELECT User AS user, Host AS host, CONCAT(HEX(authentication_string), ' ',
        COALESCE(HEX(JSON_UNQUOTE(User_attributes->'$.additional_password')), '')) AS password FROM mysql.user`,
    ),
};

const mariadb: Engine<string, Accounts> = {
  ...either,
  settings: { general_log: '0' },
  abilities: async () => ({
    ...abilities,
    marksTwins: { unsupported: 'an account has no place for a mark, so no twin is another secret’s' },
  }),
  passwordIn: new Set(),
  firstLoginAhead: 0,
  selections: [OWN_PASSWORD],
  connect: (who) => open(who),
  statements: {
    ...statements,
    claimTwin: ({ twin }) => `CREATE USER ${twin} ACCOUNT LOCK`,
    giveRights: (names) => `${giveRights(names)}; SET DEFAULT ROLE ${roleOf(names.base)} FOR ${names.base}`,
    lock: () => 'LOCK TABLES mysql.global_priv READ',
  },
  kept: (connection, { base }) =>
    accountsCalled(
      connection,
      base,
      `SELECT User AS user, Host AS host, JSON_VALUE(Priv, '$.authentication_string') AS password FROM mysql.global_priv
        WHERE COALESCE(JSON_VALUE(Priv, '$.is_role'), 0) = 0`,
    ),
};

export function matrix(engineKey: EngineKey): Engine<string, Accounts> {
  return engineKey === 'mariadb' ? mariadb : mysql;
}

async function open({ host, port, database, ...superuser }: Who, first = ''): Promise<Connection<string>> {
  const client = await connect({ host, port, database, superuser });
  const ended = new Promise<void>((resolve) => {
    client.once('end', resolve);
    client.once('error', () => resolve());
  });
  if (first) await client.query(first);
  return {
    async run<Row>(statements: string) {
      const [results] = await client.query(statements);
      // Of several statements an array of each one's rows.
      const last = Array.isArray(results) && Array.isArray(results.at(-1)) ? results.at(-1) : results;
      return (Array.isArray(last) ? last : []) as Row[];
    },
    end: () => client.end(),
    ended,
  };
}
