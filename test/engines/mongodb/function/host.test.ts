import { expect, test } from '@jest/globals';
import { mongodb } from '../../../../functions/mongodb/engine.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { databaseAccounts } from '../../../../shared/database/kind.ts';
import { DatabaseSettings } from '../../../../shared/database/settings.ts';
import type { Tools } from '../../../../shared/database/work.ts';

test('a name that has an SRV record alone is told so before anything is stored', async () => {
  const tools = {
    engine: mongodb,
    deadline: new Deadline(60_000),
    settings: new DatabaseSettings({}),
    warnings: new Set<string>(),
  } as unknown as Tools<never>;
  const kind = databaseAccounts(tools);
  const value = { engine: 'mongodb', host: 'cluster0.ab1cd.invalid', username: 'app', password: 'old' };

  const checked = kind.precheck(kind.parse({ text: new Secret(JSON.stringify(value)), called: 'AWSCURRENT' }));

  await expect(checked).rejects.toMatchObject({
    name: 'HostNotFoundError',
    message: expect.stringMatching(
      /^The host cluster0\.ab1cd\.invalid does not resolve .*mongodb\+srv URL is no host's/,
    ),
  });
});
