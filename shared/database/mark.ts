/**
 * The mark: what a twin bears to show which secret it belongs to.
 *
 * Example: the secret `arn:…:secret:orders` rotates the users `app` and `app_clone`. The twin
 * `app_clone` bears `{ "secret": "arn:…:secret:orders", "base": "app" }` under the key
 * `secret-rotation`. Each engine has its own place for marks: a comment, an attribute, customData.
 */

import type { Pair } from './engine.ts';

/** The key of a mark. People may keep other things in the same place. */
export const MARK = 'secret-rotation';

/**
 * Names the base, too. Otherwise, if the secret came to name a third user as its base, the twin's mark
 * would prove that user to be this secret's as well.
 */
export type Mark = { secret: string; base: string };

/** The mark that the twin of this pair bears. */
export function markOf({ base, owner }: Pair): Mark {
  return { secret: owner, base: base.username };
}

/** A mark and the user who bears it. */
export type Borne = Mark & { username: string };

/**
 * Which secret each user of a pair belongs to, by the marks. Undefined if no mark says.
 *
 * For the base `app` and the twin `app_clone` of secret 1:
 * - `app_clone` bears secret 1 and base `app`: the twin belongs to secret 1, of the base nothing is
 *   said.
 * - `app_clone` bears secret 2 and base `other`: the twin belongs to `secret 2, for the base
 *   "other"`.
 * - `app_2` bears secret 2 and base `app`: the base belongs to secret 2.
 * - `app` bears secret 2 and base `old`: the base belongs to `secret 2, as the twin of "old"`.
 * @param marks the marks at the two users, and all marks that name one of them as the base
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
