import type { Engine } from '../../shared/database/engine.ts';
import { UNRESERVED } from '../../shared/database/password.ts';
import { DEFAULT_DATABASE, login, type PostgresSession } from './session.ts';
import { byAdmin, twins } from './twins.ts';

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
  exclusively: (session, account, work) => session.transaction(account, work),
  changeOwnPassword: (session, _from, to) => session.setPassword(to),
  byAdmin: () => byAdmin,
  twins: () => twins,
  overlap: () => ({ unsupported: 'a role has one password only' }),
};

/** NAMEDATALEN - 1, https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS */
const LONGEST_NAME = 63;

/** A longer name would be cut silently, and the statement would reach whoever has the shorter one. */
function usernameProblem(name: string): string | undefined {
  if (Buffer.byteLength(name) > LONGEST_NAME)
    return `is longer than ${LONGEST_NAME} bytes, the most that PostgreSQL keeps`;
  return name.includes('\0') ? 'has a NUL character, which PostgreSQL does not allow' : undefined;
}
