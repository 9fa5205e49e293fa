/** The shell blocks of the documents: they run, the AWS CLI takes their commands, and npm has their scripts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { describeTool } from '../tools.ts';
import { type Block, blocksIn, documents, root } from './documents.ts';
import { runShell } from './shell.ts';

const A_MINUTE = 60_000;

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const blocks = blocksIn('sh');
const callsAws = ({ text }: Pick<Block, 'text'>) => /\baws /.test(text);

/** The files that blocks above this one are. */
function filesFor(block: Block): Record<string, string> {
  const all = documents.find((document) => document.blocks.includes(block))?.blocks ?? [];
  const above = all.slice(0, all.indexOf(block));
  return Object.fromEntries(above.flatMap(({ file, text }) => (file === undefined ? [] : [[file, text]])));
}

/** Of these calls of npm, those that this project knows nothing of. */
function unknownToNpm(calls: readonly string[]): string[] {
  return calls.filter((call) => {
    const [command = '', first = ''] = call.split(' ').filter((word) => !word.startsWith('-'));
    return command !== 'ci' && !((command === 'run' ? first : command) in scripts);
  });
}

async function check(block: Block): Promise<void> {
  const { calls, npm } = await runShell(block.text, filesFor(block));
  expect(unknownToNpm(npm)).toEqual([]);
  if (callsAws(block)) expect(calls).not.toEqual([]);
}

describe('bash runs', () => {
  for (const block of blocks.filter((each) => !callsAws(each))) test(block.where, () => check(block));

  test('a block as one script, in a directory with the files that it needs', async () => {
    const { output, npm } = await runShell('words=$(cat a.txt)\nsam build && npm run demo\necho "$words"', {
      'a.txt': 'b',
    });
    expect(output).toBe('b\n');
    expect(npm).toEqual(['run demo']);
  });

  test.each([
    ['a variable that no reader has', 'echo "$NOTHING"', 'NOTHING'],
    ['a place for the reader that is none for a shell', 'echo <RotationLambdaARN> --days 30', 'RotationLambdaARN'],
    ['a quote that does not end', 'echo "a', 'unexpected EOF'],
    ['a program that is not there', 'awss help', 'awss'],
    ['a file that nothing has made', 'cat secret.json', 'secret.json'],
    ['a command that fails before another', 'false\ntrue', ''],
  ])('no block with %s', async (_, script, words) => {
    await expect(runShell(script)).rejects.toThrow(words);
  });

  test('no npm with a script that is not in package.json', () => {
    const right = ['ci', 'test', 'run demo', 'run --silent build -- postgres'];
    expect(unknownToNpm(right)).toEqual([]);
    const wrong = ['run demos', 'tests', 'run', 'run --silent builds -- postgres'];
    expect(unknownToNpm(wrong)).toEqual(wrong);
  });
});

describeTool('aws', 'the AWS CLI takes', () => {
  for (const block of blocks.filter(callsAws)) test(block.where, () => check(block), A_MINUTE);

  test(
    'commands of each protocol, and those of Secrets Manager have effects',
    async () => {
      const { calls, output } = await runShell(`
      aws secretsmanager create-secret --name orders-app --secret-string one >&2
      aws secretsmanager get-secret-value --secret-id orders-app --query SecretString --output text
      aws secretsmanager get-resource-policy --secret-id orders-app >&2
      aws logs describe-log-groups >&2
      aws cloudformation describe-stacks --query 'Stacks[0]'
      aws ec2 describe-subnets >&2
      aws lambda get-function --function-name secret-rotation >&2
      aws cloudwatch list-metrics >&2`);
      expect(output).toBe('one\nnull\n');
      expect(calls.slice(0, 4)).toEqual([
        'secretsmanager.CreateSecret',
        'secretsmanager.GetSecretValue',
        'secretsmanager.GetResourcePolicy',
        'Logs_20140328.DescribeLogGroups',
      ]);
      expect(calls.slice(4)).toHaveLength(4);
    },
    A_MINUTE,
  );

  test(
    'secrets that the document did not make',
    async () => {
      const stages =
        'aws secretsmanager describe-secret --secret-id orders-app --query "keys(VersionIdsToStages)" --output text';
      const { output } = await runShell(
        `${stages}\naws secretsmanager rotate-secret --secret-id orders-app >&2\n${stages}`,
      );
      expect(output.trim().split(/\s+/)).toHaveLength(2 + 3);
    },
    A_MINUTE,
  );

  test.each([
    ['an operation', 'aws secretsmanager rotate-secrets --secret-id orders-app', 'rotate-secrets'],
    ['an option', 'aws secretsmanager rotate-secret --secret-id orders-app --schedule Duration=2h', '--schedule'],
    ['a key', 'aws secretsmanager rotate-secret --secret-id orders-app --rotation-rules Days=30', 'Days'],
    ['a file', 'aws secretsmanager create-secret --name a --secret-string file://secret.json', 'secret.json'],
    ['an option that is missing', 'aws ec2 create-vpc-endpoint', '--vpc-id'],
    ['a label', 'aws secretsmanager get-secret-value --secret-id a --version-stage AWSCURENT', 'AWSCURENT'],
  ])(
    'no command with %s that is not there',
    async (_, script, words) => {
      await expect(runShell(script)).rejects.toThrow(words);
    },
    A_MINUTE,
  );
});
