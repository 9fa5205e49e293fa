/** Compares what a server kept of users with what it keeps now. The function's own comparison of rights is not asked. */
import { isDeepStrictEqual } from 'node:util';
import type { Names } from './engine.ts';

/**
 * What a rotation has done that it has no business to do. `dormant` is who gets a new password: nothing else of the base and the admin may
 * change, and nothing at all of the user that AWSCURRENT names.
 * @param view all that may not change of a user
 */
export function meddledWith<User>(
  { base, twin, admin }: Names,
  [before, now]: readonly [ReadonlyMap<string, User>, ReadonlyMap<string, User>],
  dormant: string,
  view: (user: User, name: string) => Record<string, unknown>,
): string[] {
  const viewIn = (users: ReadonlyMap<string, User>, name: string) => {
    const user = users.get(name);
    return user === undefined ? {} : view(user, name);
  };
  const untouchable = { base, admin, ...(dormant === twin ? {} : { twin }) };
  const changed = Object.entries(untouchable).flatMap(([user, name]) =>
    differing(viewIn(before, name), viewIn(now, name)).map((what) => `the rotation changed the ${user}: ${what}`),
  );
  const strangers = [...now.keys()].filter((name) => ![base, twin, admin].includes(name));
  return [...changed, ...strangers.map((name) => `the rotation made a role ${name}`)];
}

/** What is not the same, in whatever order: `settings […] → […]` */
export function differing(from: Record<string, unknown>, to: Record<string, unknown>): string[] {
  return [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .filter((aspect) => !isDeepStrictEqual(sorted(from[aspect]), sorted(to[aspect])))
    .map((aspect) => `${aspect} ${JSON.stringify(from[aspect])} → ${JSON.stringify(to[aspect])}`);
}

function sorted(value: unknown): unknown {
  return Array.isArray(value) ? value.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : value;
}
