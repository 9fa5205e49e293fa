import type { Engine } from '../../shared/database/engine.ts';
import { UNRESERVED } from '../../shared/database/password.ts';
import { byAdmin } from './by-admin.ts';
import { login } from './login.ts';
import { UNRESOLVED_HINT, usernameProblem } from './names.ts';
import { outlook } from './outlook.ts';
import { changeOwnPassword } from './password.ts';
import { mayRunIn } from './rehearsal.ts';
import { type MongoSession, USERS_DATABASE } from './session.ts';
import { twins } from './twins.ts';

/** MongoDB and Amazon DocumentDB. */
export const mongodb: Engine<MongoSession> = {
  name: 'MongoDB and Amazon DocumentDB',
  engineKeys: ['mongo', 'mongodb', 'documentdb'],
  defaultPort: 27017,
  unresolvedHint: UNRESOLVED_HINT,
  optionKeys: ['authSource'],
  optionDefaults: { authSource: USERS_DATABASE },
  // DocumentDB forbids three characters, none of which is among these, and takes at most 100:
  // https://docs.aws.amazon.com/documentdb/latest/developerguide/limits.html
  password: { alphabet: UNRESERVED, longest: 100 },
  usernameProblem,
  login,
  exclusively: (session, account, work) => session.exclusively(account, work),
  rehearse: async (session, _account, work) => session.rehearse(await mayRunIn(session), work),
  changeOwnPassword: (session, _from, to) => changeOwnPassword(session, to),
  outlook,
  byAdmin: () => byAdmin,
  twins: () => twins,
  overlap: () => ({
    unsupported: 'a user has one password only; alternating-users keeps the old credentials valid, too',
  }),
};
