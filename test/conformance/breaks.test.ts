/** A suite that cannot fail shows nothing: every duty has been seen to. BREAKS=all breaks all that can be broken here, else it is one line. */
import { execFile } from 'node:child_process';
import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { OWNER_VARIABLE, temporaryDirectory } from '../../local/owner.ts';
import { engines } from '../engines/engines.ts';
import { engineNames, type RowName, rowNames, rows } from '../engines/servers.ts';
import { LENDER_VARIABLE } from '../global-setup.ts';
import { servers, testUnless } from '../servers.ts';
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
  const hasOverlap = rotates.engineKeys.some((key) => !('unsupported' in rotates.overlap(key)));
  const broken = breaks.flatMap(({ tests, rows: [row] }) =>
    'duty' in tests && rows[row].engine === engine ? [tests.duty] : [],
  );

  expect(new Set(broken)).toEqual(new Set(DUTIES.filter((duty) => duty !== 'overlap' || hasOverlap)));
});

type Run = { testResults: { assertionResults: { title: string; status: string; failureMessages: string[] }[] }[] };

/** Of the tests that are called so, in a copy of this repository in which that one line is another. */
async function statuses({ tests, file, find, replace, caughtBy }: Break, row: RowName): Promise<string[]> {
  await using folder = await temporaryDirectory();
  const copy = join(folder.path, 'copy');
  const left = ['.git', 'node_modules', 'dist', '.venv'];
  await cp(root, copy, { recursive: true, filter: (path) => !left.includes(basename(path)) });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const source = await readFile(join(copy, file), 'utf8');
  await writeFile(
    join(copy, file),
    source.replace(find, () => replace),
  );
  const { engine } = rows[row];
  const run = promisify(execFile);
  await run(process.execPath, ['scripts/build.ts', engine], { cwd: copy });

  const { [OWNER_VARIABLE]: _, [LENDER_VARIABLE]: __, ...environment } = process.env;
  // As good as no Docker: other servers are not asked for.
  for (const other of rowNames) if (other !== row) environment[rows[other].imageVariable] = 'registry.invalid/none:1';
  const suite = 'duty' in tests ? `test/engines/${engine}/conformance/${row.replace(' ', '-')}.test.ts` : tests.file;
  const group = 'duty' in tests ? `^${escaped(`${row} ${tests.duty} `)}.*` : '';
  const report = join(folder.path, 'report.json');
  const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', suite, '--json', '--outputFile', report];
  const pattern = ['--testNamePattern', `${group}${escaped(caughtBy)}$`];
  await run(process.execPath, [...jest, ...pattern], { cwd: copy, env: environment }).catch(() => {}); // it fails: a test does
  const { testResults }: Run = JSON.parse(await readFile(report, 'utf8'));
  const found = testResults.flatMap(({ assertionResults }) => assertionResults);
  return found.flatMap(({ title, status }) => (title === caughtBy && status !== 'pending' ? [status] : []));
}

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

const all = breaks.flatMap((one) => one.rows.map((row) => ({ ...one, row, group: Object.values(one.tests)[0] })));
const chosen = process.env['BREAKS'] === 'all' ? all : all.slice(0, 1);

describe('broken, is noticed', () => {
  for (const { row, group, ...one } of chosen) {
    const server = servers[row];
    testUnless('remedy' in server ? server.remedy : undefined)(
      `${row}, ${group}: ${one.find}`,
      async () => {
        expect(await statuses(one, row)).toContain('failed');
      },
      300_000,
    );
  }
});
