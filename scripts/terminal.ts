import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];

const LABEL_WIDTH = 16;
const INDENT = 2;
const ERASE_LINE = '\r\u001b[2K';

/** Lines on stdout. `rich`: it is a terminal that may be given colours; elsewhere, and with NO_COLOR, the text is plain. */
export class Terminal {
  readonly rich: boolean;
  /** Columns. Longer lines than 100 are hard to read on any terminal. */
  readonly width: number;

  constructor({ stdout }: NodeJS.Process) {
    this.rich = stdout.isTTY && stdout.hasColors();
    this.width = stdout.isTTY ? Math.min(Math.max(stdout.columns, 50), 100) : 80;
  }

  print(line = ''): void {
    this.erase();
    process.stdout.write(`${line}\n`);
  }

  /** A label and what there is to say of it, on as many lines as it takes. */
  row(label: string, text: string): void {
    const [first, ...rest] = wrapped(text, this.width - LABEL_WIDTH - INDENT);
    this.print(`${' '.repeat(INDENT)}${this.paint('dim', label.padEnd(LABEL_WIDTH))}${first}`);
    for (const line of rest) this.print(`${' '.repeat(INDENT + LABEL_WIDTH)}${line}`);
  }

  /** A row with a bar from one point of time to another, on a scale that ends at `end`; without room for bars, in words. */
  bar(label: string, { from, ms, end, style }: { from: number; ms: number; end: number; style: Style }): void {
    const figure = `${ms} ms`.padStart(8);
    if (!this.rich) {
      this.row(label, `${figure}   from ${from} ms on`);
      return;
    }
    const columns = this.width - LABEL_WIDTH - INDENT - figure.length;
    const start = Math.min(Math.round((from / end) * columns), columns - 1);
    const length = Math.max(1, Math.min(Math.round((ms / end) * columns), columns - start));
    const bar = `${' '.repeat(start)}${this.paint(style, '█'.repeat(length))}${' '.repeat(columns - start - length)}`;
    this.print(`${' '.repeat(INDENT)}${this.paint('dim', label.padEnd(LABEL_WIDTH))}${bar}${figure}`);
  }

  /** A line that gives way to the next. */
  progress(text: string): void {
    this.erase();
    if (this.rich) process.stdout.write(this.paint('dim', text.slice(0, this.width - 1)));
  }

  erase(): void {
    if (this.rich) process.stdout.write(ERASE_LINE);
  }

  paint(style: Style, text: string): string {
    return this.rich ? styleText(style, text, { validateStream: false }) : text;
  }
}

/** At spaces; a word longer than a line gets one of its own. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
