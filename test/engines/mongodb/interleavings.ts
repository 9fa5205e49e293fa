/** What people do to users of MongoDB, and of servers that speak its protocol. */
import type { Document } from 'mongodb';
import type { Hands } from '../../interleavings/hands.ts';

export const hands: Hands<readonly Document[]> = {
  settings: {},

  drop: (username) => [{ dropUser: username }],

  async dropAll(connection, { base }) {
    // FerretDB may list a user that is being dropped without its name.
    const users = await connection.run<{ user?: string }>([{ usersInfo: 1 }]);
    for (const { user } of users) if (user?.startsWith(base)) await connection.run([{ dropUser: user }]);
  },

  passwords: { unsupported: 'what the server keeps of a password cannot be put back' },
  lock: { unsupported: 'a user cannot be locked there' },
  alter: { unsupported: 'a user has nothing there that is no business of a rotation’s' },

  /** The server lets go of a session with its connection. */
  async endSessions() {},

  entersDatabase: false,
  showsMarks: false,
  explicit: (value) => ({
    ...value,
    engine: 'mongodb',
    port: String(value['port']),
    ssl: 'false',
    authSource: 'admin',
  }),

  /** https://github.com/aws-samples/aws-secrets-manager-rotation-lambdas: with the roles of the first one. */
  async grantAsAwsDoes(connection, { base, twin }) {
    const [user] = await connection.run<Document>([{ usersInfo: base }]);
    if (user?.['roles'].length > 0) await connection.run([{ grantRolesToUser: twin, roles: user?.['roles'] }]);
  },
};
