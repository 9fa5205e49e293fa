import { randomUUID } from 'node:crypto';
import type { DemoEngine, Visitor } from '../../../local/demo/engine.ts';
import { usersOf } from '../servers.ts';
import { CODES, connect, isOneOf, unlessUnknownCommand } from './connection.ts';
import { CHANGES_OWN_PASSWORD, loginsIn } from './users.ts';

const DATABASE: Visitor = 'application';
/** The user's, where there are roles. */
const ROLE = CHANGES_OWN_PASSWORD.createRole;

export const demo: DemoEngine = {
  origin:
    'The MongoDB server comes from Docker or is a mongod on PATH; or MONGODB_URL names one that is there\n' +
    '(mongodb://root:password@host:port), where the users, the role and the database of the demo are dropped again.',
  work: 'replaces a document',
  options: { from: ['address', 'docker', 'path'] },

  async prepare(server, { admin, user }, _strategy, cleanUp) {
    const users = usersOf(server);
    const roles = await users.run(`db.runCommand({ rolesInfo: "${ROLE}" })`).catch(unlessUnknownCommand);
    const isNew = roles?.every((answer) => Array.isArray(answer['roles']) && answer['roles'].length === 0);
    if (isNew) cleanUp.defer(async () => void (await users.run(`db.dropRole("${ROLE}")`)));
    for (const [{ username }, create] of [
      [admin, () => users.createAdmin(admin)],
      [user, () => users.createUser(user)],
    ] as const) {
      await create();
      cleanUp.defer(() => users.dropUser(username));
    }
    cleanUp.defer(() => users.dropUser(`${user.username}_clone`)); // alternating users make it
    cleanUp.defer(async () => void (await users.run(`db.getSiblingDB("${DATABASE}").runCommand({ dropDatabase: 1 })`)));
    const rights = [{ role: 'readWrite', db: DATABASE }];
    const grant = `db.grantRolesToUser(${JSON.stringify(user.username)}, ${JSON.stringify(rights)})`;
    await users.run(grant).catch(unlessUnknownCommand); // where there are no roles, everybody may write
  },

  /** Asked by changing that of a user who is not there, to a document and to what is none: who takes both keeps neither. */
  async hasMarks(server) {
    const takes = (customData: unknown) =>
      usersOf(server)
        .run(`db.updateUser(${JSON.stringify(randomUUID())}, ${JSON.stringify({ customData })})`)
        .then(() => true, isOneOf(CODES.userNotFound));
    return (await takes({})) && !(await takes('no document'));
  },

  async login(server, visitor, superuser, isToWork) {
    try {
      await using client = await connect({ ...server, superuser }, { appName: visitor });
      if (isToWork) {
        const latest = client.db(DATABASE).collection<{ _id: number }>('latest');
        await latest.replaceOne({ _id: 1 }, { at: new Date(), by: superuser.username }, { upsert: true });
      }
      return 'accepted';
    } catch (error) {
      return isOneOf(CODES.authenticationFailed)(error) ? 'refused' : 'unreachable';
    }
  },

  /** The name of each connection's application is written down before its login. */
  loginsOfFunction(log) {
    const ofFunction = new Set(
      log.split('\n').flatMap((line) => {
        const isOurs = line.includes('"msg":"client metadata"') && line.includes('"name":"secret-rotation"');
        return isOurs ? [JSON.parse(line).attr.remote] : [];
      }),
    );
    return loginsIn(log, ({ client }) => ofFunction.has(client));
  },
};
