/** The documents: what their code blocks are, and where their links lead. The other files here check what stands in the blocks. */
import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type Document, documents, LANGUAGES, parseDocument, readDocument, root } from './documents.ts';

/** Each code block that none of the files here would look at. */
function unchecked({ blocks }: Document): string[] {
  const known: readonly string[] = LANGUAGES;
  return blocks
    .filter(({ language }) => !known.includes(language))
    .map(({ where, language }) => `${where}: "${language}" is none of ${LANGUAGES.join(', ')}`);
}

/** Each link to this repository that leads nowhere. */
function broken({ name, links, anchors: own }: Document): string[] {
  return links.filter((link) => {
    if (/^(https?|mailto):/.test(link)) return false;
    const [path = '', anchor = ''] = link.split('#');
    if (path === '') return !own.has(anchor);
    const target = posix.join(posix.dirname(name), decodeURI(path));
    if (link.startsWith('/') || target.startsWith('..') || !existsSync(join(root, target))) return true;
    if (anchor === '') return false;
    return !target.endsWith('.md') || !readDocument(target).anchors.has(anchor);
  });
}

describe.each(documents)('$name', (document) => {
  test('says of each code block what it is', () => {
    expect(unchecked(document)).toEqual([]);
  });
});

describe.each([...documents, readDocument('ARCHITECTURE.md'), readDocument('CHANGELOG.md')])('$name', (document) => {
  test('has links that lead somewhere', () => {
    expect(broken(document)).toEqual([]);
  });
});

test('README-SAR.md links to nothing beside it, as it is shown elsewhere', () => {
  expect(readDocument('README-SAR.md').links.filter((link) => !link.startsWith('https://'))).toEqual([]);
});

describe('a document', () => {
  const text = [
    '# Attach it',
    'See [there](#a-b), [`template.yaml`](../template.yaml), [a',
    'table](../README.md#test-it) and [AWS](https://aws.amazon.com); `[no](link)`.',
    '## `a_b`: C, d',
    '## A (b)',
    '## A b',
    '<!-- file: policy.json -->',
    '',
    '```json',
    '{}',
    '[no](link)',
    '```',
    '1. First',
    '   ```sh',
    '   if true; then',
    '     echo',
    '   fi',
    '   ```',
  ].join('\n');

  test('is read as it is shown', () => {
    const { blocks, anchors, links } = parseDocument('docs/a.md', text);
    expect(blocks).toEqual([
      {
        language: 'json',
        text: '{}\n[no](link)',
        where: 'docs/a.md:9',
        heading: 'docs/a.md#a-b-1',
        file: 'policy.json',
      },
      { language: 'sh', text: 'if true; then\n  echo\nfi', where: 'docs/a.md:14', heading: 'docs/a.md#a-b-1' },
    ]);
    expect([...anchors]).toEqual(['attach-it', 'a_b-c-d', 'a-b', 'a-b-1']);
    expect(links).toEqual(['#a-b', '../template.yaml', '../README.md#test-it', 'https://aws.amazon.com']);
    expect(broken(parseDocument('docs/a.md', text))).toEqual([]);
  });

  test.each(['#nothing', 'nothing.md', '../README.md#nothing', '../template.yaml#nothing', '/README.md', '../../x'])(
    'may not lead to %s',
    (link) => {
      expect(broken(parseDocument('docs/a.md', `[a](${link})`))).toEqual([link]);
      expect(broken(parseDocument('docs/a.md', `See [a].\n\n[a]: ${link}`))).toEqual([link]);
    },
  );

  test.each(['', 'bash', 'yml', 'JSON'])('may not have a block of the language "%s"', (language) => {
    expect(unchecked(parseDocument('a.md', `\`\`\`${language}\n\`\`\``))).toHaveLength(1);
  });

  test.each(['```sh\necho', '> ```sh\n> echo\n> ```', '~~~sh\necho\n~~~'])('may not hide a block: %j', (hidden) => {
    expect(() => parseDocument('a.md', hidden)).toThrow('a.md:1: ');
  });
});
