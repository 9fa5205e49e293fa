class Died extends Error {}

/** Counts the calls of an invocation, to Secrets Manager and to what the secret opens, and ends it at one of them. */
export class Life {
  calls = 0;
  #dead = false;
  #diesAt: { call: number; when: 'before' | 'after' } | undefined;

  until(call: number, when: 'before' | 'after'): void {
    this.#diesAt = { call, when };
  }

  /** Another process takes over, if this one is dead. */
  reborn(): boolean {
    const wasDead = this.#dead;
    this.#dead = false;
    return wasDead;
  }

  readonly around = <T>(call: () => T): T => {
    const number = ++this.calls;
    this.#end(number, 'before');
    const result = call();
    this.#end(number, 'after');
    return result;
  };

  /** As with a process that was killed, nothing that comes later has an effect. */
  #end(call: number, when: 'before' | 'after'): void {
    if (this.#diesAt?.call === call && this.#diesAt.when === when) {
      this.#dead = true;
      this.#diesAt = undefined;
    }
    if (this.#dead) throw new Died();
  }
}
