/** The bars of docs/benchmark.svg. */
import { type CaseReport, titleOf } from './run.ts';
import { summary } from './statistics.ts';

/** Readable on white and on black. */
const TEXT = '#768390';
const COLOURS = ['#316dca', '#8c959f', '#c4682c', '#46954a', '#986ee2'];

const WIDTH = 960;
const LABELS = 170;
/** Of one of the two panels, and of a figure behind a bar. */
const PANEL = 360;
const FIGURE = 56;
const BAR = 14;
const LINE = 18;
const TITLE = 26;

/** Medians: on the left a new process and its first rotation, on the right a later rotation. */
export function chart(cases: readonly CaseReport[]): string {
  const bars = cases.map((each) => each.candidates.map(({ name, figures }) => ({ name, ...mediansOf(figures) })));
  const longest = {
    cold: Math.max(...bars.flat().map(({ start, first }) => start + first)),
    warm: Math.max(...bars.flat().map(({ later }) => later)),
  };
  const parts = [
    text(LABELS, 16, 'new process (in strong colour) and its first rotation, ms'),
    text(LABELS + PANEL + 40, 16, 'a later rotation, ms'),
  ];
  let y = 28;
  for (const [index, each] of cases.entries()) {
    parts.push(text(0, y + 16, `${each.server}, ${titleOf(each)}`, 'bold'));
    y += TITLE;
    for (const [which, { name, start, first, later }] of (bars[index] ?? []).entries()) {
      const colour = COLOURS[which % COLOURS.length] ?? TEXT;
      const cold = PANEL - FIGURE;
      const width = { start: (start / longest.cold) * cold, first: (first / longest.cold) * cold };
      const right = LABELS + PANEL + 40;
      const warm = (later / longest.warm) * (WIDTH - right - FIGURE);
      parts.push(
        text(12, y + 11, name),
        rectangle(LABELS, y, width.start, colour, 1),
        rectangle(LABELS + width.start, y, width.first, colour, 0.55),
        text(LABELS + width.start + width.first + 6, y + 11, (start + first).toFixed(0)),
        rectangle(right, y, warm, colour, 0.55),
        text(right + warm + 6, y + 11, later.toFixed(0)),
      );
      y += LINE;
    }
    y += 8;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="12" fill="${TEXT}">`,
    '<title>Medians in milliseconds; docs/benchmark.md has the figures</title>',
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function mediansOf({ start, firstRotation, rotation }: CaseReport['candidates'][number]['figures']) {
  const [ofStart, first, later] = [start, firstRotation, rotation].map((figures) => summary(figures)?.median ?? 0);
  return { start: ofStart ?? 0, first: first ?? 0, later: later ?? 0 };
}

function rectangle(x: number, y: number, width: number, colour: string, opacity: number): string {
  return `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${colour}" fill-opacity="${opacity}"/>`;
}

function text(x: number, y: number, content: string, weight = 'normal'): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y}" font-weight="${weight}">${escaped}</text>`;
}
