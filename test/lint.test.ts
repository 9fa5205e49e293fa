/** The linter refuses what the layout forbids: an import upwards, and a circle of imports. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { root } from './template/template.ts';

/** What biome says of a tree that has nothing but these files. */
async function lint(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lint-'));
  try {
    await cp(join(root, 'biome.json'), join(folder, 'biome.json'));
    for (const [file, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), text);
    }
    const biome = join(root, 'node_modules/.bin/biome');
    const run = [biome, 'lint', '--vcs-enabled=false', '--colors=off', '.'];
    return await new Promise((resolve) => {
      execFile(process.execPath, run, { cwd: folder }, (_, stdout, stderr) => resolve(stdout + stderr));
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

test.each([
  ['the core', 'shared/core/a.ts', '../database/engine.ts', 'The core knows no kind of secret'],
  ['a kind', 'shared/database/a.ts', '../../functions/mysql/engine.ts', 'A kind of secret knows no engine'],
  ['a strategy', 'shared/database/strategies/a.ts', '../../../functions/mysql/engine.ts', 'A kind of secret knows no'],
  ['a kind', 'shared/database/a.ts', 'pg', 'A kind of secret knows no engine'],
  ['an engine', 'functions/postgres/a.ts', '../mysql/engine.ts', 'An engine knows shared/ and its own folder'],
  ['an engine', 'functions/postgres/a.ts', '../../local/owner.ts', 'An engine knows shared/ and its own folder'],
  ['the demo', 'local/demo/a.ts', '@jest/globals', 'What people run needs no test runner'],
])('%s (%s) does not import %s', async (_, file, from, saying) => {
  expect(await lint({ [file]: `import '${from}';\n` })).toContain(saying);
});

test('imports downwards are not refused', async () => {
  const downwards = { 'functions/mysql/a.ts': '../../shared/database/b.ts', 'shared/database/b.ts': '../core/c.ts' };
  const files = Object.entries(downwards).map(([file, from]) => [file, `import '${from}';\n`]);
  expect(await lint({ ...Object.fromEntries(files), 'shared/core/c.ts': 'export {};\n' })).not.toContain('━━');
});

test('a circle of types alone is refused, too', async () => {
  const files = {
    'shared/core/a.ts': "import type { B } from './b.ts';\n\nexport type A = B | 1;\n",
    'shared/core/b.ts': "import type { A } from './a.ts';\n\nexport type B = A | 2;\n",
  };
  expect(await lint(files)).toContain('noImportCycles');
});
