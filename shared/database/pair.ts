import type { Engine, Session } from './engine.ts';
import { PairError } from './errors.ts';
import { type SecretValue, sameServer } from './secret-value.ts';

/** The names of the two users that alternate: the base, which people made, and its twin, which has the base's rights. */
export type Names = { base: string; twin: string };

/** What AWS's own functions append to a user's name for the second user's. */
const SUFFIX = '_clone';

type Named = Pick<SecretValue, 'username' | 'baseusername' | 'alternateusername'>;

/** Undefined where the name alone does not say which of the two it is. */
export function namesIn({ username, baseusername, alternateusername }: Named): Names | undefined {
  if (baseusername !== undefined) return { base: baseusername, twin: alternateusername ?? baseusername + SUFFIX };
  if (alternateusername === undefined)
    return username.endsWith(SUFFIX) ? undefined : { base: username, twin: username + SUFFIX };
  return alternateusername === username ? undefined : { base: username, twin: alternateusername };
}

/**
 * A user called `…_clone` may be a twin that AWS's function made, or a base that has this name: AWSPREVIOUS tells.
 * @param previous reads AWSPREVIOUS; called only where it matters
 * @throws {PairError} where nothing tells, or where the two names cannot be a pair of which `username` is one
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

function twinSince(previous: SecretValue | undefined, current: SecretValue): Names | undefined {
  const names = previous && sameServer(previous, current) ? namesIn(previous) : undefined;
  return names?.twin === current.username ? names : undefined;
}

export function otherOf({ base, twin }: Names, username: string): string {
  return username === base ? twin : base;
}
