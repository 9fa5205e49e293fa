import type { Engine } from '../../shared/database/engine.ts';
import { UNRESERVED } from '../../shared/database/password.ts';
import { byAdmin } from './by-admin.ts';
import { login, loginAhead } from './login.ts';
import { DEFAULT_DATABASE, usernameProblem } from './names.ts';
import { outlook, outlookQuery } from './outlook.ts';
import { changeOwnPassword } from './password.ts';
import type { PostgresSession } from './session.ts';
import { twins } from './twins.ts';

/** PostgreSQL: RDS, Aurora and self-managed. */
export const postgres: Engine<PostgresSession> = {
  name: 'PostgreSQL',
  engineKeys: ['postgres', 'aurora-postgresql', 'postgresql'],
  defaultPort: 5432,
  defaultDatabase: DEFAULT_DATABASE,
  optionKeys: [],
  password: { alphabet: UNRESERVED, longest: 512 },
  usernameProblem,
  login,
  loginAhead,
  exclusively: (session, account, work, to) => session.exclusively(account, work, to && outlookQuery(account, to)),
  rehearse: (session, account, work) => session.rehearse(account, work),
  changeOwnPassword: (session, _from, to) => changeOwnPassword(session, to),
  outlook,
  byAdmin: () => byAdmin,
  twins: () => twins,
  overlap: () => ({ unsupported: 'a role has one password only' }),
};
