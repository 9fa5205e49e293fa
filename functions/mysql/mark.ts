import { escape as literal } from 'mysql2';
import type { Pair } from '../../shared/engine.ts';
import type { MySqlSession } from './session.ts';

/** The key in an account's ATTRIBUTE, beside what people keep there. */
const KEY = 'secret-rotation';

export type Mark = { username: string; secret: string; base: string };

/** The base is part of it: a twin that is this secret's does not make any other user this secret's. For CREATE USER and ALTER USER, which merge it. */
export function attributeOf({ base, owner }: Pair): string {
  return `ATTRIBUTE ${literal(JSON.stringify({ [KEY]: { secret: owner, base: base.username } }))}`;
}

/** Those at these users, and those that name one of them as their base. MariaDB has no place for a mark. */
export async function marksAbout(session: MySqlSession, names: readonly string[]): Promise<Mark[]> {
  if (session.isMariaDb) return [];
  const list = names.map((name) => literal(name)).join(', ');
  const part = (key: string) => `ATTRIBUTE->>'$."${KEY}".${key}'`;
  return session.rows<Mark>(`SELECT USER AS username, ${part('secret')} AS secret, ${part('base')} AS base
    FROM information_schema.USER_ATTRIBUTES WHERE ${part('secret')} IS NOT NULL AND ${part('base')} IS NOT NULL
      AND (USER IN (${list}) OR ${part('base')} IN (${list})) ORDER BY USER, HOST`);
}
