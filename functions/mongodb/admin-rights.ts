import { PrivilegeError } from '../../shared/database/errors.ts';
import type { Role } from './description.ts';
import { type Failure, statementFailure } from './errors.ts';
import type { MongoSession } from './session.ts';
import { shell } from './shell.ts';

/** For an admin that may not read the users of this database. */
export function mayNotSee({ account, host }: MongoSession, realm: string): PrivilegeError {
  return new PrivilegeError(
    `The admin "${account.username}" at ${host} may not see the users of the database "${realm}": let somebody who may, run ` +
      `${shell(account.realm, 'grantRolesToUser', account.username, [{ role: 'userAdmin', db: realm }])}.`,
    { user: account.username, host },
  );
}

/**
 * What the failure of an admin's command means.
 * @param what the end of "the admin may not …"
 * @param needs the roles that let the admin do it
 */
export function adminFailure(
  admin: MongoSession,
  what: string,
  needs: readonly Role[],
  failureOf: Failure = statementFailure,
): Failure {
  return (error, connection) => {
    const failure = failureOf(error, connection);
    if (!(failure instanceof PrivilegeError)) return failure;
    const { username, realm } = admin.account;
    return new PrivilegeError(
      `The admin "${username}" at ${failure.host} may not ${what}: let somebody who may, run ${shell(realm, 'grantRolesToUser', username, needs)}. ` +
        'AWSCURRENT has not changed.',
      failure,
    );
  };
}
