/**
 * Brings the function into this process: built from its sources, so that a rule in them can be broken on purpose. A process for each point would
 * cost more than all the rest of it.
 */
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { temporaryDirectory } from '../../local/owner.ts';
import { type BrokenRule, breaking } from '../crash-matrix/broken-rules.ts';
import { type RowName, rows } from '../engines/servers.ts';
import type { StartProcess } from './step.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The SDK asks whether a client is of its own class, so the function has to have the class of the tool's clients. */
const oneClient: Plugin = {
  name: 'one client',
  setup(run) {
    run.onResolve({ filter: /^@aws-sdk\/client-secrets-manager$/ }, ({ path }) => ({
      path: import.meta.resolve(path),
      external: true,
    }));
  },
};

/** @param broken the rule that it is to be without */
export async function loadFunction(row: RowName, broken?: BrokenRule): Promise<StartProcess> {
  const { engine } = rows[row];
  await using folder = await temporaryDirectory();
  const outfile = `${folder.path}/function.mjs`;
  await build({
    absWorkingDir: root,
    stdin: {
      contents: `
        import { processesOf } from './test/interleavings/step.ts';
        import { ${engine} } from './functions/${engine}/engine.ts';
        export const startProcess = processesOf(${engine});`,
      resolveDir: root,
    },
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    keepNames: true,
    sourcemap: 'inline',
    external: ['pg-native'],
    plugins: [oneClient, ...(broken === undefined ? [] : [breaking(broken)])],
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  });
  const { startProcess } = await import(pathToFileURL(outfile).href);
  return startProcess;
}
