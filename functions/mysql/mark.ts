import type { Pair } from '../../shared/database/engine.ts';
import { type Borne, MARK, markOf } from '../../shared/database/mark.ts';
import { literal } from './names.ts';
import type { MySqlSession } from './session.ts';

/**
 * A clause of CREATE USER and ALTER USER. The server adds the mark to what people keep in the
 * account's ATTRIBUTE.
 */
export function attributeOf(pair: Pair): string {
  return `ATTRIBUTE ${literal(JSON.stringify({ [MARK]: markOf(pair) }))}`;
}

/**
 * The marks that these users bear, and those that name one of these users as their base. MariaDB
 * has no place for a mark.
 */
export async function marksAbout(session: MySqlSession, names: readonly string[]): Promise<Borne[]> {
  if (session.isMariaDb) return [];
  const list = names.map((name) => literal(name)).join(', ');
  const part = (key: string) => `ATTRIBUTE->>'$."${MARK}".${key}'`;
  return session.rows<Borne>(`SELECT USER AS username, ${part('secret')} AS secret, ${part('base')} AS base
    FROM information_schema.USER_ATTRIBUTES WHERE ${part('secret')} IS NOT NULL AND ${part('base')} IS NOT NULL
      AND (USER IN (${list}) OR ${part('base')} IN (${list})) ORDER BY USER, HOST`);
}
