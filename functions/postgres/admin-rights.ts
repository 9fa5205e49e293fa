import pg from 'pg';
import { DeadlineError } from '../../shared/core/errors.ts';
import type { Pair } from '../../shared/database/engine.ts';
import { PrivilegeError } from '../../shared/database/errors.ts';
import { type AdminsWork, type Failure, notAllowed, passwordFailure, statementFailure } from './errors.ts';
import { type PostgresSession, SINCE_16 } from './session.ts';

const { escapeIdentifier: name } = pg;

/** What an admin that is no superuser may lack: ADMIN OPTION on that role, what it takes to give that attribute, or SET on that parameter. */
export type Needs = { role: string } | { attribute: string } | { parameter: string };

/** Of the admin alone: a twin that was made in this transaction is gone when a person reads it. */
export function cureFor(admin: PostgresSession, { twin }: Pair, needs: Needs): string {
  if ('role' in needs) return adminOption(admin, needs.role);
  if ('parameter' in needs) return `GRANT SET ON PARAMETER ${name(needs.parameter)} TO ${name(admin.opened.role)}`;
  const { role, version } = admin.opened;
  if (version >= SINCE_16)
    return `ALTER ROLE ${name(role)} ${needs.attribute}; and if it has that, ${adminOption(admin, twin.username)}`;
  return GIVEN_BY_CREATEROLE.has(needs.attribute) ? createRole(admin) : `ALTER ROLE ${name(role)} SUPERUSER`;
}

/** Before PostgreSQL 16, where superusers alone give the others. Since then whoever gives one has to have it. */
const GIVEN_BY_CREATEROLE = new Set(['CREATEDB', 'CREATEROLE']);

/** What a superuser has to run: since PostgreSQL 16 CREATEROLE covers only the roles that one made oneself. */
export function adminOption(admin: PostgresSession, username: string): string {
  const { role, version } = admin.opened;
  return version < SINCE_16
    ? createRole(admin)
    : `GRANT ${name(username)} TO ${name(role)} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`;
}

export function createRole(admin: PostgresSession): string {
  return `ALTER ROLE ${name(admin.opened.role)} CREATEROLE`;
}

export function adminFailure(work: AdminsWork & { passwordOf?: string }): Failure {
  return (error, attempt) => {
    const { what, passwordOf } = work;
    const failure =
      passwordOf === undefined ? statementFailure(error, attempt) : passwordFailure(error, attempt, passwordOf);
    if (failure instanceof PrivilegeError) return notAllowed(attempt, work, failure.code);
    if (failure.code !== LOCK_NOT_AVAILABLE) return failure;
    return new DeadlineError(
      `Another session of PostgreSQL at ${attempt.to.host} held a lock for too long when the admin "${attempt.username}" was to ${what}.`,
      failure,
    );
  };
}

const LOCK_NOT_AVAILABLE = '55P03';
