/** The Logs Insights query of the documents, over what the built function logs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { Rotating } from '../rotation/rotating.ts';
import { describeServers } from '../servers.ts';
import { root } from './documents.ts';

const [, filter = ''] = /^filter (.+?) \| /m.exec(readFileSync(join(root, 'docs/when-it-fails.md'), 'utf8')) ?? [];
const conditions = filter.split(' and ').map((condition) => {
  const [, field, value] = /^(\w+) = "(\w+)"$/.exec(condition) ?? [];
  if (field === undefined) throw new Error(`This test cannot read the condition ${condition}`);
  return [field, value] as const;
});

describeServers('postgres', 'the query for failures', (server) => {
  test('finds one line for each failed step, and no metrics and no warnings', async () => {
    await using rotating = await Rotating.on(server);
    await rotating.setPassword('known to nobody');
    const { attempts } = await rotating.rotate({ attempts: 2 });
    const failed = attempts.flatMap(({ steps }) => steps).filter(({ error }) => error !== undefined);
    expect(failed).toHaveLength(2);
    expect(rotating.logged.length).toBeGreaterThan(8);

    const found = rotating.logged.filter((line) => conditions.every(([field, value]) => line[field] === value));

    expect(found.map(({ step, message }) => [step, message])).toEqual(
      failed.map(({ step, error }) => [step, error?.errorMessage]),
    );
  });
});
