/** What `sam build` makes of a clean clone, with SAM, make and Node alone; and that it rotates. */
import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { cp, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { temporaryDirectory } from '../../local/owner.ts';
import type { Login } from '../../local/servers/users.ts';
import { ENGINES } from '../../scripts/build.ts';
import { engineNames, usersOf } from '../engines/servers.ts';
import { Rotating } from '../rotation/rotating.ts';
import { describeOneServer, describeServers } from '../servers.ts';
import { describeTool, run } from '../tools.ts';
import { MiniStack } from './ministack.ts';
import { capitalised, environmentOf, root, template } from './template.ts';

const MINUTES = 60_000;

describeTool('sam', 'sam build in a clean clone', () => {
  const cleanUp = new AsyncDisposableStack();
  let folder: string;
  let built: string;

  beforeAll(async () => {
    folder = cleanUp.use(await temporaryDirectory()).path;
    await clone(folder);
    await run('sam', ['build'], folder);
    built = join(folder, '.aws-sam', 'build');
  }, 10 * MINUTES);
  afterAll(() => cleanUp.disposeAsync());

  const functionOf = (engine: string) => join(built, `${capitalised(engine)}Function`);

  test('makes a function for each engine, and a template', async () => {
    const functions = ENGINES.map((engine) => `${capitalised(engine)}Function`);
    expect((await readdir(built)).sort()).toEqual([...functions, 'template.yaml'].sort());
  });

  test.each(ENGINES)(
    'makes of %s a folder with index.mjs, far below what Lambda and the Serverless Application Repository take',
    async (engine) => {
      const names = await readdir(functionOf(engine));
      expect(names).toContain('index.mjs');
      expect(names.filter((name) => !name.endsWith('.mjs'))).toEqual([]);
      const bundle = Buffer.concat(await Promise.all(names.map((name) => readFile(join(functionOf(engine), name)))));
      // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 250 MB unzipped, 50 MB zipped; beyond 3 MB zipped consoles do
      // not show the code.
      expect(bundle.byteLength).toBeLessThan(10_000_000);
      expect(gzipSync(bundle).byteLength).toBeLessThan(3_000_000);
      // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
      expect((await stat(join(built, 'template.yaml'))).size).toBeLessThan(51_200);
    },
  );

  describeTool('ministack', 'and sam deploy, to an AWS on this machine', () => {
    let aws: MiniStack;
    beforeAll(async () => {
      aws = cleanUp.use(await MiniStack.start());
    }, MINUTES);

    test(
      'from samconfig.toml: the function’s environment is the template’s',
      async () => {
        await aws.sam(['deploy', '--config-env', 'postgres', '--no-confirm-changeset'], folder);
        // MiniStack takes an empty list for one that is not, so this one is asked for below, with admins.
        const { MASTER_SECRET_ARNS: _, ...environment } = environmentOf();
        const { PostgresFunction } = await aws.environments('secret-rotation-postgres');
        expect(PostgresFunction).toMatchObject(environment);
        expect(Object.keys(PostgresFunction as object).sort()).toEqual(Object.keys(environmentOf()).sort());
      },
      2 * MINUTES,
    );

    test(
      'asked by --guided, and once more from what that has saved: the environment is what was typed in',
      async () => {
        const admins = ['one', 'two'].map(
          (name) => `arn:aws:secretsmanager:us-east-1:000000000000:secret:${name}-AbCdEf`,
        );
        const given: Readonly<Record<string, string>> = {
          masterSecretArn: admins.join(),
          excludeCharacters: `/@"'%`,
          passwordLength: '40',
        };
        const asked = Object.keys(template.Parameters).map((name) => given[name] ?? '');
        const answers = ['guided', 'us-east-1', ...asked, 'no', 'yes', 'no', 'yes', '', 'guided'];
        const saved = ['--config-env', 'guided'];
        const changed = { MASTER_SECRET_ARNS: admins.join(), EXCLUDE_CHARACTERS: `/@"'%`, PASSWORD_LENGTH: '40' };
        const typed = { ...environmentOf(), ...changed };

        await aws.sam(['deploy', '--guided', ...saved], folder, answers);
        expect(await aws.environments('guided')).toMatchObject({ PostgresFunction: typed });

        await aws.sam(['deploy', ...saved, '--no-fail-on-empty-changeset'], folder);
        expect(await aws.environments('guided')).toMatchObject({ PostgresFunction: typed });
      },
      4 * MINUTES,
    );

    describeOneServer('with two admins in one stack', (server) => {
      const users = usersOf(server);

      /** A user and the admin who made it, each with a secret. */
      async function userWithAdmin(): Promise<{ username: string; masterarn: string; arn: string }> {
        const some = randomBytes(6).toString('hex');
        const [admin, user] = [login(`admin_${some}`), login(`app_${some}`)];
        await users.createAdmin(admin);
        await users.createUser(user, admin.username);
        cleanUp.defer(async () => {
          for (const name of [`app_${some}_clone`, user.username, admin.username]) await users.dropUser(name);
        });
        const endpoint = { engine: 'postgres', host: server.host, port: server.port, ssl: false };
        const masterarn = await aws.createSecret({ ...endpoint, ...admin });
        const arn = await aws.createSecret({ ...endpoint, ...user, masterarn });
        return { username: user.username, masterarn, arn };
      }

      test(
        'each rotates its own users; a secret with a third admin is refused, and nothing is changed',
        async () => {
          const [one, two, third] = [await userWithAdmin(), await userWithAdmin(), await userWithAdmin()];
          const name = 'two-admins';
          const masters = `${one.masterarn},${two.masterarn}`;
          const parameters = ['engine=postgres', `functionName=${name}`, `masterSecretArn=${masters}`];
          const stack = ['--stack-name', name, '--parameter-overrides', ...parameters];
          await aws.sam(['deploy', '--config-env', 'postgres', '--no-confirm-changeset', ...stack], folder);

          for (const { username, arn } of [one, two])
            for (const next of [`${username}_clone`, username]) {
              const { token, error } = await aws.rotate(arn, name);
              expect(error).toBeUndefined();
              const current = await aws.value(arn);
              expect(current).toMatchObject({ version: token, username: next });
              expect(await users.logIn(current as Login)).toBe('accepted');
            }

          const { version: _, ...value } = (await aws.value(third.arn)) ?? {};
          const stored = await users.stored(third.username);
          const { error } = await aws.rotate(third.arn, name);
          expect(error).toContain("the function's stack (MASTER_SECRET_ARNS) does not name it");
          expect(await aws.value(third.arn)).toMatchObject(value);
          expect(await aws.value(third.arn, 'AWSPENDING')).toBeUndefined();
          expect(await users.stored(third.username)).toEqual(stored);
        },
        4 * MINUTES,
      );
    });
  });

  for (const engine of engineNames)
    describeServers(engine, 'its files', (server) => {
      test('rotate a secret, in the environment of a stack without parameters', async () => {
        const { SECRETS_MANAGER_ENDPOINT: _, ...environment } = environmentOf();
        const bundle = join(functionOf(engine), 'index.mjs');
        await using rotating = await Rotating.on(server, { cold: true, bundle, environment });
        const before = rotating.password();
        const { token, error } = await rotating.rotate();
        expect(error).toBeUndefined();
        await rotating.expectComplete(token);
        expect(rotating.password()).not.toBe(before);
      });
    });
});

function login(username: string): Login {
  return { username, password: randomUUID() };
}

/** What is under version control, or would be with the next commit. */
async function clone(to: string): Promise<void> {
  const { stdout } = await promisify(execFile)(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    {
      cwd: root,
    },
  );
  for (const file of stdout.split('\0').filter((name) => name !== ''))
    await cp(join(root, file), join(to, file)).catch((error) => {
      if (error.code !== 'ENOENT') throw error; // removed, and not yet committed
    });
}
