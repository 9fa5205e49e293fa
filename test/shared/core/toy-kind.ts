/**
 * A kind of secret in under a hundred lines: keys that a provider makes, shows once, and holds two of. ARCHITECTURE.md points here for
 * what a kind has to say. It is for one invocation at a time; two at once need what `shared/database` has a lock for.
 */
import { InvalidSecretError, RotationError } from '../../../shared/core/errors.ts';
import type { Kind, Rotation, Strategy } from '../../../shared/core/kind.ts';
import { Secret } from '../../../shared/core/secret.ts';
import { parseJson, type SecretText } from '../../../shared/core/secret-text.ts';

type Key = { id: string; key: Secret };

class KeyRefusedError extends RotationError {
  readonly layer = 'authentication';
  readonly retryHelps = false;
}

/** Every call may be the last thing that an invocation does: `around` is told before and after each. */
export class Provider {
  static readonly most = 2;
  /** By id. The note says which secret and which rotation a key was made for. */
  readonly keys = new Map<string, { key: string; note: string }>();
  #made = 0;
  readonly #around: <T>(call: () => T) => T;

  constructor(around: <T>(call: () => T) => T) {
    this.#around = around;
  }

  async accepts({ id, key }: Key): Promise<boolean> {
    return this.#around(() => this.keys.get(id)?.key === key.reveal());
  }

  async list(): Promise<{ id: string; note: string }[]> {
    return this.#around(() => [...this.keys].map(([id, { note }]) => ({ id, note })));
  }

  /** The only moment at which anybody sees the key. */
  async issue(note: string): Promise<{ id: string; key: string }> {
    return this.#around(() => {
      if (this.keys.size >= Provider.most) throw new Error('LimitExceeded');
      const made = { id: `key-${++this.#made}`, key: `secret-${this.#made}` };
      this.keys.set(made.id, { key: made.key, note });
      return made;
    });
  }

  async revoke(id: string): Promise<void> {
    this.#around(() => this.keys.delete(id));
  }
}

export function toyKind(provider: Provider): Kind<Key> {
  const strategy = issue(provider);
  return {
    parse,
    choose: () => strategy,
    proving: () => strategy,
    following: () => strategy,
    withdrawing: () => strategy,
    precheck: async () => {},
  };
}

function parse({ text, called }: SecretText): Key {
  const { id, key } = parseJson(text, called);
  if (typeof id !== 'string' || typeof key !== 'string')
    throw new InvalidSecretError(`The secret's ${called} version lacks "id" or "key".`);
  return { id, key: new Secret(key) };
}

function issue(provider: Provider): Strategy<Key> {
  const prove = async (key: Key, label: string) => {
    if (!(await provider.accepts(key))) throw new KeyRefusedError(`The provider refuses the key in ${label}.`);
  };
  return {
    name: 'issued',
    async successor({ current, previous, secretArn, token }: Rotation<Key>) {
      await prove(current.value, 'AWSCURRENT');
      const old = await previous();
      // AWSPREVIOUS's key, and what an earlier attempt was given and could not store. AWSCURRENT's is never touched.
      for (const { id, note } of await provider.list())
        if (id !== current.value.id && (id === old?.id || note.startsWith(secretArn))) await provider.revoke(id);
      const made = await provider.issue(`${secretArn} ${token}`);
      return { keys: made, unused: () => provider.revoke(made.id) };
    },
    rehearse: ({ current }) => prove(current.value, 'AWSCURRENT'),
    fits: (current, pending) => (current.id === pending.id ? 'has the same key as AWSCURRENT' : undefined),
    set: async (rotation) => prove((await rotation.pending()).value, 'AWSPENDING'),
    test: (pending) => prove(pending, 'AWSPENDING').then(() => 'all'),
    async withdraw(rotation) {
      await prove(rotation.current.value, 'AWSCURRENT');
      await rotation.release();
    },
  };
}
