import type { Secret } from '../../shared/core/secret.ts';
import type { Account } from '../../shared/database/engine.ts';
import { PrivilegeError } from '../../shared/database/errors.ts';
import { type User, usersIn } from './description.ts';
import { type Failure, mayNotChangeOwn, passwordFailure } from './errors.ts';
import type { MongoSession } from './session.ts';

/**
 * @param mechanisms those that the user is to have. Without them, the server would give the user
 * all that it knows, the weaker ones included.
 */
export async function setPassword(
  session: MongoSession,
  { username, realm }: Account,
  to: Secret,
  mechanisms: User['mechanisms'],
  failure: Failure,
): Promise<void> {
  await session.change({ updateUser: username, pwd: to.reveal(), ...(mechanisms && { mechanisms }) }, realm, failure);
}

export async function changeOwnPassword(session: MongoSession, to: Secret): Promise<'set'> {
  const { account } = session;
  const failure: Failure = (error, connection) =>
    mayNotChangeOwn(passwordFailure(error, connection), connection, account.realm);
  await setPassword(session, account, to, await mechanismsOf(session, account), failure);
  return 'set';
}

/**
 * The mechanisms that the user has; undefined if the server does not say, or this session may not
 * look.
 */
export async function mechanismsOf(session: MongoSession, { username, realm }: Account): Promise<User['mechanisms']> {
  try {
    return usersIn(await session.read({ usersInfo: { user: username, db: realm } }, realm))[0]?.mechanisms;
  } catch (error) {
    if (error instanceof PrivilegeError) return undefined; // MongoDB lets each user look at itself
    throw error;
  }
}
