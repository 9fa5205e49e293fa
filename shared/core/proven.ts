import type { RotationEvent } from './event.ts';

/** A pending version that works, as this process has seen, and what it follows. Ids alone: no value outlives its step. */
export type Proof = {
  /** Of the version that bore AWSCURRENT, and of which the pending version is the successor. */
  current: string;
  strategy: string;
};

type Identity = Pick<RotationEvent, 'secretId' | 'token'>;

const key = ({ secretId, token }: Identity) => `${secretId} ${token}`;

/** More rotations than one process sees at a time: what it forgets is proven again. */
const MOST = 100;

/**
 * What this process has proven, by secret and ClientRequestToken. A step may be the first that anybody invokes, or another function may have done the
 * steps before it. So finishSecret promotes what stands here, and proves anything else itself.
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
