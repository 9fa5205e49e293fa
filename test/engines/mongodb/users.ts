import type { Document } from 'mongodb';
import type { Address } from '../../../local/servers/source.ts';
import type { Login, Logins, Users } from '../../../local/servers/users.ts';
import { CODES, connect, isOneOf, unlessUnknownCommand } from './connection.ts';
import { evaluate } from './mongosh.ts';

const ROLE_EXISTS = 51002;

/** No user of MongoDB may do so unless it has a role for that. */
export const CHANGES_OWN_PASSWORD = {
  createRole: 'changeOwnPassword',
  privileges: [{ resource: { db: 'admin', collection: '' }, actions: ['changeOwnPassword'] }],
  roles: [],
};

/** Of a login that came to its end, https://www.mongodb.com/docs/manual/reference/log-messages/ */
const [SUCCEEDED, FAILED] = [5286306, 5286307];

/**
 * MongoDB's log has a document a line. Counted by connection: a driver that begins to log in with its first message may fail with that alone, and go
 * on.
 */
export function loginsIn(log: string, isOurs: (login: Document) => boolean): Logins {
  const ends = log
    .split('\n')
    .filter((line) => line.includes(`"id":${SUCCEEDED},`) || line.includes(`"id":${FAILED},`))
    .map((line) => JSON.parse(line))
    .filter(({ attr }) => isOurs(attr));
  const clientsOf = (which: number) => new Set(ends.flatMap(({ id, attr }) => (id === which ? [attr.client] : [])));
  const accepted = clientsOf(SUCCEEDED);
  const failed = [...clientsOf(FAILED)].filter((client) => !accepted.has(client));
  return { accepted: accepted.size, failed: failed.length };
}

export function mongodbUsers(server: Address): Users {
  const command = async (document: Document): Promise<Document> => {
    await using superuser = await connect(server);
    return await superuser.db('admin').command(document);
  };
  const lasting = { writeConcern: { w: 'majority' } };
  const createUser = ({ username, password }: Login, roles: string[]) =>
    command({ createUser: username, pwd: password, roles, ...lasting });

  /** @returns the roles of whoever may do nothing but that; none where the server has no roles to make */
  const ofAnybody = async (): Promise<string[]> => {
    try {
      await command(CHANGES_OWN_PASSWORD);
    } catch (error) {
      if (!isOneOf(ROLE_EXISTS)(error)) return unlessUnknownCommand(error) ?? [];
    }
    return [CHANGES_OWN_PASSWORD.createRole];
  };

  return {
    async run(statement: string) {
      await using superuser = await connect(server);
      return [await evaluate(superuser, statement)];
    },

    async createUser(user: Login) {
      await createUser(user, await ofAnybody());
    },

    /** No `root`, as on Atlas: https://www.mongodb.com/docs/atlas/security-add-mongodb-users/ */
    async createAdmin(admin: Login) {
      await createUser(admin, ['userAdminAnyDatabase', 'readWriteAnyDatabase']);
    },

    async setPassword({ username, password }: Login) {
      await command({ updateUser: username, pwd: password, ...lasting });
    },

    async dropUser(username: string) {
      const { users = [] } = await command({ usersInfo: username });
      if (users.length > 0) await command({ dropUser: username, ...lasting });
    },

    async stored(part: string) {
      const all = async (more = {}): Promise<Document[]> => (await command({ usersInfo: 1, ...more }))['users'] ?? [];
      const users = await all({ showCredentials: true }).catch((error) => {
        if (isOneOf(CODES.badValue, CODES.typeMismatch)(error)) return all();
        throw error;
      });
      return users.filter(({ user }) => user.includes(part)).toSorted((a, b) => (a['user'] < b['user'] ? -1 : 1));
    },

    loginsIn: (log: string, username: string) => loginsIn(log, ({ user }) => user === username),

    async logIn({ username, password }: Login) {
      try {
        await using _ = await connect({ ...server, superuser: { username, password } });
        return 'accepted';
      } catch (error) {
        if (isOneOf(CODES.authenticationFailed)(error)) return 'refused';
        throw error;
      }
    },
  };
}
