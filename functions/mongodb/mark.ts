import type { Document } from 'mongodb';
import type { Pair } from '../../shared/engine.ts';
import { type Borne, MARK, markOf } from '../../shared/mark.ts';
import type { MongoSession } from './session.ts';

/** With what people keep there; a mark that is among it goes. */
export function customDataWith(kept: Document, pair: Pair): Document {
  return { ...kept, [MARK]: markOf(pair) };
}

/** Those at these users, and those that name one of them as their base. For a server with customData. */
export async function marksAbout(session: MongoSession, realm: string, names: readonly string[]): Promise<Borne[]> {
  const filter = { $or: [{ user: { $in: names } }, { [`customData.${MARK}.base`]: { $in: names } }] };
  const { users = [] } = await session.read({ usersInfo: 1, filter }, realm);
  return (users as Document[]).flatMap(({ user, customData }) => {
    const { secret, base } = customData?.[MARK] ?? {};
    return typeof secret === 'string' && typeof base === 'string' ? [{ username: user, secret, base }] : [];
  });
}
