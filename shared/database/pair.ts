/**
 * The two users that alternate, as a secret names them.
 *
 * The *base* is the user that people made. The *twin* has the base's rights. A secret says both in
 * `baseusername` and `alternateusername`. If it lacks those keys, AWS's convention holds: the secret
 * with `"username": "app"` has the base `app` and the twin `app_clone`.
 */

import type { Engine, Pair, Session } from './engine.ts';
import { PairError } from './errors.ts';
import { type SecretValue, sameServer } from './secret-value.ts';

/** The names of the two users. */
export type Names = { base: string; twin: string };

/** AWS's own functions append this to the name of the first user to name the second. */
const SUFFIX = '_clone';

type Named = Pick<SecretValue, 'username' | 'baseusername' | 'alternateusername'>;

/**
 * The two names, as far as this value alone tells.
 *
 * `username` `app` gives base `app` and twin `app_clone`. `username` `app_clone` alone gives undefined:
 * `app_clone` may be the twin of `app`, or a base that has this name.
 */
export function namesIn({ username, baseusername, alternateusername }: Named): Names | undefined {
  if (baseusername !== undefined) return { base: baseusername, twin: alternateusername ?? baseusername + SUFFIX };
  if (alternateusername === undefined)
    return username.endsWith(SUFFIX) ? undefined : { base: username, twin: username + SUFFIX };
  return alternateusername === username ? undefined : { base: username, twin: alternateusername };
}

/**
 * The two names, checked.
 *
 * If `username` is `app_clone` and the secret does not name the pair, AWSPREVIOUS tells: if it names
 * `app`, then AWS's function made `app_clone` as the twin of `app`.
 * @param previous reads AWSPREVIOUS; called only if AWSCURRENT does not tell
 * @throws {PairError} if nothing tells, if the two names are equal, if `username` is neither, or if
 *   the engine cannot have a user with the twin's name
 */
export async function namesOf<S extends Session>(
  current: SecretValue,
  previous: () => Promise<SecretValue | undefined>,
  engine: Engine<S>,
): Promise<Names> {
  const names = namesIn(current) ?? twinSince(await previous(), current);
  if (names === undefined)
    throw new PairError(
      `Whether the user "${current.username}" is the base or the twin cannot be told, as AWSPREVIOUS does not say: add ` +
        'the keys "baseusername" and "alternateusername" to the secret.',
      { user: current.username },
    );
  if (names.base === names.twin)
    throw new PairError('The secret\'s "baseusername" and "alternateusername" are the same user.', {
      user: names.base,
    });
  if (current.username !== names.base && current.username !== names.twin)
    throw new PairError(
      `The secret's "username" is neither the base "${names.base}" nor the twin "${names.twin}": correct "username", ` +
        '"baseusername" or "alternateusername".',
      { user: current.username },
    );
  const problem = engine.usernameProblem(names.twin, current.engineKey);
  if (problem !== undefined)
    throw new PairError(
      `The twin's name "${names.twin}" ${problem}: give another in the secret's key "alternateusername".`,
      { user: names.base },
    );
  return names;
}

/** The pair of AWSPREVIOUS, if `current` names its twin at the same server. */
function twinSince(previous: SecretValue | undefined, current: SecretValue): Names | undefined {
  const names = previous && sameServer(previous, current) ? namesIn(previous) : undefined;
  return names?.twin === current.username ? names : undefined;
}

/**
 * The accounts of the two users.
 * @param realm that of AWSCURRENT's user, which the other one shares
 * @param owner the ARN of the secret
 */
export function pairOf({ base, twin }: Names, realm: string, owner: string): Pair {
  return { base: { username: base, realm }, twin: { username: twin, realm }, owner };
}

/** The name of the other user: of the twin for the base, of the base for the twin. */
export function otherOf({ base, twin }: Names, username: string): string {
  return username === base ? twin : base;
}
