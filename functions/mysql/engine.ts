import type { Engine } from '../../shared/database/engine.ts';
import { UNRESERVED } from '../../shared/database/password.ts';
import { byAdmin } from './by-admin.ts';
import { login } from './login.ts';
import { usernameProblem } from './names.ts';
import { outlook } from './outlook.ts';
import { overlap } from './overlap.ts';
import { changeOwnPassword } from './password.ts';
import type { MySqlSession } from './session.ts';
import { twins } from './twins.ts';

/** MySQL and MariaDB: RDS, Aurora and self-managed. */
export const mysql: Engine<MySqlSession> = {
  name: 'MySQL and MariaDB',
  engineKeys: ['mysql', 'aurora-mysql', 'mariadb'],
  defaultPort: 3306,
  optionKeys: [],
  sharesNames: true,
  // Without TLS, the driver encrypts the password with the server's RSA key, which has room for 214
  // bytes.
  password: { alphabet: UNRESERVED, longest: 200 },
  usernameProblem,
  login,
  exclusively: (session, account, work) => session.exclusively(account, work),
  rehearse: (session, account, work) => session.rehearse(account, work),
  changeOwnPassword,
  outlook,
  byAdmin: () => byAdmin,
  twins: () => twins,
  overlap: (engineKey) =>
    engineKey === 'mariadb'
      ? { unsupported: 'MariaDB keeps one password for a user; alternating-users keeps the old credentials valid, too' }
      : overlap,
};
