import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { brokenPromises, type Facts, type RotationFacts } from '../../local/demo/facts.ts';
import { OWNER_VARIABLE, temporaryDirectory } from '../../local/owner.ts';

const DEMO = fileURLToPath(new URL('../../local/demo/demo.ts', import.meta.url));

const { path: temporary, [Symbol.asyncDispose]: removeTemporary } = await temporaryDirectory();
beforeAll(() => chmod(temporary, 0o755)); // the database server may run as another user
afterAll(async () => removeTemporary());

const demos: { demo: ChildProcess; closed: Promise<unknown> }[] = [];
afterEach(async () => {
  for (const { demo, closed } of demos.splice(0)) {
    demo.kill(); // where a test has failed before it ended
    await closed;
  }
});

/** As a user starts it: not as a part of the test run, which would clean up after it. */
function start(...options: string[]) {
  const { [OWNER_VARIABLE]: _, ...env } = process.env;
  const demo = spawn(process.execPath, [DEMO, ...options], {
    env: { ...env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const started = { demo, closed: once(demo, 'close') };
  demos.push(started);
  return started;
}

async function run(...options: string[]) {
  const { demo, closed } = start(...options);
  const [[code], stdout, stderr] = await Promise.all([closed, text(demo.stdout), text(demo.stderr)]);
  return { code, stdout, stderr };
}

/** The ids of all processes that this one has started, and those have, and so on. */
function descendants(pid: number): number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const processes = table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const below = (parent: number): number[] =>
    processes.flatMap(([id = 0, of]) => (of === parent ? [id, ...below(id)] : []));
  return below(pid);
}

/** One that has ended but was not yet waited for by the system's first process (a zombie) runs no more. */
function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return /^[^Z]/.test(stdout.trim());
}

async function eventually(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition() && tries < 100; tries++) await sleep(50);
  expect(condition()).toBe(true);
}

describe('npm run demo', () => {
  test('rotates as promised, and says so to machines', async () => {
    const { code, stdout, stderr } = await run('--json', '--rotations', '2');

    const facts: Facts & { broken: string[] } = JSON.parse(stdout);
    expect(facts).toMatchObject({
      engine: 'postgres',
      strategy: 'single-user',
      server: expect.stringMatching(/^PostgreSQL 18\./),
      prober: { neither: 0 },
      passwordsIn: [],
      broken: [],
    });
    expect(facts.rotations).toHaveLength(2);
    for (const { steps, labels, lockOut, application, ...figures } of facts.rotations) {
      expect(figures).toEqual({
        succeeded: true,
        newPassword: 'accepted',
        oldPassword: 'refused',
        secretsManagerCalls: 11,
        logins: { accepted: 3, failed: 0 },
      });
      expect(steps.map(({ step }) => step)).toEqual(['createSecret', 'setSecret', 'testSecret', 'finishSecret']);
      expect(labels.after['AWSPREVIOUS']).toBe(labels.before['AWSCURRENT']);
      expect(application).toMatchObject({ inAgain: true });
      const [, setSecret, , finishSecret] = steps;
      const { startedAt = 0, ms = 0, refused = 0, byPending } = lockOut ?? {};
      expect(startedAt).toBeLessThan(finishSecret?.startedAt ?? 0);
      expect(startedAt + ms).toBeGreaterThan(setSecret?.startedAt ?? Number.POSITIVE_INFINITY);
      expect(refused).toBeGreaterThan(0); // one user has one password
      expect(byPending).toBe(refused);
    }
    const [first, second] = facts.rotations.map(({ labels }) => labels);
    expect(second?.before).toEqual(first?.after);
    expect(stderr).toContain('Rotation 2: finishSecret\n');
    expect(code).toBe(0);
  });

  test('writes plain text of 80 columns into a pipe, without a password', async () => {
    const { code, stdout, stderr } = await run('--rotations', '1');

    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toContain('✔ Rotation 1 of 1\n');
    expect(stdout).toContain('11 Secrets Manager calls, 3 logins, 0 failed\n');
    expect(stdout).not.toContain('\u001b');
    expect(stdout).not.toMatch(/.{81}/);
    expect(stdout).not.toMatch(/\S{30}/); // all passwords have 32 characters
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('leaves nothing behind when %s stops it in mid-rotation', async (signal, expected) => {
    const { demo, closed } = start('--json', '--rotations', '1000');
    for await (const line of demo.stderr) if (String(line).includes('setSecret')) break;
    const started = descendants(demo.pid ?? 0);
    expect(started.length).toBeGreaterThan(2);
    expect(await readdir(temporary)).not.toEqual([]);

    demo.kill(signal);

    expect(await closed).toEqual([expected, null]);
    await eventually(() => !started.some(isRunning));
    expect(await readdir(temporary)).toEqual([]);
  });

  test.each([
    ['--rotations 0', '--rotations takes a whole number from 1 on, not "0".'],
    ['--rotations=-3', '--rotations takes a whole number from 1 on, not "-3".'],
    ['--rotations many', '--rotations takes a whole number from 1 on, not "many".'],
    ['--engine oracle', 'There is no --engine "oracle"; there is postgres.'],
    ['--strategy none', 'There is no --strategy "none"; there is single-user.'],
    ['--rotation 3', "Unknown option '--rotation'; npm run demo -- --help shows the options."],
  ])('refuses %s with one sentence', async (options, sentence) => {
    expect(await run(...options.split(' '))).toEqual({ code: 2, stdout: '', stderr: `${sentence}\n` });
  });

  test('shows its options', async () => {
    const { code, stdout } = await run('--help');

    expect(code).toBe(0);
    expect(stdout).toContain('--rotations N');
  });
});

describe('what was not as promised', () => {
  const rotation: RotationFacts = {
    succeeded: true,
    steps: [],
    labels: { before: {}, after: {} },
    newPassword: 'accepted',
    oldPassword: 'refused',
    secretsManagerCalls: 11,
    logins: { accepted: 3, failed: 0 },
    application: { logins: 1, failed: 1, inAgain: true },
  };
  const facts: Facts = {
    engine: 'postgres',
    strategy: 'single-user',
    server: '',
    username: '',
    secret: '',
    bundle: '',
    rotations: [rotation],
    application: { logins: 1, failed: 1 },
    prober: { probes: 1, neither: 0 },
    passwordsIn: [],
  };

  test('is nothing if all was', () => {
    expect(brokenPromises(facts)).toEqual([]);
  });

  test.each<[Partial<RotationFacts>, string]>([
    [{ succeeded: false, error: 'setSecret: timeout' }, 'setSecret: timeout'],
    [{ newPassword: 'refused' }, 'a login with the new password: refused'],
    [{ oldPassword: 'accepted' }, 'a login with the old password: accepted'],
    [{ oldPassword: 'unreachable' }, 'a login with the old password: unreachable'],
    [{ application: { logins: 0, failed: 9, inAgain: false } }, 'the application did not get in again'],
    [{ secretsManagerCalls: 12 }, '12 Secrets Manager calls, over 11'],
    [{ logins: { accepted: 4, failed: 0 } }, '4 logins of the function, over 3'],
    [{ logins: { accepted: 3, failed: 1 } }, 'failed logins of the function: 1'],
  ])('is said of a rotation: %j', (different, promise) => {
    expect(brokenPromises({ ...facts, rotations: [rotation, { ...rotation, ...different }] })).toEqual([
      `rotation 2: ${promise}`,
    ]);
  });

  test('is said of the whole', () => {
    const broken = brokenPromises({
      ...facts,
      prober: { probes: 9, neither: 2 },
      passwordsIn: ['the log of the server'],
    });

    expect(broken).toEqual([
      'moments at which neither AWSCURRENT nor AWSPENDING logged in: 2',
      'a password stands in the log of the server',
    ]);
  });
});
