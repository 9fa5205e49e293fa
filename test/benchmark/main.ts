/**
 * npm run bench: measures the built function on a real server, by turns with its floor and with
 * whatever else `--peer` names. docs/benchmark.md says how. Speed is no promise, so no figure makes it fail.
 */
import { NoServer } from '../../local/servers/server.ts';
import { orExit } from '../../scripts/usage.ts';
import { HELP, parseOptions } from './options.ts';
import { markdown, writeReport } from './report.ts';
import { benchmark } from './run.ts';

const options = orExit(() => parseOptions(process.argv.slice(2)));
if (options === undefined) console.log(HELP);
else
  try {
    const report = await benchmark(options, (line) => console.error(line));
    if (options.writes) await writeReport(new URL('../../docs/', import.meta.url), report);
    console.log(markdown(report));
    process.exitCode = report.cases.some(({ failed }) => failed.length > 0) ? 1 : 0;
  } catch (error) {
    if (!(error instanceof NoServer)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
