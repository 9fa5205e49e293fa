/** What the documentation lists is what there is: no error, no setting and no document without its line. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import * as errors from '../../shared/core/errors.ts';
import * as ofDatabases from '../../shared/database/errors.ts';
import { environmentOf, root } from '../template/template.ts';

const read = (file: string) => readFileSync(join(root, file), 'utf8');

/** The names in code in the first cell of each row of a document's tables. */
function firstCells(file: string, like: RegExp): string[] {
  const cells = read(file).matchAll(/^\| (`[^|]*) \|/gm);
  return [...cells].flatMap(([, cell = '']) => cell.replaceAll('`', '').split(', ')).filter((name) => like.test(name));
}

test('each error that a step can answer with has a line in docs/when-it-fails.md', () => {
  const classes = Object.entries({ ...errors, ...ofDatabases }).filter(
    ([, it]) => typeof it === 'function' && it !== errors.CallError && it.prototype instanceof errors.RotationError,
  );
  const names = classes.map(([name]) => name);
  expect(firstCells('docs/when-it-fails.md', /Error$/).sort()).toEqual(names.sort());
});

test('each setting of the function has a line in docs/settings.md', () => {
  expect(firstCells('docs/settings.md', /^[A-Z_]+$/).sort()).toEqual(Object.keys(environmentOf()).sort());
});

test('each document is in the README’s list', () => {
  const listed = [...read('README.md').matchAll(/\]\((docs\/[\w-]+\.md)\)/g)].map(([, file]) => file);
  expect(new Set(listed)).toEqual(
    new Set(
      readdirSync(join(root, 'docs'))
        .filter((file) => file.endsWith('.md'))
        .map((file) => `docs/${file}`),
    ),
  );
});
