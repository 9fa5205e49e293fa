import pg from 'pg';
import type { Secret } from '../../shared/core/secret.ts';
import { adminFailure, adminOption } from './admin-rights.ts';
import { passwordFailure } from './errors.ts';
import { scramVerifier } from './scram.ts';
import type { PostgresSession } from './session.ts';

const { escapeIdentifier: name, escapeLiteral: literal } = pg;

/**
 * Sets PASSWORD alone. With any other option, the statement needs more rights than a user has over
 * itself.
 */
export async function changeOwnPassword(session: PostgresSession, to: Secret): Promise<'set'> {
  const role = name(session.account.username);
  await session.change(`ALTER ROLE ${role} ${await passwordClause(session, to)}`, passwordFailure);
  return 'set';
}

/** @param options further options of ALTER ROLE, each followed by a space: `LOGIN ` */
export async function setPassword(admin: PostgresSession, username: string, to: Secret, options = ''): Promise<void> {
  const task = {
    what: `set the password of "${username}"`,
    cure: `${adminOption(admin, username)}; and where rds.restrict_password_commands is on, membership in rds_password`,
    passwordOf: username,
  };
  await admin.change(`ALTER ROLE ${name(username)} ${options}${await passwordClause(admin, to)}`, adminFailure(task));
}

/**
 * The last part of ALTER ROLE. Sends a verifier, so that the password stays out of the server's
 * log.
 */
async function passwordClause(session: PostgresSession, to: Secret): Promise<string> {
  return `PASSWORD ${literal(await scramVerifier(to, session.scramIterations))}`;
}
