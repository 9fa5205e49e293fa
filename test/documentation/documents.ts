/** The documents that people read, as their tests read them: code blocks, links and headings. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Of a code block. What can be checked is checked as this; `js` is for mongosh, `text` for what cannot be checked. */
export const LANGUAGES = ['json', 'yaml', 'ts', 'hcl', 'sh', 'sql', 'js', 'text'] as const;
export type Language = (typeof LANGUAGES)[number];

export type Block = {
  language: string;
  text: string;
  /** `docs/attach.md:12`, the line of the fence. */
  where: string;
  /** `docs/attach.md#postgresql`, the nearest heading above. */
  heading: string;
  /** The name of a file, from a comment `<!-- file: policy.json -->` above: shell blocks further down find it. */
  file?: string;
};

export type Document = {
  name: string;
  blocks: readonly Block[];
  /** What can follow a # in a link to it. */
  anchors: ReadonlySet<string>;
  /** Targets of links, as they stand there. */
  links: readonly string[];
};

const FENCE = /^( *)(`{3,})(.*)$/;
const HEADING = /^#{1,6} +(.*?)[ #]*$/;
const FILE = /^<!-- file: (\S+) -->$/;
const LINK = /\[[^\]]*\]\(<?([^)\s>]+)>?\)|^\[[^\]]+\]: *(\S+)|<a href="([^"]+)"/gm;

/** @throws for a fence without an end, and for one that would be taken for text */
export function parseDocument(name: string, text: string): Document {
  const blocks: Block[] = [];
  const anchors = new Set<string>();
  const prose: string[] = [];
  let heading = name;
  let file: string | undefined;
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string;
    const where = `${name}:${at + 1}`;
    const [, indent = '', ticks, info = ''] = FENCE.exec(line) ?? [];
    if (ticks !== undefined) {
      const end = lines.findIndex((each, index) => index > at && each.trim() === ticks);
      if (end < 0) throw new Error(`${where}: a code block that does not end`);
      const inside = lines.slice(at + 1, end).map((each) => each.replace(new RegExp(`^ {0,${indent.length}}`), ''));
      blocks.push({ language: info.trim(), text: inside.join('\n'), where, heading, ...(file && { file }) });
      file = undefined;
      at = end;
      continue;
    }
    if (/`{3}|~{3}/.test(line))
      throw new Error(`${where}: a fence that is not at the beginning of its line, or no \`\`\``);
    const title = HEADING.exec(line)?.[1];
    if (title !== undefined) {
      const anchor = newAnchor(title, anchors);
      anchors.add(anchor);
      heading = `${name}#${anchor}`;
    }
    if (line.trim() !== '') file = FILE.exec(line.trim())?.[1];
    prose.push(line.replaceAll(/`[^`]*`/g, ''));
  }
  const links = [...prose.join('\n').matchAll(LINK)].map(
    ([, inline, reference, html]) => inline ?? reference ?? html ?? '',
  );
  return { name, blocks, anchors, links };
}

/** As GitHub makes them: https://docs.github.com/en/get-started/writing-on-github, "Section links". */
function newAnchor(title: string, taken: ReadonlySet<string>): string {
  const text = title.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
  const anchor = text.replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-');
  if (!taken.has(anchor)) return anchor;
  for (let n = 1; ; n++) if (!taken.has(`${anchor}-${n}`)) return `${anchor}-${n}`;
}

export function readDocument(name: string): Document {
  return parseDocument(name, readFileSync(join(root, name), 'utf8'));
}

/** Those whose code blocks are checked. */
export const documents: readonly Document[] = [
  'README.md',
  'README-SAR.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`)
    .sort(),
].map(readDocument);

export function blocksIn(language: Language): Block[] {
  return documents.flatMap(({ blocks }) => blocks).filter((block) => block.language === language);
}
