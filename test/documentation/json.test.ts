/** The JSON of the documents: values of secrets as the function itself reads them, and policies. */
import { describe, expect, test } from '@jest/globals';
import { ENGINES } from '../../scripts/build.ts';
import { Secret } from '../../shared/core/secret.ts';
import type { Engine } from '../../shared/database/engine.ts';
import { namesOf } from '../../shared/database/pair.ts';
import { isManagedByRds, parseSecret, type SecretValue } from '../../shared/database/secret-value.ts';
import { describeTool } from '../tools.ts';
import { cfnLint } from './cfn-lint.ts';
import { type Block, blocksIn } from './documents.ts';

const A_MINUTE = 60_000;

type Json = Record<string, unknown>;
type Statement = { Action: string | string[]; Principal?: unknown };

const engines: Engine[] = [];
for (const engine of ENGINES) {
  const modules: Record<string, Engine> = await import(`../../functions/${engine}/engine.ts`);
  engines.push(modules[engine] as Engine);
}

/** Rejects as the function does that rotates it; also for a key that the function would not look at, as that may be a misspelt one. */
async function checkSecret(json: Json): Promise<void> {
  const version = (value: Json) => ({ text: new Secret(JSON.stringify(value)), called: 'AWSCURRENT' });
  if (!('username' in json)) throw new Error('unknown kind of JSON: neither a key "username" nor a key "Statement"');
  if (isManagedByRds(version(json))) return;
  const engine = engines.find(({ engineKeys }) => engineKeys.includes(String(json['engine'])));
  if (engine === undefined) throw new Error(`No function rotates the engine "${json['engine']}"`);
  const parse = (value: Json): SecretValue => parseSecret(version(value), engine);
  const value = parse(json);
  if (value.masterarn !== undefined) await namesOf(value, async () => undefined, engine);
  for (const key of Object.keys(json)) {
    const isReplaced = ['host', 'port'].includes(key) && `rotation${key}` in json;
    const unfit = { ...json, [key]: { no: 'text' } };
    if (!isReplaced && accepts(() => parse(unfit))) throw new Error(`The function does not look at the key "${key}"`);
  }
}

function accepts(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

/**
 * A template with the policy in a place where cfn-lint reads it: into the policy of a secret it does not look, so that stands where a key's would,
 * as both have one grammar.
 */
function templateWith(policy: Json): string {
  const statements = [policy['Statement']].flat() as Statement[];
  if (!statements.some((statement) => 'Principal' in statement))
    return ofResource('AWS::IAM::ManagedPolicy', { PolicyDocument: policy });
  const actions = statements.flatMap(({ Action }) => Action);
  const strange = actions.find((action) => !/^(kms|secretsmanager):/.test(action));
  if (strange !== undefined) throw new Error(`unknown kind of policy: with a Principal, and the action ${strange}`);
  return ofResource('AWS::KMS::Key', { KeyPolicy: policy });
}

function ofResource(Type: string, Properties: Json): string {
  return JSON.stringify({ Resources: { Resource: { Type, Properties } } });
}

const blocks = blocksIn('json');
const isPolicy = ({ text }: Block) => text.includes('"Statement"');

const SECRET = {
  engine: 'mongo',
  host: 'db.example.com',
  username: 'orders_app',
  password: '…',
  authSource: 'orders',
  masterarn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-admin-AbCdEf',
};

describe('the function reads', () => {
  for (const block of blocks.filter((each) => !isPolicy(each)))
    test(block.where, () => checkSecret(JSON.parse(block.text)));

  test.each([
    ['every key that it knows', SECRET],
    ['a secret of RDS', { username: 'admin', password: '…' }],
    ['where to rotate in place of the host', { ...SECRET, rotationhost: 'writer.example.com', host: 'proxy' }],
    ['and at which port', { ...SECRET, rotationport: 5432, port: 6432 }],
  ])('%s', (_, secret) => checkSecret(secret));

  test.each([
    ['a key that is misspelt', { masterArn: 'x' }, 'masterArn'],
    ['a key of another engine', { engine: 'postgres' }, 'authSource'],
    ['an engine that nothing rotates', { engine: 'oracle' }, 'oracle'],
    ['no host', { host: undefined }, 'host'],
    ['a TLS that is neither on nor off', { ssl: 'required' }, 'ssl'],
    ['a twin without a base', { username: 'orders_app_clone' }, 'baseusername'],
  ])('no secret with %s', async (_, wrong, words) => {
    await expect(checkSecret({ ...SECRET, ...wrong })).rejects.toThrow(words);
  });

  test('nothing that is neither a secret nor a policy', async () => {
    await expect(checkSecret({ user: 'orders_app' })).rejects.toThrow('unknown kind of JSON');
  });
});

const ALLOW_ROLE = { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::123456789012:role/orders' }, Resource: '*' };
const READ = { Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: SECRET.masterarn };
const policyOf = (...Statement: Json[]) => ({ Version: '2012-10-17', Statement });

describeTool('cfn-lint', 'cfn-lint', () => {
  for (const { where, text } of blocks.filter(isPolicy))
    test(
      `has nothing to say of the policy in ${where}`,
      async () => {
        expect(await cfnLint(templateWith(JSON.parse(text)))).toBe('');
      },
      A_MINUTE,
    );

  test.each([
    ['a role', policyOf(READ)],
    ['a secret', policyOf({ ...ALLOW_ROLE, Action: ['secretsmanager:GetSecretValue'] })],
    ['a key', policyOf({ ...ALLOW_ROLE, Action: 'kms:Decrypt' })],
  ])(
    'has nothing to say of a policy of %s that is right',
    async (_, policy) => {
      expect(await cfnLint(templateWith(policy))).toBe('');
    },
    A_MINUTE,
  );

  test.each([
    ['a role’s action', policyOf({ ...READ, Action: 'secretsmanager:ReadSecretValue' }), 'readsecretvalue'],
    ['a role’s element', policyOf({ ...READ, Ressource: '*' }), 'Ressource'],
    ['a secret’s action', policyOf({ ...ALLOW_ROLE, Action: 'secretsmanager:ReadSecretValue' }), 'readsecretvalue'],
    ['a secret’s element', policyOf({ ...ALLOW_ROLE, ...READ, Conditions: {} }), 'Conditions'],
    ['a key’s action', policyOf({ ...ALLOW_ROLE, Action: 'kms:Decipher' }), 'decipher'],
  ])(
    'has something to say of a policy with %s misspelt',
    async (_, policy, word) => {
      await expect(cfnLint(templateWith(policy))).rejects.toThrow(word);
    },
    A_MINUTE,
  );
});

test('a policy of something else is of an unknown kind', () => {
  expect(() => templateWith(policyOf({ ...ALLOW_ROLE, Action: 'sns:Publish' }))).toThrow('unknown kind of policy');
});
