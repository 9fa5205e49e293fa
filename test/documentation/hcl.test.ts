/** The Terraform of the documents: its grammar is HashiCorp's, its resources and arguments those that the provider's documentation knows. */
import { parse } from '@cdktf/hcl2json';
import { describe, expect, test } from '@jest/globals';
import { blocksIn } from './documents.ts';
import { META_ARGUMENTS, RESOURCES } from './terraform.ts';

type Values = Readonly<Record<string, unknown>>;
/** Blocks of one type and name. */
type Bodies = readonly Values[];
type Module = { resource?: Readonly<Record<string, Readonly<Record<string, Bodies>>>> };

/** Beside `resource`. */
const BLOCK_TYPES = ['data', 'locals', 'module', 'output', 'provider', 'terraform', 'variable'];

/** What the provider would not take. Rejects with the place of what is not the language. */
async function problems(text: string): Promise<string[]> {
  const { resource = {}, ...others }: Module = await parse('main.tf', text);
  const strange = Object.keys(others).filter((type) => !BLOCK_TYPES.includes(type));
  const unknown = strange.map((type) => `no block ${type}`);
  const unfit = Object.entries(resource).flatMap(([type, byName]) =>
    Object.entries(byName).flatMap(([name, bodies]) =>
      bodies.flatMap((body) => problemsOf(type, body).map((problem) => `${type}.${name}: ${problem}`)),
    ),
  );
  return [...unknown, ...unfit];
}

function problemsOf(type: string, body: Values): string[] {
  const known = RESOURCES[type];
  if (known === undefined) return ['a type that terraform.ts does not know'];
  const names = [...known.names, ...META_ARGUMENTS.names];
  const blocks: Readonly<Record<string, readonly string[]>> = { ...known.blocks, ...META_ARGUMENTS.blocks };
  return Object.entries(body).flatMap(([key, value]) => {
    const inside = blocks[key];
    if (inside === undefined) return names.includes(key) ? [] : [`no argument ${key}`];
    if (!Array.isArray(value)) return [`${key} is a block, no argument`];
    const strange = (value as Bodies).flatMap((block) => Object.keys(block).filter((each) => !inside.includes(each)));
    return strange.map((each) => `no argument ${each} in ${key}`);
  });
}

describe('Terraform takes', () => {
  for (const { where, text } of blocksIn('hcl')) test(where, async () => expect(await problems(text)).toEqual([]));
});

const MODULE = `
resource "aws_secretsmanager_secret_rotation" "orders" {
  secret_id           = "orders-app"
  rotation_lambda_arn = var.rotation_lambda_arn
  for_each            = toset(var.names)

  rotation_rules {
    automatically_after_days = 30
  }

  lifecycle {
    ignore_changes = [rotation_rules]
  }
}
`;

describe('a module', () => {
  test('has no blocks of a type that is not there', async () => {
    expect(await problems('variables "a" {\n}')).toEqual(['no block variables']);
  });

  test('is seen to be right', async () => expect(await problems(MODULE)).toEqual([]));

  test.each([
    ['aws_secretsmanager_secret_rotation', 'aws_secret_rotation', 'a type that terraform.ts does not know'],
    ['rotation_lambda_arn ', 'rotation_lambda ', 'no argument rotation_lambda'],
    ['automatically_after_days', 'automatic_after_days', 'no argument automatic_after_days in rotation_rules'],
    ['rotation_rules {', 'rotation_rules = {', 'rotation_rules is a block, no argument'],
    ['rotation_rules {', 'rotation_rule {', 'no argument rotation_rule'],
    ['ignore_changes', 'ignored_changes', 'no argument ignored_changes in lifecycle'],
  ])('is seen to be wrong with %j as %j', async (right, wrong, problem) => {
    expect(await problems(MODULE.replaceAll(right, wrong))).toEqual([expect.stringContaining(`orders: ${problem}`)]);
  });

  test.each(['resource "a" "b" {', 'resource "a" "b" { c = }', 'a = 1 b = 2'])(
    'is not the language: %j',
    async (text) => {
      await expect(problems(text)).rejects.toThrow('main.tf:1');
    },
  );
});
