import type { Account } from '../../shared/database/engine.ts';
import { PrivilegeError } from '../../shared/database/errors.ts';
import { type Failure, passwordFailure, statementFailure } from './errors.ts';
import { quoted } from './names.ts';
import type { MySqlSession } from './session.ts';

/** For an admin that may not read the accounts. */
export function mayNotSee({ account }: MySqlSession): PrivilegeError {
  return new PrivilegeError(
    `The admin "${account.username}" may not see what accounts there are and what they hold: run GRANT SELECT ON mysql.* TO ${quoted(account)}.`,
    { user: account.username },
  );
}

/**
 * What the failure of an admin's statement means.
 * @param what the end of "the admin may not …"
 * @param cure the statement that lets the admin do it
 */
export function adminFailure(
  admin: MySqlSession,
  what: string,
  cure: string,
  failureOf: Failure = statementFailure,
): Failure {
  return (error, connection) => {
    const failure = failureOf(error, connection);
    return failure instanceof PrivilegeError ? mayNot(admin, `${what} (${failure.code})`, cure, failure.code) : failure;
  };
}

/** See `adminFailure`. */
export function mayNot({ account, host }: MySqlSession, what: string, cure: string, code?: string): PrivilegeError {
  return new PrivilegeError(
    `The admin "${account.username}" at ${host} may not ${what}: let somebody who may, run ${cure}. AWSCURRENT works, and has not changed.`,
    { user: account.username, host, code },
  );
}

/** For a statement of an admin that sets the password of `account`. */
export function adminPasswordFailure(admin: MySqlSession, account: Account, what: string): Failure {
  const by = quoted(admin.account);
  const cure = `${createUser(by)}${admin.isMariaDb ? '' : `, and GRANT SYSTEM_USER ON *.* TO ${by} where that account holds SYSTEM_USER`}`;
  return adminFailure(admin, what, cure, (error, connection) =>
    passwordFailure(error, connection, admin, account.username),
  );
}

/** @param adminName as quoted() in names.ts gives it */
export function createUser(adminName: string): string {
  return `GRANT CREATE USER ON *.* TO ${adminName}`;
}
