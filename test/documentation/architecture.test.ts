/** ARCHITECTURE.md is true: its picture, the functions that it names, and the rules that it says are broken on purpose. */
import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { brokenRules } from '../crash-matrix/broken-rules.ts';
import { root } from './documents.ts';

const read = (file: string) => readFileSync(join(root, file), 'utf8');
const text = read('ARCHITECTURE.md');

/** The lines of the picture from top to bottom, each with the files that stand on it. */
function pictured(): string[][] {
  const [, picture = ''] = /```text\n([\s\S]*?)```/.exec(text) ?? [];
  let folder = '';
  return picture.split('\n').flatMap((line) => {
    const [, heading] = /^(\S+\/)/.exec(line) ?? [];
    folder = heading ?? folder;
    if (heading !== undefined || !folder.startsWith('shared/')) return [];
    // Words that explain follow after wide space, and name no file.
    const names = line.match(/[\w/-]+\.ts(?= {2}|$)/g) ?? [];
    return names.length === 0 ? [] : [names.map((name) => folder + name)];
  });
}

function importsOf(file: string): string[] {
  return [...read(file).matchAll(/from '(\.[^']+)'/g)].map(([, to = '']) => posix.join(posix.dirname(file), to));
}

describe('the picture', () => {
  const lines = pictured();

  test('has each file of shared/ once', () => {
    const files = globSync('shared/**/*.ts', { cwd: root });
    expect(lines.flat().sort()).toEqual(files.sort());
  });

  test('has no import that goes up', () => {
    const lineOf = new Map(lines.flatMap((files, line) => files.map((file) => [file, line] as const)));
    const upwards = lines
      .flat()
      .flatMap((file) => importsOf(file).map((to) => [file, to] as const))
      .filter(([file, to]) => Number(lineOf.get(to)) <= Number(lineOf.get(file)));
    expect(lines.flat().flatMap(importsOf).length).toBeGreaterThan(100);
    expect(upwards).toEqual([]);
  });
});

test('each function that it names stands in the file that it names', () => {
  const named = [...text.matchAll(/`((?:shared|functions|test)\/[\w/-]+\.ts)` `(\w+)`/g)];
  expect(named.length).toBeGreaterThan(30);
  const gone = named.filter(([, file = '', name = '']) => !new RegExp(`\\b${name}\\b`).test(read(file)));
  expect(gone.map(([all]) => all)).toEqual([]);
});

test('each rule that it says is broken on purpose is', () => {
  const [, table = ''] =
    /\| rule \| where it is enforced \| broken on purpose \|\n\|[-|]*\n([\s\S]*?)\n\n/.exec(text) ?? [];
  const named = table.split('\n').map((row) => String(row.split('|')[3]).trim());
  const rules = brokenRules.map(({ rule }) => rule);
  expect(named.filter((rule) => rule !== '').length).toBeGreaterThan(10);
  expect(named.filter((rule) => rule !== '' && !rules.includes(rule))).toEqual([]);
});
