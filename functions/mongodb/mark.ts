import { randomUUID } from 'node:crypto';
import type { Document } from 'mongodb';
import { RotationError } from '../../shared/core/errors.ts';
import type { Account, Pair } from '../../shared/database/engine.ts';
import { type Borne, MARK, markOf } from '../../shared/database/mark.ts';
import { CODES, isUnknownThere, unlessUnknown } from './errors.ts';
import type { MongoSession } from './session.ts';

/** What people keep in a user's customData, and the mark in place of an earlier mark. */
export function customDataWith(kept: Document, pair: Pair): Document {
  return { ...kept, [MARK]: markOf(pair) };
}

/**
 * The marks that these users bear, and those that name one of these users as their base. Only for a
 * server with customData.
 */
export async function marksAbout(session: MongoSession, realm: string, names: readonly string[]): Promise<Borne[]> {
  const filter = { $or: [{ user: { $in: names } }, { [`customData.${MARK}.base`]: { $in: names } }] };
  const { users = [] } = await session.read({ usersInfo: 1, filter }, realm);
  return (users as Document[]).flatMap(({ user, customData }) => {
    const { secret, base } = customData?.[MARK] ?? {};
    return typeof secret === 'string' && typeof base === 'string' ? [{ username: user, secret, base }] : [];
  });
}

/**
 * Actions that write a mark:
 * https://www.mongodb.com/docs/manual/reference/privilege-actions/#database-management-actions
 */
const WRITE_MARKS = new Set(['changeOwnCustomData', 'changeCustomData', 'anyAction']);

/** Whether this user could have written its mark itself. True, too, if the server does not say. */
export async function mayMarkItself(session: MongoSession, { username, realm }: Account): Promise<boolean> {
  const query = { usersInfo: { user: username, db: realm }, showPrivileges: true };
  const answer = await unlessUnknown(session.read(query, realm));
  if (answer?.['users'] === undefined) return true;
  const privileges = (answer['users'] as Document[]).map(({ inheritedPrivileges }) => inheritedPrivileges);
  return privileges.some(
    (each?: Document[]) =>
      each === undefined || each.some(({ actions }) => actions.some((action: string) => WRITE_MARKS.has(action))),
  );
}

/**
 * Whether users have customData here, the place for a mark. Two commands try it on a user that does
 * not exist. So nothing changes, and a rehearsal sends them, too. The first sets customData to a
 * document: DocumentDB and FerretDB refuse the field. The second sets it to a text: a server that does
 * not object to a text ignores the field, and would keep no mark.
 * @throws {PrivilegeError} if this session may not change users
 */
export async function hasCustomData(session: MongoSession, realm: string): Promise<boolean> {
  const username = `secret-rotation-${randomUUID()}`;
  const takes = async (customData: unknown): Promise<boolean> => {
    try {
      await session.read({ updateUser: username, customData }, realm);
      return true;
    } catch (error) {
      const code = error instanceof RotationError ? error.code : undefined;
      if (code === String(CODES.userNotFound)) return true;
      if (code === String(CODES.typeMismatch) || isUnknownThere(error)) return false;
      throw error;
    }
  };
  return (await takes({})) && !(await takes('no document'));
}
