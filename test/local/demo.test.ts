import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { brokenPromises, type Facts, type RotationFacts } from '../../local/demo/facts.ts';
import { OWNER_VARIABLE, temporaryDirectory } from '../../local/owner.ts';
import { isOfRow } from '../../local/servers/row.ts';
import { startServer } from '../../local/servers/server.ts';
import { STRATEGIES } from '../../shared/database/strategies/facts.ts';
import { engines } from '../engines/engines.ts';
import { type EngineName, engineNames, rows, rowsOf, usersOf } from '../engines/servers.ts';
import { servers, testUnless } from '../servers.ts';

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
function start(environment: Record<string, string>, ...options: string[]) {
  const { [OWNER_VARIABLE]: _, ...env } = process.env;
  const demo = spawn(process.execPath, [DEMO, ...options], {
    env: { ...env, TMPDIR: temporary, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const started = { demo, closed: once(demo, 'close') };
  demos.push(started);
  return started;
}

function run(...options: string[]) {
  return runIn({}, ...options);
}

async function runIn(environment: Record<string, string>, ...options: string[]) {
  const { demo, closed } = start(environment, ...options);
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

/** The same server as the demo's; undefined for an engine whose server npm brings, so that the demo has one of its own on every machine. */
function serverOf(engine: EngineName) {
  return engines[engine].demo.options.from?.includes('embedded') ? undefined : servers[rowsOf(engine)[0]];
}

function testWith(engine: EngineName): ReturnType<typeof testUnless> {
  const server = serverOf(engine);
  return testUnless(server && 'remedy' in server ? server.remedy : undefined);
}

/** The function's logins, which nobody counts on a server that somebody else runs, or whose log names nobody. */
function loginsOn(engine: EngineName, accepted: number): Pick<RotationFacts, 'logins'> {
  const server = serverOf(engine);
  const isUncounted = server && 'logPlace' in server && ('unreadable' in server.logPlace || server.namesNobody);
  return isUncounted ? {} : { logins: { accepted, failed: 0 } };
}

describe('npm run demo', () => {
  const oneUser = ['single-user', 'single-user-by-admin'] as const;
  for (const [engine, strategy] of engineNames.flatMap((name) => oneUser.map((each) => [name, each] as const)))
    testWith(engine)(`rotates as promised, and says so to machines: ${strategy} on ${engine}`, async () => {
      const { code, stdout, stderr } = await run(
        '--json',
        '--engine',
        engine,
        '--strategy',
        strategy,
        '--rotations',
        '4',
      );

      const facts: Facts & { broken: string[] } = JSON.parse(stdout);
      expect(facts).toMatchObject({
        engine,
        strategy,
        prober: { neither: 0 },
        passwordsIn: [],
        broken: [],
      });
      const [, product = '', version = ''] = /^(\S+) ([\d.]+), /.exec(facts.server) ?? [];
      expect(isOfRow(rows[rowsOf(engine)[0]], { product, version })).toBe(true);
      expect(facts.rotations).toHaveLength(4);
      // One user has one password. A busy machine can miss a window of some milliseconds, but not each time.
      expect(facts.rotations.some(({ lockOut }) => lockOut !== undefined)).toBe(true);
      const { calls, logins } = STRATEGIES[strategy];
      for (const { steps, labels, lockOut, application, ...figures } of facts.rotations) {
        expect(figures).toEqual({
          succeeded: true,
          activeUser: { before: 'orders_app', after: 'orders_app' },
          newPassword: 'accepted',
          oldPassword: 'refused',
          secretsManagerCalls: calls,
          ...loginsOn(engine, logins),
        });
        expect(steps.map(({ step }) => step)).toEqual(['createSecret', 'setSecret', 'testSecret', 'finishSecret']);
        expect(labels.after['AWSPREVIOUS']).toBe(labels.before['AWSCURRENT']);
        expect(application).toMatchObject({ inAgain: true });
        if (lockOut === undefined) continue;
        const [, setSecret, , finishSecret] = steps;
        const { startedAt, ms, refused, byPending } = lockOut;
        expect(startedAt).toBeLessThan(finishSecret?.startedAt ?? 0);
        expect(startedAt + ms).toBeGreaterThan(setSecret?.startedAt ?? Number.POSITIVE_INFINITY);
        expect(refused).toBeGreaterThan(0);
        expect(byPending).toBe(refused);
      }
      const [first, second] = facts.rotations.map(({ labels }) => labels);
      expect(second?.before).toEqual(first?.after);
      expect(stderr).toContain('Rotation 4: finishSecret\n');
      expect(code).toBe(0);
    });

  for (const engine of engineNames)
    testWith(engine)(`alternates as promised on ${engine}: no application notices`, async () => {
      const options = ['--engine', engine, '--strategy', 'alternating-users', '--rotations', '2'];
      const { code, stdout } = await run('--json', ...options);

      const facts: Facts & { broken: string[] } = JSON.parse(stdout);
      expect(facts).toMatchObject({
        admin: { username: 'orders_admin', secret: 'orders/admin' },
        application: { failed: 0, as: { orders_app: expect.any(Number), orders_app_clone: expect.any(Number) } },
        prober: { refused: 0, neither: 0 },
        passwordsIn: [],
        broken: [],
      });
      expect(facts.rotations.map(({ activeUser }) => activeUser)).toEqual([
        { before: 'orders_app', after: 'orders_app_clone' },
        { before: 'orders_app_clone', after: 'orders_app' },
      ]);
      for (const [turn, { steps, labels, activeUser, application, ...figures }] of facts.rotations.entries()) {
        // Without a mark it is a login that proves whose the twin is, once it is there.
        const proofs = facts.hasNoMarks && turn > 0 ? 1 : 0;
        expect(figures).toEqual({
          succeeded: true,
          newPassword: 'accepted',
          oldPassword: 'accepted', // until the next rotation
          secretsManagerCalls: 13 + proofs,
          ...loginsOn(engine, 4 + proofs),
        });
        expect(application).toMatchObject({ failed: 0, inAgain: true });
        expect(application.as[activeUser.after]).toBeGreaterThan(0);
      }
      expect(code).toBe(0);
    });

  testWith('mysql')('keeps the old password valid as promised: no application notices', async () => {
    const { code, stdout } = await run(
      '--json',
      '--engine',
      'mysql',
      '--strategy',
      'dual-password',
      '--rotations',
      '2',
    );

    const facts: Facts & { broken: string[] } = JSON.parse(stdout);
    expect(facts).toMatchObject({ application: { failed: 0 }, prober: { refused: 0 }, passwordsIn: [], broken: [] });
    expect(facts.rotations).toHaveLength(2);
    for (const { steps, labels, application, ...figures } of facts.rotations)
      expect(figures).toEqual({
        succeeded: true,
        activeUser: { before: 'orders_app', after: 'orders_app' },
        newPassword: 'accepted',
        oldPassword: 'accepted', // until the next rotation
        secretsManagerCalls: 11,
        ...loginsOn('mysql', 3),
      });
    expect(code).toBe(0);
  });

  testWith('mysql')(
    'leaves nothing behind on a server that somebody else runs, and says what it cannot see there',
    async () => {
      await using server = await startServer('mysql 9.7');
      const { superuser, host, port } = server;
      const { run: sql } = usersOf(server);
      const left = () =>
        sql(
          'SELECT CONCAT(user, host) AS name FROM mysql.user UNION SELECT schema_name FROM information_schema.schemata',
        );
      const before = await left();
      const MYSQL_URL = `mysql://${superuser.username}:${superuser.password}@${host}:${port}`;

      const options = ['--engine', 'mysql', '--strategy', 'single-user-by-admin', '--rotations', '1'];
      const { code, stdout } = await runIn({ MYSQL_URL }, ...options);

      expect(code).toBe(0);
      expect(stdout).toContain('13 Secrets Manager calls\n');
      expect(stdout.replace(/\s+/g, ' ')).toContain(
        'is not ours: its log cannot be read, so logins of the function are not counted',
      );
      expect(stdout).not.toMatch(/.{81}/);
      expect(await left()).toEqual(before);
    },
  );

  testWith('mongodb')('leaves nothing behind on a MongoDB server that somebody else runs', async () => {
    await using server = await startServer('mongodb 8.0', { from: ['docker', 'path'] });
    const { superuser, host, port } = server;
    const { run: mongosh } = usersOf(server);
    const left = async () => {
      const [users] = await mongosh('db.runCommand({ usersInfo: 1 })');
      const [databases] = await mongosh('db.runCommand({ listDatabases: 1, nameOnly: true })');
      return { users: users?.['users'], databases: databases?.['databases'] };
    };
    const before = await left();
    const MONGODB_URL = `mongodb://${superuser.username}:${superuser.password}@${host}:${port}`;

    const options = ['--engine', 'mongodb', '--strategy', 'alternating-users', '--rotations', '1'];
    const { code, stdout } = await runIn({ MONGODB_URL }, ...options);

    expect(code).toBe(0);
    expect(stdout).toContain('13 Secrets Manager calls\n');
    expect(stdout).not.toMatch(/.{81}/);
    expect(await left()).toEqual(before);
  });

  test('says what would help where no server can be had', async () => {
    expect(await runIn({ MYSQL_IMAGE: 'image.invalid/mysql', MYSQL_URL: '' }, '--engine', 'mysql', '--json')).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^The demo failed: There is no server for mysql 9\.7: give MYSQL_URL or (start Docker|name in MYSQL_IMAGE an image that Docker can get)/m,
      ),
    });
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

  test('tells people which user is active', async () => {
    const { stdout } = await run('--strategy', 'alternating-users', '--rotations', '1');

    expect(stdout).toContain('active user     orders_app → orders_app_clone\n');
    expect(stdout).toContain('new accepted (orders_app_clone), old accepted (orders_app)\n');
    expect(stdout).toMatch(/application +logins: \d+ as orders_app, \d+ as orders_app_clone, 0 failed\n/);
    expect(stdout).not.toMatch(/.{81}/);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('leaves nothing behind when %s stops it in mid-rotation', async (signal, expected) => {
    const before = await readdir(temporary);
    const { demo, closed } = start({}, '--json', '--rotations', '1000');
    for await (const line of demo.stderr) if (String(line).includes('setSecret')) break;
    const started = descendants(demo.pid ?? 0);
    expect(started.length).toBeGreaterThan(2);
    expect(await readdir(temporary)).not.toEqual(before);

    demo.kill(signal);

    expect(await closed).toEqual([expected, null]);
    await eventually(() => !started.some(isRunning));
    expect(await readdir(temporary)).toEqual(before);
  });

  test.each([
    ['--rotations 0', '--rotations takes a whole number from 1 on, not "0".'],
    ['--rotations=-3', '--rotations takes a whole number from 1 on, not "-3".'],
    ['--rotations many', '--rotations takes a whole number from 1 on, not "many".'],
    ['--engine oracle', 'There is no --engine "oracle"; there is postgres, mysql, mongodb.'],
    [
      '--strategy none',
      'There is no --strategy "none"; there is single-user (one user changes its own password), ' +
        'single-user-by-admin (an admin sets the password of one user), alternating-users (two users take turns, no lock-out), ' +
        'dual-password (one user, the old password stays valid, no lock-out).',
    ],
    [
      '--strategy dual-password',
      'The strategy dual-password cannot be had for PostgreSQL (--engine postgres): a role has one password only.',
    ],
    ['--rotation 3', "Unknown option '--rotation'; npm run demo -- --help shows the options."],
  ])('refuses %s with one sentence', async (options, sentence) => {
    expect(await run(...options.split(' '))).toEqual({ code: 2, stdout: '', stderr: `${sentence}\n` });
  });

  test('shows its options', async () => {
    const { code, stdout } = await run('--help');

    expect(code).toBe(0);
    expect(stdout).toContain('--rotations N');
    expect(stdout).toContain('dual-password (one user, the old password stays valid, no lock-out)\n');
  });
});

describe('what was not as promised', () => {
  const rotation: RotationFacts = {
    succeeded: true,
    steps: [],
    labels: { before: {}, after: {} },
    activeUser: { before: 'app', after: 'app' },
    newPassword: 'accepted',
    oldPassword: 'refused',
    secretsManagerCalls: 11,
    logins: { accepted: 3, failed: 0 },
    application: { logins: 1, failed: 1, as: { app: 1 }, inAgain: true },
  };
  const facts: Facts = {
    engine: 'postgres',
    strategy: 'single-user',
    server: '',
    username: '',
    secret: '',
    bundle: '',
    rotations: [rotation],
    application: { logins: 1, failed: 1, as: { app: 1 } },
    prober: { probes: 2, refused: 1, neither: 0 },
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
    [{ activeUser: { before: 'app', after: 'root' } }, 'the active user: app, then root'],
    [
      { application: { logins: 0, failed: 9, as: {}, inAgain: false } },
      'the application did not get in with the new password',
    ],
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
      prober: { probes: 9, refused: 3, neither: 2 },
      passwordsIn: ['the log of the server'],
    });

    expect(broken).toEqual([
      'moments at which neither AWSCURRENT nor AWSPENDING logged in: 2',
      'a password stands in the log of the server',
    ]);
  });

  describe('of two users', () => {
    const logins = { app: 1, app_clone: 1 };
    const alternated: RotationFacts = {
      ...rotation,
      activeUser: { before: 'app', after: 'app_clone' },
      oldPassword: 'accepted',
      secretsManagerCalls: 13,
      logins: { accepted: 4, failed: 0 },
      application: { logins: 2, failed: 0, as: logins, inAgain: true },
    };
    const alternating: Facts = {
      ...facts,
      strategy: 'alternating-users',
      rotations: [alternated],
      application: { logins: 2, failed: 0, as: logins },
      prober: { probes: 1, refused: 0, neither: 0 },
    };

    test('is nothing if all was', () => {
      expect(brokenPromises(alternating)).toEqual([]);
    });

    test.each<[Partial<RotationFacts>, string]>([
      [{ activeUser: { before: 'app', after: 'app' } }, 'the active user: app, then app'],
      [{ oldPassword: 'refused' }, 'a login with the old password: refused'],
      [{ application: { logins: 1, failed: 1, as: logins, inAgain: true } }, 'failures of the application: 1'],
      [{ lockOut: { startedAt: 9, ms: 7, refused: 1, byPending: 1 } }, 'AWSCURRENT did not log in for 7 ms'],
      [{ secretsManagerCalls: 14 }, '14 Secrets Manager calls, over 13'],
      [{ logins: { accepted: 5, failed: 0 } }, '5 logins of the function, over 4'],
    ])('is said of a rotation: %j', (different, promise) => {
      expect(brokenPromises({ ...alternating, rotations: [{ ...alternated, ...different }] })).toEqual([
        `rotation 1: ${promise}`,
      ]);
    });

    test('allows one call and one login more where a twin can bear no mark', () => {
      const more: RotationFacts = { ...alternated, secretsManagerCalls: 14, logins: { accepted: 5, failed: 0 } };
      expect(brokenPromises({ ...alternating, hasNoMarks: true, rotations: [more] })).toEqual([]);
    });

    test('that is what the old password’s staying valid promises of one user, too', () => {
      const app = { before: 'app', after: 'app' };
      const kept = {
        ...rotation,
        activeUser: app,
        oldPassword: 'accepted' as const,
        application: alternated.application,
      };
      const dual: Facts = { ...alternating, strategy: 'dual-password', rotations: [kept] };
      expect(brokenPromises(dual)).toEqual([]);
      expect(brokenPromises({ ...dual, rotations: [{ ...kept, oldPassword: 'refused' }] })).toEqual([
        'rotation 1: a login with the old password: refused',
      ]);
      expect(brokenPromises({ ...dual, prober: { probes: 9, refused: 1, neither: 0 } })).toEqual([
        'moments at which AWSCURRENT did not log in: 1',
      ]);
    });

    test('is said of the time between rotations too', () => {
      const broken = brokenPromises({
        ...alternating,
        application: { logins: 1, failed: 2, as: logins },
        prober: { probes: 9, refused: 3, neither: 0 },
      });

      expect(broken).toEqual([
        'failures of the application in all: 2',
        'moments at which AWSCURRENT did not log in: 3',
      ]);
    });
  });
});
