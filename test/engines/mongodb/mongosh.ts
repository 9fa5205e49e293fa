/** Of mongosh's language, what people are told to run about users: `db.getSiblingDB("admin").updateUser("app", { … })`. */
import { createContext, runInContext } from 'node:vm';
import type { Document, MongoClient } from 'mongodb';

/** How each becomes a command, https://www.mongodb.com/docs/manual/reference/method/js-user-management/ */
const METHODS: Readonly<Record<string, (...values: never[]) => Document>> = {
  runCommand: (command: Document) => command,
  createUser: ({ user, ...fields }: Document) => ({ createUser: user, ...fields }),
  updateUser: (updateUser: string, fields: Document) => ({ updateUser, ...fields }),
  dropUser: (dropUser: string) => ({ dropUser }),
  grantRolesToUser: (grantRolesToUser: string, roles: Document[]) => ({ grantRolesToUser, roles }),
  revokeRolesFromUser: (revokeRolesFromUser: string, roles: Document[]) => ({ revokeRolesFromUser, roles }),
  createRole: ({ role, ...fields }: Document) => ({ createRole: role, ...fields }),
  dropRole: (dropRole: string) => ({ dropRole }),
};

type Database = Record<string, (...values: never[]) => Promise<Document> | Database>;

/** One statement. `db` is `admin`. @returns the server's answer */
export async function evaluate(client: MongoClient, statement: string): Promise<Document> {
  const database = (name: string): Database => ({
    getSiblingDB: database,
    ...Object.fromEntries(
      Object.entries(METHODS).map(([method, commandOf]) => [
        method,
        (...values: never[]) => client.db(name).command(commandOf(...values)),
      ]),
    ),
  });
  return runInContext(statement, createContext({ db: database('admin') }));
}
