import pg from 'pg';
import type { Pair } from '../../shared/database/engine.ts';
import { type Borne, MARK, markOf } from '../../shared/database/mark.ts';
import type { PostgresSession } from './session.ts';

const { escapeLiteral: literal } = pg;

/**
 * A mark is one line of a role's comment, and names the secret and the base. Other lines of the
 * comment are people's own. A mark looks so:
 * `secret-rotation: {"secret":"arn:aws:…","base":"app"}`
 */
const LINE = new RegExp(`^${MARK}: (\\{.*\\})$`, 'm');

export function lineOf(pair: Pair): string {
  return `${MARK}: ${JSON.stringify(markOf(pair))}`;
}

/** A role and its comment. */
export type Commented = { name: string; comment: string | null };

/** The mark of this role; none if its comment has no such line. */
export function markAt({ name: username, comment }: Commented): Borne[] {
  try {
    const { secret, base } = JSON.parse(LINE.exec(comment ?? '')?.[1] ?? '{}');
    return typeof secret === 'string' && typeof base === 'string' ? [{ username, secret, base }] : [];
  } catch {
    return [];
  }
}

/** The marks that name this base. Only a mark at a member of the base counts: state.ts says why. */
export async function claimsOn(session: PostgresSession, base: string): Promise<Borne[]> {
  return claimsIn(await session.rows<Commented>(membersQuery(base)), base);
}

/** Returns a `Commented` for each member of this role. */
export function membersQuery(base: string): string {
  return `
    SELECT t.rolname AS name, shobj_description(t.oid, 'pg_authid') AS comment
      FROM pg_auth_members m JOIN pg_roles b ON b.oid = m.roleid JOIN pg_roles t ON t.oid = m.member
      WHERE b.rolname = ${literal(base)}`;
}

/** @param members of `base`, all of them */
export function claimsIn(members: readonly Commented[], base: string): Borne[] {
  return members.flatMap(markAt).filter((mark) => mark.base === base);
}
