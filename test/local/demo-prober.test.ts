import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { Database } from '../../local/demo/database.ts';
import type { Answer } from '../../local/demo/engine.ts';
import { type Probe, Prober } from '../../local/demo/prober.ts';
import { SECRET } from '../../local/demo/secret.ts';
import { SecretStore } from '../../local/secrets-manager/store.ts';

/** What is probed of a server that answers so to the two passwords; undefined for nothing. */
async function probed(answers: { current: Answer; pending: Answer }): Promise<Probe['worked'] | undefined> {
  const store = new SecretStore();
  const value = (password: string) => JSON.stringify({ username: 'app', password });
  store.createSecret({ Name: SECRET, SecretString: value('current'), ClientRequestToken: 'c'.repeat(32) });
  store.putSecretValue({
    SecretId: SECRET,
    SecretString: value('pending'),
    ClientRequestToken: 'p'.repeat(32),
    VersionStages: ['AWSPENDING'],
  });
  const login: Database['login'] = async (_, { password }) => {
    await turn();
    return answers[password as keyof typeof answers];
  };
  const prober = new Prober({ login }, store);
  await prober[Symbol.asyncDispose]();
  return prober.probes[0]?.worked;
}

test.each<[Answer, Answer, Probe['worked'] | undefined]>([
  ['accepted', 'refused', 'AWSCURRENT'],
  ['refused', 'accepted', 'AWSPENDING'],
  ['refused', 'refused', 'neither'],
  ['unreachable', 'refused', undefined],
  ['unreachable', 'accepted', undefined],
  ['refused', 'unreachable', undefined],
])('a probe to which AWSCURRENT is %s and AWSPENDING %s shows: %s', async (current, pending, worked) => {
  expect(await probed({ current, pending })).toBe(worked);
});
