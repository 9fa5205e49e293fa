/** MongoDB, and servers that speak its protocol, as the matrix sees them. */
import { randomUUID } from 'node:crypto';
import type { Document } from 'mongodb';
import type { Abilities, Ability, Connection, Engine, Names } from '../../../crash-matrix/engine.ts';
import type { Who } from '../../../crash-matrix/login.ts';
import { OWN_PASSWORD, type Selection } from '../../../crash-matrix/selection.ts';
import { connect, isOneOf } from '../connection.ts';
import { login } from './login.ts';
import { mongodbProtocol } from './protocol.ts';
import { meddling, outOfLine, type Users, usersCalled } from './rights.ts';

/** In the database of users. */
type Commands = readonly Document[];

/** The function's, as it names itself to the server. */
const APPLICATION = 'secret-rotation';

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const CODES = { badValue: 2, userNotFound: 11, typeMismatch: 14 } as const;

const MADE_AND_SET: Selection = {
  title: 'alternating users survive a kill around the commands that make the twin and set a password',
  strategy: 'alternating-users',
  chosen: ({ id }) => /setSecret\/db2\/→Query:(createUser|updateUser-pwd)#1\/kill-(before|after)$/.test(id),
  atLeast: 8,
};

export const matrix: Engine<Commands, Users> = {
  protocol: mongodbProtocol,
  settings: {},
  patience: 1,
  // There is no other way to say a password.
  passwordIn: new Set(['Query:createUser', 'Query:updateUser-pwd']),
  // What the server knows of users, and what a session may see of them, is found out by asking: BadValue, UserNotFound, Unauthorized, TypeMismatch.
  deniesNormally: new Set(['ERR:2', 'ERR:11', 'ERR:13', 'ERR:14']),
  firstLoginAhead: 0,
  selections: [OWN_PASSWORD, MADE_AND_SET],
  /**
   * What is refused is tried once more: FerretDB looks the user up for each of the two messages, so a login during which the same password is set
   * again fails, as the salt has changed.
   */
  async login(who: Who) {
    const first = await login(who);
    return first.verdict === 'refused' ? login(who) : first;
  },
  connect: open,
  abilities,
  databaseOf: () => 'admin',

  statements: {
    prepare: ({ base }) => [
      {
        createRole: roleOf(base),
        privileges: [{ resource: { db: base, collection: 'granted' }, actions: ['find'] }],
        roles: [],
      },
    ],

    giveRights: ({ base }) => [
      granting(base, { role: roleOf(base), db: 'admin' }, { role: 'readWrite', db: base }, MONITOR),
      {
        updateUser: base,
        customData: { team: 'billing' },
        authenticationRestrictions: [{ clientSource: ['0.0.0.0/0', '::/0'] }],
      },
    ],

    drift: ({ base, twin }) => [
      { revokeRolesFromUser: base, roles: [MONITOR] },
      granting(base, { role: 'read', db: `${base}_reports` }),
      { updateUser: base, customData: { team: 'payments' }, authenticationRestrictions: [] },
      granting(twin, { role: 'readWrite', db: `${base}_reports` }),
    ],

    changeBase: ({ base }) => [
      granting(base, { role: 'dbAdmin', db: base }),
      { updateUser: base, customData: { team: 'ledger' } },
    ],

    changeTwin: ({ base, twin }) => [granting(twin, { role: 'dbAdmin', db: `${base}_reports` })],

    claimTwin: ({ base, twin }, otherSecret) => [
      {
        createUser: twin,
        pwd: randomUUID(),
        roles: [],
        customData: { 'secret-rotation': { secret: otherSecret, base } },
      },
    ],

    /** No session can hold one user: all that is written waits, https://www.mongodb.com/docs/manual/reference/command/fsync/ */
    lock: () => [{ fsync: 1, lock: true }],

    sessions: ({ base }, busySince) => [
      currentOperations(
        { $match: { appName: APPLICATION, 'effectiveUsers.user': { $regex: `^${base}` } } },
        ...(busySince > 0 ? [{ $match: { active: true, microsecs_running: { $gt: 1000 * busySince } } }] : []),
        {
          $project: {
            _id: 0,
            state: { $cond: ['$active', 'active', 'idle'] },
            ms: { $divide: [{ $toDouble: { $ifNull: ['$microsecs_running', 0] } }, 1000] },
          },
        },
      ),
    ],

    cleanUp: ({ base }) => [{ dropRole: roleOf(base) }],
  },

  kept: (connection, { base }, { showsPasswords }) => usersCalled(connection, base, showsPasswords === 'supported'),
  meddledWith: meddling,
  outOfLine,

  async actsOtherwise(_: Names, base, twin) {
    const rolesOf = async (session: Connection<Commands>) => {
      const [status] = await session.run<Document>([{ connectionStatus: 1 }]);
      return status?.['authInfo'].authenticatedUserRoles.map(({ role, db }: Document) => `${role} of ${db}`).sort();
    };
    const [ofBase, ofTwin] = [await rolesOf(base), await rolesOf(twin)];
    return String(ofBase) === String(ofTwin)
      ? []
      : [`a session of the twin has the roles ${ofTwin}, the base’s ${ofBase}`];
  },
};

const MONITOR = { role: 'clusterMonitor', db: 'admin' };

function roleOf(base: string): string {
  return `role_of_${base}`;
}

function granting(user: string, ...roles: Document[]): Document {
  return { grantRolesToUser: user, roles };
}

/** Of idle connections, too: https://www.mongodb.com/docs/manual/reference/operator/aggregation/currentOp/ */
function currentOperations(...stages: Document[]): Document {
  const all = { $currentOp: { allUsers: true, idleConnections: true } };
  return { aggregate: 1, pipeline: [all, ...stages], cursor: {} };
}

async function open({ username, password, ...server }: Who): Promise<Connection<Commands>> {
  const client = await connect({ ...server, superuser: { username, password } });
  let underWay: Promise<unknown> = Promise.resolve();
  const ended = new Promise<void>((resolve) => {
    client.once('connectionClosed', () => {
      resolve();
      // The driver makes another connection for what is asked for by then; a client that is closed would fail it.
      underWay.then(
        () => client.close(),
        () => client.close(),
      );
    });
  });
  const run = async (command: Document) => {
    const answer = client.db('admin').command(command);
    underWay = answer;
    const { cursor, users, ...reply } = await answer;
    return cursor?.firstBatch ?? users ?? [reply];
  };
  let isLocked = false;
  return {
    async run(commands) {
      let rows = [];
      for (const command of commands) {
        rows = await run(command);
        isLocked ||= command['lock'] === true;
      }
      return rows;
    },
    async end() {
      if (isLocked) await run({ fsyncUnlock: 1 });
      await client.close();
    },
    ended,
  };
}

async function abilities(connection: Pick<Connection<Commands>, 'run'>): Promise<Abilities> {
  const [known] = await connection.run<{ commands: Document }>([{ listCommands: 1 }]);
  const knows = (command: string) => command in (known?.commands ?? {});
  const operations = await connection.run<Document>([currentOperations()]);
  const given = (is: boolean, unsupported: string): Ability => (is ? 'supported' : { unsupported });
  const changesRights = knows('grantRolesToUser');
  return {
    marksTwins: given(
      // Who takes what is no document, too, never looks at it.
      (await takes(connection, { updateUser: randomUUID(), customData: {} })) &&
        !(await takes(connection, { updateUser: randomUUID(), customData: 'no document' })),
      'users have no place for a mark, so no twin is another secret’s',
    ),
    changesRights: given(changesRights, 'a user’s roles cannot be changed, so a twin has nothing to catch up with'),
    showsRights: given(
      !changesRights,
      'a session of the twin sees its own roles only, so what a person gives the base after setSecret waits for its next turn',
    ),
    locksUsers: given(knows('fsyncUnlock'), 'no session can keep another one from changing a user'),
    showsSessions: given(
      operations.some(({ effectiveUsers }) => effectiveUsers !== undefined),
      'whose a session is, is not visible: the connections that the server had not closed were counted, by the proxy',
    ),
    showsPasswords: given(
      await takes(connection, { usersInfo: 1, showCredentials: true }),
      'what is kept of passwords is not visible: that no other one has changed was seen by logging in',
    ),
  };
}

/** Whether the server knows all that is in this command. */
async function takes(connection: Pick<Connection<Commands>, 'run'>, command: Document): Promise<boolean> {
  try {
    await connection.run([command]);
    return true;
  } catch (error) {
    if (!isOneOf(CODES.badValue, CODES.typeMismatch, CODES.userNotFound)(error)) throw error;
    return error.code === CODES.userNotFound;
  }
}
