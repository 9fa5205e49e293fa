/** MongoDB, as a subject of the tests of an engine's duties, and a server in its place: what such a one cannot do it is asked. */
import type { Socket } from 'node:net';
import { saslprep } from '@mongodb-js/saslprep';
import { BSON, type Document } from 'mongodb';
import { mongodb as engine } from '../../../../functions/mongodb/engine.ts';
import { eventually } from '../../../conformance/eventually.ts';
import { says } from '../../../conformance/relay.ts';
import type { Held, OrNone, Subject } from '../../../conformance/subject.ts';
import { unique } from '../../../conformance/unique.ts';
import type { SharedServer } from '../../../servers.ts';
import { rows, usersOf } from '../../servers.ts';
import { CODES, connect, isOneOf, isPrimary } from '../connection.ts';
import { answering, error, isHello, lettingIn, message, PRIMARY, reply } from '../fake.ts';

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const LOGIN_CODES = {
  2: 'DatabaseError',
  6: 'DatabaseError',
  11: 'DatabaseError',
  13: 'PrivilegeError',
  18: 'LoginRefusedError',
  59: 'DatabaseError',
  91: 'ConnectionError',
  211: 'DatabaseError',
  334: 'DatabaseError',
  8000: 'DatabaseError',
  9999: 'DatabaseError',
  10107: 'ReadOnlyServerError',
  11600: 'ConnectionError',
  13435: 'ReadOnlyServerError',
  13436: 'ReadOnlyServerError',
};
const STATEMENT_CODES = {
  2: 'PasswordPolicyError',
  11: 'DatabaseError',
  13: 'PrivilegeError',
  18: 'DatabaseError',
  50: 'DeadlineError',
  59: 'DatabaseError',
  64: 'ConnectionError',
  79: 'DatabaseError',
  91: 'ConnectionError',
  100: 'ConnectionError',
  189: 'ConnectionError',
  262: 'DeadlineError',
  9999: 'DatabaseError',
  10107: 'ReadOnlyServerError',
  11600: 'ConnectionError',
  11602: 'ConnectionError',
  13435: 'ReadOnlyServerError',
  13436: 'ReadOnlyServerError',
  50687: 'PasswordPolicyError',
  51003: 'DatabaseError',
};
/** Of a login and a change: what fails is, one after the other, each command of both. */
const STATEMENTS = 5;

/** PostgreSQL's, in which FerretDB keeps its users: longer ones it cuts. */
const LONGEST_OF_FERRETDB = 63;

/** What is asked of the server, as others speak MongoDB's protocol too, and can less. */
type Abilities = { commands: ReadonlySet<string>; enforcesRoles: boolean; restricts: boolean; tellsSessions: boolean };

async function abilitiesOf(server: SharedServer): Promise<Abilities> {
  const users = usersOf(server);
  await using superuser = await connect(server);
  const admin = superuser.db('admin');
  const { commands } = await admin.command({ listCommands: 1 });
  const nobody = { username: unique('nobody'), password: unique('password') };
  await users.createUser(nobody);
  try {
    await using client = await connect({ ...server, superuser: nobody });
    const change = { updateUser: unique('missing'), pwd: unique() };
    const denied = await client.db('admin').command(change).catch(isOneOf(CODES.unauthorized));
    const restriction = { updateUser: unique('missing'), authenticationRestrictions: [] };
    const missing = await admin.command(restriction).catch(isOneOf(CODES.userNotFound));
    return {
      commands: new Set(Object.keys(commands)),
      enforcesRoles: denied === true,
      restricts: missing === true,
      tellsSessions: (await sessionsIn(server)).some(isOf(server.superuser.username)),
    };
  } finally {
    await users.dropUser(nobody.username);
  }
}

async function sessionsIn(server: SharedServer): Promise<Document[]> {
  await using superuser = await connect(server);
  const pipeline = [{ $currentOp: { allUsers: true, idleConnections: true } }];
  return await superuser.db('admin').aggregate(pipeline).toArray();
}

const isOf =
  (username: string) =>
  ({ effectiveUsers = [] }: Document): boolean =>
    effectiveUsers.some(({ user }: Document) => user === username);

export async function subject(server: SharedServer, isShared: boolean): Promise<Subject> {
  const { product } = server;
  const { commands, enforcesRoles, restricts, tellsSessions } = await abilitiesOf(server);
  const ifIt = <T>(can: boolean, what: T, none: string): OrNone<T> => (can ? what : { none: `${product} ${none}` });
  const command = async (document: Document): Promise<Document> => {
    await using superuser = await connect(server);
    return await superuser.db('admin').command(document);
  };

  /** No write goes through on the whole server. */
  async function holding(): Promise<Held> {
    await command({ fsync: 1, lock: true });
    let isHeld = true;
    const release = async () => {
      if (isHeld) await command({ fsyncUnlock: 1 });
      isHeld = false;
    };
    return { release, [Symbol.asyncDispose]: release };
  }

  async function becomePrimary(): Promise<void> {
    await command({ replSetFreeze: 0 });
    await using superuser = await connect(server);
    await eventually(() => isPrimary(superuser));
  }

  return {
    engine,
    engineKey: rows[server.row].engineKey,
    realm: 'admin',
    wrongPassword: '18',

    states: {
      locked: { none: 'no user of MongoDB can be locked' },
      expired: { none: 'no password of MongoDB expires' },
      'without a password': { none: 'every user of MongoDB has one, unless it comes from elsewhere' },
      'at its limit of connections': { none: 'MongoDB limits the connections of all, not of a user' },
      'blocked after failed logins': { none: 'MongoDB does not count failed logins' },
      'known from another host only': ifIt(
        restricts,
        {
          is: 'refused',
          code: '18',
          async enter({ username }) {
            const authenticationRestrictions = [{ clientSource: ['192.0.2.1'] }];
            await command({ updateUser: username, authenticationRestrictions });
            return {};
          },
        },
        'knows no authentication restrictions',
      ),
      'in a database that does not exist': { none: 'nobody logs in to a database of MongoDB' },
      'in a database that it may not use': { none: 'nobody logs in to a database of MongoDB' },
      'in a database that takes no connections': { none: 'nobody logs in to a database of MongoDB' },
      'in a database at its limit of connections': { none: 'nobody logs in to a database of MongoDB' },
    },

    locks: {
      'the lock of another rotation': { none: 'MongoDB has no locks for users: each command about one is atomic' },
      'another session’s hold on the account': isShared
        ? { none: 'no write goes through on the whole server then, and others use it' }
        : ifIt(
            commands.has('fsync'),
            { code: '50', says: 'may have happened', hold: holding },
            'has no fsync, by which an administrator holds back all writes',
          ),
    },

    sessionsOf: ifIt(
      tellsSessions,
      async (username) =>
        (await sessionsIn(server)).filter(isOf(username)).map(({ active }) => (active ? 'at work' : 'idle')),
      'does not tell whose a session is',
    ),
    endSessionsOf: { none: 'an administrator of MongoDB ends operations, not connections' },

    isReserved: (username) =>
      username === server.superuser.username ||
      (product === 'FerretDB' &&
        (/^(pg_|(public|none|postgres)$)/.test(username) || Buffer.byteLength(username) > LONGEST_OF_FERRETDB)),
    longestName: { length: 63, unit: 'n' },
    hasLongestName: { none: 'MongoDB sets no limit to names' },
    takenForAnother: { none: 'MongoDB compares names byte by byte' },
    nameCharacters: ['\u{1f511}', '.', '@', ':', '/', '%40'],

    canBeSent(password) {
      try {
        return saslprep(password) !== '';
      } catch {
        return false;
      }
    },

    comparesAndSets: { none: 'no command of MongoDB names the old password' },
    isTransactional: { none: 'commands about users commit by themselves' },
    policy: { none: 'MongoDB has no policy for passwords' },
    readOnly: ifIt(
      commands.has('replSetStepDown'),
      {
        code: '10107',
        says: 'is not the primary',
        async enter() {
          await command({ replSetStepDown: 60, force: true });
          return becomePrimary;
        },
      },
      'cannot be made a secondary',
    ),
    missingRight: ifIt(enforcesRoles, '13', 'lets every user change every other one'),
    power: ifIt(
      enforcesRoles,
      (username) => command({ updateUser: username, roles: ['root'] }),
      'gives every user the same roles',
    ),
    locksNewTwins: { none: 'no user of MongoDB can be locked: a new twin has all of its rights at once' },
    allowSecondPassword: async () => {},

    right: ifIt(
      enforcesRoles,
      {
        async grant(username) {
          const database = unique('granted');
          const roles = [{ role: 'read', db: database }];
          await command({ grantRolesToUser: username, roles });
          return {
            what: database,
            revoke: () => command({ revokeRolesFromUser: username, roles }),
            drop: async () => {},
          };
        },
        async has(user, { what }) {
          await using client = await connect({ ...server, superuser: user });
          try {
            await client.db(what).collection('any').findOne();
            return true;
          } catch (answer) {
            if (isOneOf(CODES.unauthorized)(answer)) return false;
            throw answer;
          }
        },
      },
      'gives every user the same roles',
    ),

    /** MongoDB logs what takes longer than this; FerretDB the name of each command. */
    logStatements: async () => void (commands.has('profile') && (await command({ profile: 0, slowms: -1 }))),
    changesInLog(log, username) {
      const change =
        server.namesNobody === undefined ? `"updateUser":${JSON.stringify(username)}` : '"command":"updateUser"';
      return log.split('\n').filter((line) => line.includes(change)).length;
    },
    hidesPasswordsWithoutTls: {
      none: 'MongoDB takes the new password as it is, so with "ssl": false it is sent in clear',
    },

    fake: {
      untilTls: async () => {},
      beginsWithTls: true,
      loginCodes: LOGIN_CODES,
      statementCodes: STATEMENT_CODES,
      statements: STATEMENTS,
      change: 3,
      failLogin: (code, password) =>
        lettingIn(NEMO(password), (heard) => ('saslStart' in heard ? failing(code, heard, password) : undefined)),
      failChange: (code, password, statement) =>
        lettingIn(NEMO(password), (heard, position) =>
          position === statement ? failing(code, heard, password) : undefined,
        ),
      garbage: GARBAGE,
    },
  };
}

const NEMO = (password: string) => ({ username: 'nemo', password });

function failing(code: string, heard: Document, password: string): Document {
  return error(Number(code), `Error${code}`, `${BSON.EJSON.stringify(heard)} ${password}`);
}

/** A hello is answered with these fields, all else with nothing at all. */
const greets = (fields: Document) => answering((heard) => (isHello(heard.command) ? reply(heard, fields) : undefined));
const replies = (answer: (request: number) => Buffer) => answering(({ request }) => answer(request));
/** What the server would say first if it was another: unasked. */
const begins = (bytes: Buffer) => (socket: Socket) => void socket.write(bytes);

const GARBAGE: Subject['fake']['garbage'] = {
  'nothing but a new line': begins(Buffer.from('\n')),
  'MySQL’s greeting': begins(Buffer.from('4a0000000a382e302e333600', 'hex')),
  'PostgreSQL’s protocol': says('E\0\0\0\x0dSFATAL\0\0'),
  'a greeting of SSH': begins(Buffer.from('SSH-2.0-OpenSSH_9.6\r\n')),
  'an answer of HTTP': says('HTTP/1.1 400 Bad Request\r\n\r\n'),
  'any bytes': says(Buffer.from('\x01\xff\0\0\0\0\x7f\x03garbage', 'latin1')),
  // Not one of no length: the driver (7.9) would read it for ever.
  'a message that is shorter than its header': says(Buffer.from([8, 0, 0, 0, 1, 0, 0, 0])),
  'a message that is cut short': replies((request) => reply({ request, operation: 2013 }, PRIMARY).subarray(0, 40)),
  'a document that is none': replies((request) =>
    message(2013, request, Buffer.from('\0\0\0\0\0\x09\0\0\0\x7fno\0\0')),
  ),
  'a kind of message that does not exist': replies((request) => message(2999, request, Buffer.alloc(20))),
  'a message in a compression that nobody asked for': replies((request) => message(2012, request, Buffer.alloc(9, 1))),
  'an answer to what was never asked': replies((request) => reply({ request: request + 7, operation: 2013 }, PRIMARY)),
  'an answer without a word': greets({}),
  'an error without a code': greets({ ok: 0, errmsg: 'no' }),
  'a server that is too old': greets({ ...PRIMARY, maxWireVersion: 6 }),
  'a server of the future': greets({ ...PRIMARY, minWireVersion: 99, maxWireVersion: 99 }),
  'a way to authenticate that the driver does not know': lettingIn({ username: 'nemo', password: '' }, (command) =>
    isHello(command) ? { ...PRIMARY, saslSupportedMechs: ['SCRAM-SHA-512'] } : error(334, 'MechanismUnavailable', 'no'),
  ),
  'a challenge that is none': lettingIn({ username: 'nemo', password: '' }, (command) =>
    'saslStart' in command ? { ok: 1, conversationId: 1, done: false, payload: 'garbage' } : undefined,
  ),
};
