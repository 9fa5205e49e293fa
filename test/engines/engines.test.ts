/** What names engines and is no code, so that no type says what was forgotten. */
import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { ENGINES } from '../../scripts/build.ts';
import { engineNames, rowNames, rows } from './servers.ts';

const read = (file: string) => readFile(new URL(`../../${file}`, import.meta.url), 'utf8');

test('every function is tested', () => {
  expect(engineNames.toSorted()).toEqual(ENGINES.toSorted());
});

test('the crash matrix runs on every server: every night, and in part when its turn comes', async () => {
  const { jobs } = parse(await read('.github/workflows/nightly.yml'));
  const ci = await read('.ci/run');

  expect(jobs['crash-matrix'].strategy.matrix.server).toEqual(rowNames);
  for (const row of rowNames) expect(ci).toContain(`'${row}:`);
});

test.each(rowNames)('the README says how to bring a server of one’s own: %s', async (row) => {
  const readme = await read('README.md');

  for (const variable of [rows[row].addressVariable, rows[row].imageVariable])
    expect(readme).toContain(`\`${variable}\``);
});
