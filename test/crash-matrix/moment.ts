/** Something that happens again and again, and that others wait for. */
export class Moment {
  readonly #waiting: ((happened: boolean) => void)[] = [];

  /** Resolves to true the next time it happens, to false if it never will. */
  next(): Promise<boolean> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  happens(): void {
    for (const resolve of this.#waiting.splice(0)) resolve(true);
  }

  willNotHappen(): void {
    for (const resolve of this.#waiting.splice(0)) resolve(false);
  }
}
