import { escape as literal } from 'mysql2';
import { type RotationError, UnknownStrategyError } from '../../shared/core/errors.ts';
import type { Secret } from '../../shared/core/secret.ts';
import type { Overlap } from '../../shared/database/engine.ts';
import { PrivilegeError, RetainedPasswordError } from '../../shared/database/errors.ts';
import { requireOneAccount } from './accounts.ts';
import { grantsOf } from './description.ts';
import { isConflict, passwordFailure } from './errors.ts';
import { grantsIn, mayHold } from './grants.ts';
import { quoted } from './names.ts';
import { requireAcceptable } from './rehearsal.ts';
import type { MySqlSession } from './session.ts';

/**
 * MySQL's dual passwords, since 8.0.14:
 * https://dev.mysql.com/doc/refman/9.7/en/password-management.html#dual-passwords
 *
 * No statement here names a plugin: with another plugin than the account's, the server would drop
 * both passwords.
 */
export const overlap: Overlap<MySqlSession> = { changeKeeping, reanchor };

async function changeKeeping(session: MySqlSession, keep: Secret, to: Secret): Promise<'set' | 'conflict'> {
  const { username } = session.account;
  // Checked before the statement is sent: MariaDB does not know it, and would write its passwords
  // to the general log.
  if (session.isMariaDb)
    throw new UnknownStrategyError(
      `The strategy dual-password cannot be had for user "${username}": the server is MariaDB, which keeps one password for a user. ` +
        'Nothing was changed. The strategy alternating-users keeps the old credentials valid, too.',
      { user: username },
    );
  await requireOneAccount(session, username);
  if (session.isRehearsing) await requireMayKeep(session);
  await requireAcceptable(session, username, to);
  const statement = `ALTER USER USER() IDENTIFIED BY ${literal(to.reveal())} REPLACE ${literal(keep.reveal())} RETAIN CURRENT PASSWORD`;
  try {
    await session.change(statement, (error, connection) =>
      withRemedy(passwordFailure(error, connection, session), session),
    );
    return 'set';
  } catch (error) {
    if (isConflict(error)) return 'conflict';
    throw error;
  }
}

/** @throws {PrivilegeError} if the user clearly lacks the right to keep its old password */
async function requireMayKeep(session: MySqlSession): Promise<void> {
  const own = await grantsOf(session);
  const rights = [MAY_KEEP, 'CREATE USER'].map((right) => `GRANT ${right} ON *.* TO ${quoted(session.account)}`);
  if (!rights.some((right) => mayHold(own, grantsIn([right]), session.isMariaDb))) throw mayNotKeep(session);
}

/**
 * Without RETAIN, the statement replaces the primary password and leaves the secondary one. So both
 * are `keep` afterwards, which does no harm.
 */
async function reanchor(session: MySqlSession, keep: Secret): Promise<void> {
  const statement = `ALTER USER USER() IDENTIFIED BY ${literal(keep.reveal())}`;
  await session.change(statement, (error, connection) =>
    withObstacle(passwordFailure(error, connection, session), session),
  );
}

const MAY_KEEP = 'APPLICATION_PASSWORD_ADMIN';

function mayNotKeep({ account, host }: MySqlSession, code?: string): PrivilegeError {
  return new PrivilegeError(
    `The user "${account.username}" at ${host} may not keep its old password valid, as the strategy dual-password does: run ` +
      `GRANT ${MAY_KEEP} ON *.* TO ${quoted(account)}. Nothing was changed.`,
    { user: account.username, host, code },
  );
}

function withRemedy(error: RotationError, session: MySqlSession): RotationError {
  const user = `user "${session.account.username}" at ${error.host}`;
  switch (error.code) {
    case ACCESS_DENIED:
      return mayNotKeep(session, error.code);
    case NOT_UNDERSTOOD:
      return new UnknownStrategyError(
        `The strategy dual-password cannot be had for ${user}: it takes MySQL 8.0.14 or newer, and this server does not know RETAIN CURRENT ` +
          'PASSWORD. Nothing was changed. The strategy alternating-users keeps the old credentials valid, too.',
        error,
      );
  }
  return error;
}

/**
 * By error number: what forbids to set a password that the account already has, and how to lift
 * that for a moment.
 */
const OBSTACLES: Readonly<Record<string, { setting: string; remedy: (alter: string) => string }>> = {
  1819: {
    setting: 'the password policy of validate_password',
    remedy: () => 'Lower its settings, start the rotation again, and raise them again.',
  },
  3638: {
    setting: 'password_history or password_reuse_interval',
    remedy: (alter) =>
      `Run ${alter} PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY, start the rotation again, and then run ` +
      `${alter} PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL DEFAULT.`,
  },
  3892: {
    setting: 'password_require_current',
    remedy: (alter) =>
      `Run ${alter} PASSWORD REQUIRE CURRENT OPTIONAL, start the rotation again, and then run ${alter} PASSWORD REQUIRE CURRENT DEFAULT.`,
  },
};

function withObstacle(error: RotationError, { account }: MySqlSession): RotationError {
  const obstacle = OBSTACLES[error.code ?? ''];
  if (obstacle === undefined) return error;
  return new RetainedPasswordError(
    `AWSCURRENT's password is the secondary one of user "${account.username}" at ${error.host}, after a rotation that was given up. It works, but ` +
      `${obstacle.setting} forbids to make it the primary one again, and only that can be replaced. Nothing was changed. ` +
      obstacle.remedy(`ALTER USER ${quoted(account)}`),
    error,
  );
}

/** ER_SPECIFIC_ACCESS_DENIED_ERROR and ER_PARSE_ERROR */
const ACCESS_DENIED = '1227';
const NOT_UNDERSTOOD = '1064';
