/**
 * npm run build: the function of each engine, dist/<engine>/, with source maps. Lambda loads index.mjs.
 * The parts beside it are loaded only when they are needed.
 * npm run build -- postgres: of that engine alone.
 * npm run build -- --explain: how many bytes of it come from which package.
 */
import { readdirSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { builtinModules, createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
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

/** Exports of `http` that Node makes only when they are asked for. To make them, it loads undici. */
const LAZY_EXPORTS = new Set(['WebSocket', 'CloseEvent', 'MessageEvent']);

/**
 * Fetches Node's own modules as objects. An ES module that imports one of them has all its exports
 * read, even those that Node makes only on demand.
 */
const builtinsAsObjects: Plugin = {
  name: 'builtins-as-objects',
  setup({ onResolve, onLoad }) {
    const known = new Set(builtinModules);
    const require = createRequire(import.meta.url);
    onResolve({ filter: /^(node:)?[a-z_0-9/]+$/ }, ({ path, kind }) => {
      const name = path.replace(/^node:/, '');
      if (!known.has(name)) return undefined;
      if (kind === 'require-call') return { path: `node:${name}`, external: true };
      return { path: name, namespace: 'builtin', sideEffects: false };
    });
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => {
      const names = Object.keys(require(`node:${path}`)).filter(
        (name) => !LAZY_EXPORTS.has(name) && name !== 'default',
      );
      const exports = names.map(
        (name, at) => `const _${at} = /* @__PURE__ */ (() => it.${name})(); export { _${at} as ${name} };`,
      );
      return {
        contents: [
          `const it = /* @__PURE__ */ process.getBuiltinModule('node:${path}');`,
          'export default it;',
          ...exports,
        ].join('\n'),
      };
    });
  },
};

/**
 * Leaves out large tables that no function uses. MongoDB's driver brings a URL parser with tables of
 * international domain names: for `mongodb://host:port/` Node's own parser is enough. MySQL's driver
 * brings tables of Chinese, Japanese and Korean character sets: all connections use utf8mb4.
 */
const withoutUnusedTables: Plugin = {
  name: 'without-unused-tables',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^whatwg-url$/ }, ({ path }) => ({ path, namespace: 'unused' }));
    onLoad({ filter: /.*/, namespace: 'unused' }, () => ({ contents: 'module.exports = { URL, URLSearchParams };' }));
    onLoad({ filter: /iconv-lite\/encodings\/dbcs-data\.js$/ }, () => ({ contents: 'module.exports = {};' }));
  },
};

export type BuildOptions = {
  /** The folder to write to, instead of dist/<engine>. */
  folder?: string;
  /** Beside our own. */
  plugins?: readonly Plugin[];
};

/** Builds one engine's function; resolves to what went into it. */
export async function buildFunction(engine: string, options: BuildOptions = {}): Promise<Metafile> {
  const { folder = join(root, 'dist', engine), plugins = [] } = options;
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: { index: `functions/${engine}/handler.ts` },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    conditions: ['module'],
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: true,
    legalComments: 'none',
    metafile: true,
    // pg's optional binding to libpq, which is never there.
    external: ['pg-native'],
    plugins: [environmentCredentials, builtinsAsObjects, withoutUnusedTables, ...plugins],
    // pg is CommonJS and requires Node's own modules.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  });
  // The file that names the others comes last.
  const { parts = [], entry = [] } = Object.groupBy(outputFiles, ({ path }) => (isEntry(path) ? 'entry' : 'parts'));
  for (const { path, contents } of [...parts, ...entry]) await replaceFile(path, contents);
  const written = outputFiles.map(({ path }) => basename(path));
  for (const name of await readdir(folder))
    if (/\.mjs(\.map)?$/.test(name) && !written.includes(name)) await rm(join(folder, name), { force: true });
  return metafile;
}

function isEntry(path: string): boolean {
  return basename(path) === 'index.mjs';
}

/** At once: whoever reads the file meanwhile gets the old one or the new one whole. */
async function replaceFile(path: string, contents: Uint8Array): Promise<void> {
  const unfinished = `${path}.${process.pid}`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(unfinished, contents);
  await rename(unfinished, path);
}

/**
 * Bytes by package. What is ours counts as `secret-rotation-functions`.
 * @param atStart only what is loaded together with index.mjs
 */
export function bytesByPackage({ outputs }: Metafile, { atStart = false } = {}): Map<string, number> {
  const bytes = new Map<string, number>();
  const chosen = atStart ? loadedAtStart(outputs) : Object.keys(outputs).filter((path) => path.endsWith('.mjs'));
  for (const output of chosen)
    for (const [path, { bytesInOutput }] of Object.entries(outputs[output]?.inputs ?? {})) {
      const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'secret-rotation-functions';
      bytes.set(name, (bytes.get(name) ?? 0) + bytesInOutput);
    }
  return new Map([...bytes].sort(([, a], [, b]) => b - a));
}

function loadedAtStart(outputs: Metafile['outputs']): string[] {
  const found = Object.keys(outputs).filter(isEntry);
  for (const path of found) {
    const imports =
      outputs[path]?.imports.filter(({ kind, external }) => kind === 'import-statement' && !external) ?? [];
    found.push(...imports.map((each) => each.path).filter((each) => !found.includes(each)));
  }
  return found;
}

export const ENGINES = readdirSync(new URL('../functions', import.meta.url));

function kibibytes(bytes: ReadonlyMap<string, number>): string {
  return `${Math.round([...bytes.values()].reduce((sum, n) => sum + n, 0) / 1024)} KiB`;
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({ options: { explain: { type: 'boolean' } }, allowPositionals: true });
  for (const engine of positionals.length > 0 ? positionals : ENGINES) {
    const metafile = await buildFunction(engine);
    const bytes = bytesByPackage(metafile);
    const atStart = bytesByPackage(metafile, { atStart: true });
    console.log(`dist/${engine}  ${kibibytes(bytes)}, of which ${kibibytes(atStart)} are loaded at the start`);
    if (values.explain)
      for (const [name, n] of bytes)
        console.log(`${String(n).padStart(9)} ${String(atStart.get(name) ?? 0).padStart(9)}  ${name}`);
  }
}
