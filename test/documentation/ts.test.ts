/** The CDK apps of the documents: they have the right types, and what they synthesise is right and rotates. */
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { temporaryDirectory } from '../../local/owner.ts';
import { describeTool, run } from '../tools.ts';
import { cfnLint } from './cfn-lint.ts';
import { blocksIn, root } from './documents.ts';

const MINUTES = 60_000;

/** Of people who use CDK, rather than ours. */
const COMPILER_OPTIONS = {
  strict: true,
  target: 'es2024',
  module: 'nodenext',
  types: ['node'],
  erasableSyntaxOnly: true,
  verbatimModuleSyntax: true,
  skipLibCheck: true,
  noEmit: true,
};

/** @returns the templates; rejects with what the compiler says, or the app */
async function synthesised(app: string): Promise<string[]> {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await symlink(join(root, 'node_modules'), join(path, 'node_modules'));
  await writeFile(join(path, 'package.json'), JSON.stringify({ type: 'module' }));
  await writeFile(
    join(path, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files: ['app.ts'] }),
  );
  await writeFile(join(path, 'app.ts'), app);
  await run(process.execPath, ['node_modules/typescript/bin/tsc'], path);
  const out = join(path, 'cdk.out');
  await mkdir(out);
  await run(process.execPath, ['app.ts'], path, { CDK_OUTDIR: out });
  const templates = (await readdir(out)).filter((file) => file.endsWith('.template.json'));
  return Promise.all(templates.map((file) => readFile(join(out, file), 'utf8')));
}

const rotates = (template: string) => template.includes('"AWS::SecretsManager::RotationSchedule"');

describeTool('cfn-lint', 'cfn-lint', () => {
  for (const { where, text } of blocksIn('ts'))
    test(
      `has nothing to say of what ${where} synthesises, and it rotates a secret`,
      async () => {
        const templates = await synthesised(text);
        for (const template of templates) expect(await cfnLint(template)).toBe('');
        expect(templates.filter(rotates)).toHaveLength(1);
      },
      3 * MINUTES,
    );
});

const APP = `
import { App, Duration, Stack } from 'aws-cdk-lib';
import { CfnRotationSchedule } from 'aws-cdk-lib/aws-secretsmanager';

const stack = new Stack(new App(), 'Orders');
new CfnRotationSchedule(stack, 'Schedule', {
  secretId: 'orders-app',
  rotationRules: { automaticallyAfterDays: Duration.days(30).toDays() },
});
`;

test(
  'An app is synthesised, each stack to a template',
  async () => {
    const [template, ...others] = await synthesised(APP);
    expect(rotates(template ?? '')).toBe(true);
    expect(others).toEqual([]);
  },
  3 * MINUTES,
);

test.each([
  ['automaticallyAfterDays', 'automaticAfterDays', "'automaticAfterDays' does not exist"],
  ['Duration.days(30)', "Duration.parse('30 days')", 'ISO duration'],
])(
  'An app with %j as %j is refused',
  async (right, wrong, words) => {
    await expect(synthesised(APP.replaceAll(right, wrong))).rejects.toThrow(words);
  },
  3 * MINUTES,
);
