/** What stands in for the server's checks in a rehearsal, in which no change is sent. */

import { escape as literal } from 'mysql2';
import type { Secret } from '../../shared/core/secret.ts';
import type { Account } from '../../shared/database/engine.ts';
import { createUser, mayNot } from './admin-rights.ts';
import { type Description, grantsOf } from './description.ts';
import { hashRefusal, NOT_VALID, OPTION_PREVENTS, policyRefusal } from './errors.ts';
import { type Grants, grantsIn, isHeld, mayHold } from './grants.ts';
import { quoted } from './names.ts';
import type { MySqlSession } from './session.ts';

/**
 * In a rehearsal, requires that the admin holds what `cure` would give it. What SHOW GRANTS does not
 * settle counts as held: the rehearsal may miss a right, but asks for none that is not needed.
 * @param what the end of "the admin may not …"
 * @param cure GRANTs that let the admin do it, with `; ` between them
 * @param orElse the end of the sentence with them
 * @throws {PrivilegeError} as the server's answer would become
 */
export async function requireHeld(admin: MySqlSession, what: string, cure: string, orElse = ''): Promise<void> {
  if (!admin.isRehearsing) return;
  if (!mayHold(await grantsOf(admin), grantsIn(cure.split('; ')), admin.isMariaDb))
    throw mayNot(admin, what, `${cure}${orElse}`);
}

/** The same for CREATE USER. Whoever may write the database mysql needs no CREATE USER. */
export async function requireCreateUser(admin: MySqlSession, what: string): Promise<void> {
  if (!admin.isRehearsing) return;
  const own = await grantsOf(admin);
  if (['INSERT', 'UPDATE'].every((name) => isHeld(own, '`mysql`.*', name))) return;
  await requireHeld(admin, what, createUser(quoted(admin.account)));
}

/** What VALIDATE_PASSWORD_STRENGTH() has to give for each validate_password.policy. */
const STRENGTHS: Readonly<Record<string, number>> = { LOW: 50, MEDIUM: 75, STRONG: 100 };

/**
 * In a rehearsal, asks the server whether it would take a password like this one, which is never set.
 *
 * https://dev.mysql.com/doc/refman/9.7/en/encryption-functions.html#function_validate-password-strength
 * @param username whose password would be set
 * @throws {PasswordPolicyError}
 */
export async function requireAcceptable(session: MySqlSession, username: string, password: Secret): Promise<void> {
  if (!session.isRehearsing) return;
  if (session.isMariaDb) return requireHashTaken(session, username);
  const rows = await session.rows<{ Variable_name: string; Value: string }>(
    "SHOW GLOBAL VARIABLES LIKE 'validate\\_password%policy'",
  );
  // LOW, MEDIUM and STRONG may also be written as 0, 1 and 2.
  const [policy] = rows.map(({ Value }) => ['LOW', 'MEDIUM', 'STRONG'][Number(Value)] ?? Value);
  if (policy === undefined) return;
  const [row] = await session.rows<{ strength: number }>(
    `SELECT VALIDATE_PASSWORD_STRENGTH(${literal(password.reveal())}) AS strength`,
  );
  if ((row?.strength ?? 100) < (STRENGTHS[policy] ?? 0)) throw policyRefusal(NOT_VALID, username, session.host);
}

/**
 * MariaDB is sent a hash, which no validation plugin can read.
 * https://mariadb.com/docs/server/server-management/variables-and-modes/server-system-variables#strict_password_validation
 */
async function requireHashTaken(session: MySqlSession, username: string): Promise<void> {
  const [row] = await session.rows<{ plugins: number }>(
    `SELECT COUNT(*) AS plugins FROM information_schema.PLUGINS
      WHERE PLUGIN_TYPE = 'PASSWORD VALIDATION' AND PLUGIN_STATUS = 'ACTIVE' AND @@global.strict_password_validation`,
  );
  if (Number(row?.plugins ?? 0) > 0) throw hashRefusal(OPTION_PREVENTS, username, session.host);
}

const NO_GRANTS: Grants = {
  levels: new Map(),
  dynamic: new Map(),
  restrictions: new Map(),
  roles: new Map(),
  proxies: new Map(),
  unread: 0,
};

/** A twin that the rehearsal has not made: it holds nothing, and has the base's options. */
export function asIfMade(twin: Account, { plugin, options }: Description): Description {
  return { account: twin, grants: NO_GRANTS, options, defaultRoles: [], plugin, isLocked: true };
}
