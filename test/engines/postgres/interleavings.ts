/** What people do to PostgreSQL's roles. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { Hands } from '../../interleavings/hands.ts';

/** The function's, as it names itself to the server. */
const APPLICATION = 'secret-rotation';

export const hands: Hands<string> = {
  settings: { max_connections: '300', log_connections: 'off', log_disconnections: 'off' },

  makeUser: ({ username, password }, admin) =>
    `${admin === undefined ? '' : `SET LOCAL ROLE ${admin};`} CREATE ROLE ${username} LOGIN PASSWORD '${verifierOf(password)}'`,

  setPassword: ({ username, password }) => `ALTER ROLE ${username} PASSWORD '${verifierOf(password)}'`,

  /** Both statements, as a role that owns or may do something cannot be dropped. */
  drop: (username) => `DROP OWNED BY ${username} CASCADE; DROP ROLE ${username}`,

  /** The twin before the base, and both before the admin that granted them something: the newest first. */
  async dropAll(connection, { base }) {
    const roles = await connection.run<{ name: string }>(
      `SELECT rolname AS name FROM pg_roles WHERE starts_with(rolname, '${base}') ORDER BY oid DESC`,
    );
    await connection.run(roles.map(({ name }) => this.drop(name)).join('; '));
  },

  passwords: {
    async read(connection, { base }) {
      const roles = await connection.run<{ name: string; password: string | null }>(
        `SELECT rolname AS name, rolpassword AS password FROM pg_authid WHERE starts_with(rolname, '${base}')`,
      );
      return new Map(roles.map(({ name, password }) => [name, password ?? '']));
    },
    putBack: (username, kept) => `ALTER ROLE ${username} PASSWORD '${kept}'`,
  },

  lock: { statements: (username) => `ALTER ROLE ${username} NOLOGIN` },
  alter: { statements: (username) => `ALTER ROLE ${username} CONNECTION LIMIT 45` },

  async endSessions(connection, { base }) {
    await connection.run(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE starts_with(usename, '${base}') AND application_name = '${APPLICATION}'`,
    );
  },

  entersDatabase: true,
  showsMarks: true,
  explicit: (value) => ({ ...value, engine: 'postgresql', port: String(value['port']), ssl: 'false' }),

  async grantAsAwsDoes(connection, { base, twin }) {
    await connection.run(`GRANT ${base} TO ${twin}`);
  },
};

/** https://www.postgresql.org/docs/current/catalog-pg-authid.html; with one round, for neither side is to spend its time on it. */
function verifierOf(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, 1, 32, 'sha256');
  const key = (name: string) => createHmac('sha256', salted).update(name).digest();
  const stored = createHash('sha256').update(key('Client Key')).digest('base64');
  return `SCRAM-SHA-256$1:${salt.toString('base64')}$${stored}:${key('Server Key').toString('base64')}`;
}
