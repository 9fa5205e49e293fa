import type { Account } from '../../shared/database/engine.ts';
import { PrivilegeError } from '../../shared/database/errors.ts';
import { type Failure, passwordFailure, statementFailure } from './errors.ts';
import { quoted } from './names.ts';
import type { MySqlSession } from './session.ts';

export function mayNotSee({ account }: MySqlSession): PrivilegeError {
  return new PrivilegeError(
    `The admin "${account.username}" may not see what accounts there are and what they hold: run GRANT SELECT ON mysql.* TO ${quoted(account)}.`,
    { user: account.username },
  );
}

export function adminFailure(
  admin: MySqlSession,
  what: string,
  cure: string,
  failureOf: Failure = statementFailure,
): Failure {
  return (error, attempt) => {
    const failure = failureOf(error, attempt);
    if (!(failure instanceof PrivilegeError)) return failure;
    return new PrivilegeError(
      `The admin "${admin.account.username}" at ${failure.host} may not ${what} (${failure.code}): let somebody who may, run ${cure}. ` +
        'AWSCURRENT works, and has not changed.',
      failure,
    );
  };
}

export function settingPassword(admin: MySqlSession, account: Account, what: string): Failure {
  const by = quoted(admin.account);
  const cure = `${createUser(by)}${admin.isMariaDb ? '' : `, and GRANT SYSTEM_USER ON *.* TO ${by} where that account holds SYSTEM_USER`}`;
  return adminFailure(admin, what, cure, (error, attempt) => passwordFailure(error, attempt, admin, account.username));
}

export function createUser(admin: string): string {
  return `GRANT CREATE USER ON *.* TO ${admin}`;
}
