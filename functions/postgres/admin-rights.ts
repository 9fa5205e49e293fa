import pg from 'pg';
import { DeadlineError } from '../../shared/core/errors.ts';
import type { Pair } from '../../shared/database/engine.ts';
import { PrivilegeError } from '../../shared/database/errors.ts';
import {
  type AdminTask,
  type Failure,
  LOCK_NOT_AVAILABLE,
  notAllowed,
  passwordFailure,
  statementFailure,
} from './errors.ts';
import { type PostgresSession, SINCE_16 } from './session.ts';

const { escapeIdentifier: name } = pg;

/**
 * What an admin without SUPERUSER may lack: ADMIN OPTION on a role, the right to give an attribute
 * (CREATEDB), or SET on a parameter (log_statement).
 */
export type Needs = { role: string } | { attribute: string } | { parameter: string };

/**
 * The statement that gives the admin what it lacks, for a superuser to run. It changes the admin
 * rather than the twin: a twin that this transaction has made no longer exists when a person reads
 * the error.
 */
export function cureFor(admin: PostgresSession, { twin }: Pair, needs: Needs): string {
  if ('role' in needs) return adminOption(admin, needs.role);
  if ('parameter' in needs) return `GRANT SET ON PARAMETER ${name(needs.parameter)} TO ${name(admin.actsAs)}`;
  const { actsAs, version } = admin;
  if (version >= SINCE_16)
    return `ALTER ROLE ${name(actsAs)} ${needs.attribute}; and if it has that, ${adminOption(admin, twin.username)}`;
  return GIVEN_BY_CREATEROLE.has(needs.attribute) ? createRole(admin) : `ALTER ROLE ${name(actsAs)} SUPERUSER`;
}

/**
 * Before PostgreSQL 16, a role with CREATEROLE can give these attributes, and only a superuser can
 * give the others. Since 16, a role can give only an attribute that it has.
 */
const GIVEN_BY_CREATEROLE = new Set(['CREATEDB', 'CREATEROLE']);

/** Since PostgreSQL 16, CREATEROLE covers only the roles that its holder has made. */
export function adminOption(admin: PostgresSession, username: string): string {
  const { actsAs, version } = admin;
  return version < SINCE_16
    ? createRole(admin)
    : `GRANT ${name(username)} TO ${name(actsAs)} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`;
}

export function createRole(admin: PostgresSession): string {
  return `ALTER ROLE ${name(admin.actsAs)} CREATEROLE`;
}

/**
 * What the failure of an admin's statement means.
 * @param task with `passwordOf`, the user whose password the statement sets
 */
export function adminFailure(task: AdminTask & { passwordOf?: string }): Failure {
  return (error, connection) => {
    const { what, passwordOf } = task;
    const failure =
      passwordOf === undefined ? statementFailure(error, connection) : passwordFailure(error, connection, passwordOf);
    if (failure instanceof PrivilegeError) return notAllowed(connection, task, failure.code);
    if (failure.code !== LOCK_NOT_AVAILABLE) return failure;
    return new DeadlineError(
      `Another session of PostgreSQL at ${connection.to.host} held a lock for too long when the admin "${connection.username}" was to ${what}.`,
      failure,
    );
  };
}
