import { isDeepStrictEqual } from 'node:util';
import { expect, test } from '@jest/globals';
import { describeMoto } from './moto.ts';
import { clientOf } from './secrets-manager-client.ts';
import { play, RULES } from './secrets-manager-rules.ts';

const rules = Object.entries(RULES);

describeMoto('moto answers as AWS does, but for what is written down', (endpoint) => {
  // A moto given by its address may have seen an earlier run.
  const run = Date.now().toString(36);

  test.each(rules)('%s', async (name, rule) => {
    const secret = `${run}/${Object.keys(RULES).indexOf(name)}`;

    const seen = await play(rule, clientOf(endpoint()), secret);

    expect(seen).toStrictEqual('moto' in rule ? rule.moto : rule.answer);
  });
});

test('where moto answers otherwise, its answer is another', () => {
  const same = rules.filter(([, rule]) => 'moto' in rule && isDeepStrictEqual(rule.moto, rule.answer));

  expect(same.map(([name]) => name)).toEqual([]);
});
