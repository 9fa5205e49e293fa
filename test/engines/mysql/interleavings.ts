/** What people do to accounts of MySQL and MariaDB. */
import type { Names } from '../../crash-matrix/engine.ts';
import type { Hands, Session } from '../../interleavings/hands.ts';
import type { EngineKey } from '../servers.ts';

type Statements = string;

const either = {
  settings: { max_connections: '300' },
  entersDatabase: true,
  showsMarks: false,

  makeUser: ({ username, password }) => `CREATE USER ${username} IDENTIFIED BY '${password}'`,
  setPassword: ({ username, password }) => `ALTER USER ${username} IDENTIFIED BY '${password}'`,
  drop: (username) => `DROP USER ${username}`,

  async dropAll(connection, { base }) {
    const accounts = await connection.run<{ name: string }>(
      `SELECT DISTINCT User AS name FROM mysql.user WHERE LEFT(User, ${base.length}) = '${base}'`,
    );
    for (const { name } of accounts) await connection.run(`DROP USER ${name}`);
  },

  lock: { statements: (username) => `ALTER USER ${username} ACCOUNT LOCK` },
  alter: { statements: (username) => `ALTER USER ${username} WITH MAX_USER_CONNECTIONS 45` },

  async endSessions(connection, { base }) {
    const sessions = await connection.run<{ id: number }>(
      `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE LEFT(USER, ${base.length}) = '${base}' AND DB = '${base}'`,
    );
    for (const { id } of sessions) await connection.run(`KILL ${id}`).catch(() => {}); // it may be gone by itself
  },

  /** https://github.com/aws-samples/aws-secrets-manager-rotation-lambdas: what SHOW GRANTS shows of the one, line by line to the other. */
  async grantAsAwsDoes(connection: Session<Statements>, { base, twin }: Names) {
    const lines = await connection.run<object>(`SHOW GRANTS FOR ${base}`);
    for (const line of lines.map((row) => String(Object.values(row)[0])))
      await connection.run(
        line.replace(/ IDENTIFIED BY PASSWORD '[^']*'/, '').replaceAll(`\`${base}\`@`, `\`${twin}\`@`),
      );
  },
} as const satisfies Omit<Hands<Statements>, 'passwords' | 'explicit'>;

const mysql: Hands<Statements> = {
  ...either,
  discardSecond: (username) => `ALTER USER ${username} DISCARD OLD PASSWORD`,

  passwords: {
    /** A second password stands in the attributes. */
    async read(connection, { base }) {
      const accounts = await connection.run<{ name: string; password: string }>(
        `SELECT User AS name, CONCAT(HEX(authentication_string), ' ', COALESCE(HEX(CAST(User_attributes AS CHAR)), '')) AS password
          FROM mysql.user WHERE LEFT(User, ${base.length}) = '${base}'`,
      );
      return new Map(accounts.map(({ name, password }) => [name, password]));
    },
    putBack(username, kept) {
      const [password, attributes] = kept.split(' ');
      const text = (hex: string | undefined) => `CONVERT(UNHEX('${hex}') USING utf8mb4)`;
      return `UPDATE mysql.user SET authentication_string = ${text(password)},
        User_attributes = ${attributes ? `CAST(${text(attributes)} AS JSON)` : 'NULL'} WHERE User = '${username}'; FLUSH PRIVILEGES`;
    },
  },

  explicit: (value) => ({ ...value, engine: 'aurora-mysql', port: String(value['port']), ssl: 'false' }),
};

const mariadb: Hands<Statements> = {
  ...either,

  passwords: {
    async read(connection, { base }) {
      const accounts = await connection.run<{ name: string; password: string }>(
        `SELECT User AS name, COALESCE(JSON_VALUE(Priv, '$.authentication_string'), '') AS password
          FROM mysql.global_priv WHERE LEFT(User, ${base.length}) = '${base}'`,
      );
      return new Map(accounts.map(({ name, password }) => [name, password]));
    },
    putBack: (username, kept) =>
      `UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.authentication_string', '${kept}') WHERE User = '${username}'; FLUSH PRIVILEGES`,
  },

  explicit: (value) => ({ ...value, port: String(value['port']), ssl: 'false' }),
};

export const hands = (engineKey: EngineKey): Hands<Statements> => (engineKey === 'mariadb' ? mariadb : mysql);
