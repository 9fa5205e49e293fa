/**
 * Brings the function into this process: built from its sources, so that a rule in them can be broken on purpose. A process for each point would
 * cost more than all the rest of it.
 */
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { temporaryDirectory } from '../../local/owner.ts';
import { type RowName, rows } from '../../local/servers/rows.ts';
import { type BrokenRule, breaking } from '../crash-matrix/broken-rules.ts';
import type { TakeStep } from './step.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** @param broken the rule that it is to be without */
export async function loadFunction(row: RowName, broken?: BrokenRule): Promise<TakeStep> {
  const { engine } = rows[row];
  await using folder = await temporaryDirectory();
  const outfile = `${folder.path}/function.mjs`;
  await build({
    absWorkingDir: root,
    stdin: {
      contents: `
        import { functionFor } from './test/interleavings/step.ts';
        import { ${engine} } from './functions/${engine}/engine.ts';
        export const takeStep = functionFor(${engine});`,
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
    plugins: broken === undefined ? [] : [breaking(broken)],
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  });
  const { takeStep } = await import(pathToFileURL(outfile).href);
  return takeStep;
}
