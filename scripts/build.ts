/**
 * npm run build: one self-contained ES module an engine, dist/<engine>/index.mjs, with its source map.
 * npm run build -- postgres: of that engine alone.
 * npm run build -- --explain: how many bytes of it come from which package.
 */
import { readdirSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, type Metafile, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Lambda gives a function its credentials in the environment. The SDK's default is a chain that also knows profiles, SSO, web identities and
 * metadata services, each with a client of its own: left out.
 */
const environmentCredentials: Plugin = {
  name: 'environment-credentials',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@aws-sdk\/credential-provider-node$/ }, () => ({ path: 'env', namespace: 'credentials' }));
    onLoad({ filter: /.*/, namespace: 'credentials' }, () => ({
      contents: 'export { fromEnv as defaultProvider } from "@aws-sdk/credential-provider-env";',
      resolveDir: root,
    }));
  },
};

export type BuildOptions = {
  /** Instead of dist/<engine>/index.mjs. */
  outfile?: string;
  /** Beside our own. */
  plugins?: readonly Plugin[];
};

/** Builds one engine's function; resolves to what went into it. */
export async function buildFunction(engine: string, { outfile, plugins = [] }: BuildOptions = {}): Promise<Metafile> {
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [`functions/${engine}/handler.ts`],
    outfile: outfile ?? `dist/${engine}/index.mjs`,
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    conditions: ['module'],
    minifySyntax: true,
    minifyWhitespace: true,
    minifyIdentifiers: true,
    keepNames: true,
    sourcemap: true,
    legalComments: 'none',
    metafile: true,
    // pg's optional binding to libpq, which is never there.
    external: ['pg-native'],
    plugins: [environmentCredentials, ...plugins],
    // pg is CommonJS and requires Node's own modules.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  });
  for (const { path, contents } of outputFiles) await replaceFile(path, contents);
  return metafile;
}

/** At once: whoever reads the file meanwhile gets the old one or the new one whole. */
async function replaceFile(path: string, contents: Uint8Array): Promise<void> {
  const unfinished = `${path}.${process.pid}`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(unfinished, contents);
  await rename(unfinished, path);
}

/** Bytes in the bundle by package; what is ours counts as `secret-rotation-functions`. */
export function bytesByPackage({ outputs }: Metafile): Map<string, number> {
  const bytes = new Map<string, number>();
  const [bundle] = Object.entries(outputs).flatMap(([path, output]) => (path.endsWith('.mjs') ? [output] : []));
  for (const [path, { bytesInOutput }] of Object.entries(bundle?.inputs ?? {})) {
    const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'secret-rotation-functions';
    bytes.set(name, (bytes.get(name) ?? 0) + bytesInOutput);
  }
  return new Map([...bytes].sort(([, a], [, b]) => b - a));
}

export const ENGINES = readdirSync(new URL('../functions', import.meta.url));

if (import.meta.main) {
  const { values, positionals } = parseArgs({ options: { explain: { type: 'boolean' } }, allowPositionals: true });
  for (const engine of positionals.length > 0 ? positionals : ENGINES) {
    const metafile = await buildFunction(engine);
    const bytes = bytesByPackage(metafile);
    const total = [...bytes.values()].reduce((sum, n) => sum + n, 0);
    console.log(`dist/${engine}/index.mjs  ${Math.round(total / 1024)} KiB`);
    if (values.explain) for (const [name, n] of bytes) console.log(`${String(n).padStart(9)}  ${name}`);
  }
}
