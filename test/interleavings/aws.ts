/**
 * What AWS's own functions do in each step, for one user and for two (https://github.com/aws-samples/aws-secrets-manager-rotation-lambdas,
 * *SingleUser and *MultiUser): for a rotation that passes from one of them to ours. They ask for less.
 */
import { randomUUID } from 'node:crypto';
import type { Invocation, Step } from '../../local/secrets-manager/rotation.ts';
import type { Json } from './secret.ts';
import type { World } from './world.ts';

export async function takeStepAsAws(world: World, step: Step, token: string): Promise<Invocation> {
  // AWS’s functions know no strategy that keeps the old password valid: a lock-out by one is not ours.
  await world.lookout.whilePeopleWork(() => steps[step](world, token));
  const invocation: Invocation = { outcome: 'success', ms: 0 };
  await world.invocationEnds(`AWS’s function: ${step}`, invocation);
  return invocation;
}

const steps: Record<Step, (world: World, token: string) => Promise<void>> = {
  async createSecret({ secret, strategy, store }, token) {
    const current = secret.current.value ?? {};
    const username = String(current['username']);
    const other = username.endsWith('_clone') ? username.replace(/_clone$/, '') : `${username}_clone`;
    const value = {
      ...current,
      ...(strategy === 'alternating-users' && { username: other }),
      password: `aws-${randomUUID()}`,
    };
    store.putSecretValue({
      SecretId: secret.id,
      ClientRequestToken: token,
      SecretString: JSON.stringify(value),
      VersionStages: ['AWSPENDING'],
    });
  },

  async setSecret(world, token) {
    const pending = pendingOf(world, token);
    if ((await world.logIn(pending)) === 'accepted') return;
    const username = String(pending['username']);
    if (!(await world.kept()).has(username)) {
      await world.createUser(username, String(pending['password']));
      await world.hands.grantAsAwsDoes(world.bench.administrator, world.names);
    } else await world.setPassword(username, String(pending['password']));
  },

  async testSecret(world, token) {
    if ((await world.logIn(pendingOf(world, token))) !== 'accepted') throw new Error('The pending password is refused');
  },

  async finishSecret({ secret }, token) {
    secret.move('AWSCURRENT', token);
  },
};

function pendingOf({ secret }: World, token: string): Json {
  const { value } = secret.version(token);
  if (value === undefined) throw new Error('There is no pending value');
  return value;
}
