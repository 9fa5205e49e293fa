/** What this process has proven, for finishSecret. */

import type { RotationEvent } from './event.ts';

/**
 * Which version a pending version follows, and by which strategy it was proven. Only ids are kept: no
 * value outlives its step.
 */
export type Proof = {
  /** The id of the version that had AWSCURRENT when the pending version was proven. */
  current: string;
  strategy: string;
};

type Identity = Pick<RotationEvent, 'secretId' | 'token'>;

const key = ({ secretId, token }: Identity) => `${secretId} ${token}`;

/** More than the rotations that one process sees at a time. What it forgets is proven again. */
const MOST = 100;

/**
 * The proofs of this process, by secret and ClientRequestToken.
 *
 * finishSecret may be the first step that this process sees: anybody may invoke it, or another process
 * may have run the steps before it. So finishSecret promotes what is proven here, and proves anything
 * else itself.
 */
export class Proven {
  readonly #proofs = new Map<string, Proof>();

  add(rotation: Identity, proof: Proof): void {
    const token = key(rotation);
    this.#proofs.delete(token);
    this.#proofs.set(token, proof);
    const [oldest] = this.#proofs.keys();
    if (this.#proofs.size > MOST && oldest !== undefined) this.#proofs.delete(oldest);
  }

  of(rotation: Identity): Proof | undefined {
    return this.#proofs.get(key(rotation));
  }
}
