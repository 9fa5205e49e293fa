import type { Pair } from './engine.ts';

/** The key under which a mark stands at a twin, beside what people keep there. */
export const MARK = 'secret-rotation';

/** The base is part of it: a twin that is this secret's does not make any other user this secret's. */
export type Mark = { secret: string; base: string };

export function markOf({ base, owner }: Pair): Mark {
  return { secret: owner, base: base.username };
}

/** A mark and the user who bears it. */
export type Borne = Mark & { username: string };

/**
 * In whose hands the two of a pair are; undefined where no mark says.
 * @param marks those at the two, and those that name one of them as their base
 */
export function ownersOf(
  { base, twin, owner }: Pair,
  marks: readonly Borne[],
): Record<'base' | 'twin', string | undefined> {
  const at = (name: string) => marks.find(({ username }) => username === name);
  const mark = at(twin.username);
  const ofTwin = mark && (mark.base === base.username ? mark.secret : `${mark.secret}, for the base "${mark.base}"`);
  const claim = marks.find((other) => other.base === base.username && other.secret !== owner)?.secret;
  const asTwin = at(base.username);
  return {
    base: claim ?? (asTwin && `${asTwin.secret}, as the twin of "${asTwin.base}"`),
    twin: ofTwin,
  };
}
