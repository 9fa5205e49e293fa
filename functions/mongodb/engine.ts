import type { Engine } from '../../shared/database/engine.ts';
import { UNRESERVED } from '../../shared/database/password.ts';
import { byAdmin } from './by-admin.ts';
import { login, type MongoSession } from './session.ts';
import { twins } from './twins.ts';
import { changeOwnPassword } from './users.ts';

/** MongoDB and Amazon DocumentDB. */
export const mongodb: Engine<MongoSession> = {
  name: 'MongoDB and Amazon DocumentDB',
  engineKeys: ['mongo', 'mongodb', 'documentdb'],
  defaultPort: 27017,
  optionKeys: ['authSource'],
  // None of these is one of the three characters that DocumentDB forbids. It takes 100 at most,
  // https://docs.aws.amazon.com/documentdb/latest/developerguide/limits.html
  password: { alphabet: UNRESERVED, longest: 100 },
  usernameProblem,
  login,
  /** There are neither locks nor transactions for users: each command about one is atomic, and that is all. */
  exclusively: (_session, _account, work) => work(async () => {}),
  changeOwnPassword: (session, _from, to) => changeOwnPassword(session, to),
  byAdmin: () => byAdmin,
  twins: () => twins,
  overlap: () => ({
    unsupported: 'a user has one password only; alternating-users keeps the old credentials valid, too',
  }),
};

/** Characters, https://docs.aws.amazon.com/documentdb/latest/developerguide/limits.html */
const LONGEST_NAME_IN_DOCUMENTDB = 63;

function usernameProblem(name: string, engineKey: string): string | undefined {
  if (name.includes('\0')) return 'has a NUL character, which ends a name where it is sent';
  // The driver escapes the first of each alone: cleanUsername in https://github.com/mongodb/node-mongodb-native/blob/main/src/cmap/auth/scram.ts
  if (/=.*=|,.*,/s.test(name)) return 'has more than one "=", or more than one ",": the driver cannot log in with it';
  if (engineKey === 'documentdb' && [...name].length > LONGEST_NAME_IN_DOCUMENTDB)
    return `is longer than ${LONGEST_NAME_IN_DOCUMENTDB} characters, the most that DocumentDB takes`;
  return undefined;
}
