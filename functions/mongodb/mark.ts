import type { Document } from 'mongodb';
import type { Pair } from '../../shared/engine.ts';
import type { MongoSession } from './session.ts';

/** The key in a user's customData, beside what people keep there. */
export const KEY = 'secret-rotation';

export type Mark = { username: string; secret: string; base: string };

/** The base is part of it: a twin that is this secret's does not make any other user this secret's. */
export function markOf({ base, owner }: Pair): Document {
  return { [KEY]: { secret: owner, base: base.username } };
}

/** Those at these users, and those that name one of them as their base. For a server with customData. */
export async function marksAbout(session: MongoSession, realm: string, names: readonly string[]): Promise<Mark[]> {
  const filter = { $or: [{ user: { $in: names } }, { [`customData.${KEY}.base`]: { $in: names } }] };
  const { users = [] } = await session.read({ usersInfo: 1, filter }, realm);
  return (users as Document[]).flatMap(({ user, customData }) => {
    const { secret, base } = customData?.[KEY] ?? {};
    return typeof secret === 'string' && typeof base === 'string' ? [{ username: user, secret, base }] : [];
  });
}
