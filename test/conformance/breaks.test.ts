/** A suite that cannot fail shows nothing: every duty has been seen to. BREAKS=all breaks all, else it is one line. */
import { execFile } from 'node:child_process';
import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { OWNER_VARIABLE, temporaryDirectory } from '../../local/owner.ts';
import { engines } from '../engines/engines.ts';
import { type EngineName, engineNames, type RowName, rowNames, rows } from '../engines/servers.ts';
import { LENDER_VARIABLE } from '../global-setup.ts';
import { type Break, breaks } from './breaks.ts';
import { DUTIES } from './duty-names.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('what is broken stands exactly once in the code', async () => {
  for (const { file, find } of breaks) {
    const source = await readFile(join(root, file), 'utf8');
    expect({ file, find, times: source.split(find).length - 1 }).toEqual({ file, find, times: 1 });
  }
});

test.each(engineNames)('every duty is broken on %s, but for what it cannot do', (engine) => {
  const { rotates } = engines[engine];
  const has = (capability: 'twins' | 'overlap') =>
    rotates.engineKeys.some((key) => !('unsupported' in rotates[capability](key)));
  const broken = breaks.flatMap(({ tests, rows: [row] }) =>
    'duty' in tests && rows[row].engine === engine ? [tests.duty] : [],
  );

  expect(new Set(broken)).toEqual(
    new Set(DUTIES.filter((duty) => (duty !== 'overlap' && duty !== 'twins') || has(duty))),
  );
});

const run = promisify(execFile);

/** This repository but for that one line, with the function of this engine built. */
async function brokenCopy(folder: string, { file, find, replace }: Break, engine: EngineName): Promise<string> {
  const copy = join(folder, 'copy');
  const left = ['.git', 'node_modules', 'dist', '.venv', '.venv-aws'];
  await cp(root, copy, { recursive: true, filter: (path) => !left.includes(basename(path)) });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const source = await readFile(join(copy, file), 'utf8');
  const broken = source.replace(find, () => replace);
  await writeFile(join(copy, file), broken);
  await run(process.execPath, ['scripts/build.ts', engine], { cwd: copy });
  return copy;
}

/** Of Jest's report. */
type Report = { testResults: { assertionResults: { title: string; status: string }[] }[] };

/** How the tests end that have to notice: one over TLS and one in clear text, for most. */
async function statuses(broken: Break, row: RowName): Promise<string[]> {
  const { tests, caughtBy } = broken;
  const { engine } = rows[row];
  await using folder = await temporaryDirectory();
  const copy = await brokenCopy(folder.path, broken, engine);

  const { [OWNER_VARIABLE]: _, [LENDER_VARIABLE]: __, ...environment } = process.env;
  // As good as no Docker: other servers are not asked for.
  for (const other of rowNames) if (other !== row) environment[rows[other].imageVariable] = 'registry.invalid/none:1';
  const suite = 'duty' in tests ? `test/engines/${engine}/conformance/${row.replace(' ', '-')}.test.ts` : tests.file;
  const group = 'duty' in tests ? `^${escaped(`${row} ${tests.duty} `)}.*` : '';
  const report = join(folder.path, 'report.json');
  // What is broken may leave connections open, which would keep Jest from ending.
  const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', suite, '--forceExit', '--json'];
  const options = ['--outputFile', report, '--testNamePattern', `${group}${escaped(caughtBy)}$`];
  const ended = run(process.execPath, [...jest, ...options], { cwd: copy, env: environment });
  const { stderr } = await ended.catch((error) => error); // Jest's exit code tells that a test has failed

  const { testResults }: Report = JSON.parse(await readFile(report, 'utf8'));
  const found = testResults.flatMap(({ assertionResults }) => assertionResults);
  const called = found.filter(({ title, status }) => title === caughtBy && status !== 'pending');
  if (called.length === 0) throw new Error(`No test called "${caughtBy}" was run on ${row}:\n${stderr}`);
  return called.map(({ status }) => status);
}

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

const all = breaks.flatMap((one) => one.rows.map((row) => ({ ...one, row, group: Object.values(one.tests)[0] })));
const chosen = process.env['BREAKS'] === 'all' ? all : all.slice(0, 1);

describe('broken, is noticed', () => {
  for (const { row, group, ...one } of chosen) {
    test(`${row}, ${group}: ${one.find}`, async () => {
      expect(await statuses(one, row)).toContain('failed');
    }, 300_000);
  }
});
