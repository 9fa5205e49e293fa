import type { Step } from '../secrets-manager/rotation.ts';
import type { Facts, RotationFacts, Scene } from './facts.ts';
import type { Audience } from './gather.ts';

/** One JSON document on stdout, at the end; progress goes to stderr. */
export class Machine implements Audience {
  preparing(what: string): void {
    console.error(what);
  }

  ready({ server }: Scene): void {
    console.error(server);
  }

  step(step: Step, rotation: number): void {
    console.error(`Rotation ${rotation}: ${step}`);
  }

  rotated({ succeeded }: RotationFacts, rotation: number): void {
    console.error(`Rotation ${rotation} ${succeeded ? 'succeeded' : 'failed'}`);
  }

  ended(facts: Facts, broken: readonly string[]): void {
    console.log(JSON.stringify({ ...facts, broken }, undefined, 2));
  }

  stopped(): void {}
}
