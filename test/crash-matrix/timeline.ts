/** What happened in a run, in order, for the developer who looks for the bug. Nobody writes a secret into it. */
export class Timeline {
  readonly #start = performance.now();
  readonly #entries: Entry[] = [];
  readonly #names = new Map<string, string>();

  /** @param at on the clock of performance.now(), for what is written down later than it happened */
  add(text: string, at = performance.now()): void {
    this.#entries.push({ at, text, messages: [] });
  }

  /** Messages that follow each other in one direction of one connection share a line. */
  addMessage(path: string, name: string, about: string): void {
    const last = this.#entries.at(-1);
    const entry = last?.text === path ? last : { at: performance.now(), text: path, messages: [] };
    if (entry !== last) this.#entries.push(entry);
    entry.messages.push(about === '' ? name : `${name} (${about})`);
  }

  /** A version's id is shown by this name from now on, and in what stands here already. */
  call(versionId: string, name: string): void {
    this.#names.set(versionId, name);
  }

  toString(): string {
    const lines = this.#entries.toSorted((a, b) => a.at - b.at).map((entry) => this.#line(entry));
    return [...this.#names].reduce((text, [id, name]) => text.replaceAll(id, name), lines.join('\n'));
  }

  #line({ at, text, messages }: Entry): string {
    const time = `${(at - this.#start).toFixed(0).padStart(6)} ms`;
    return messages.length === 0 ? `${time}  ${text}` : `${time}    ${text} ${elided(messages).join(' ')}`;
  }
}

type Entry = { at: number; text: string; messages: string[] };

/** The first and the last ones of many: the server's settings, at each login, are of no interest. */
function elided(messages: readonly string[]): readonly string[] {
  return messages.length <= 6
    ? messages
    : [...messages.slice(0, 3), `… ${messages.length - 5} more …`, ...messages.slice(-2)];
}
