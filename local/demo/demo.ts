/** npm run demo: see HELP in options.ts. */
import { constants } from 'node:os';
import { orExit } from '../../scripts/usage.ts';
import { prepareRun } from '../servers/leftovers.ts';
import { brokenPromises } from './facts.ts';
import { Machine } from './for-machines.ts';
import { Person } from './for-people.ts';
import { gather } from './gather.ts';
import { HELP, type Options, parseOptions } from './options.ts';

const options = orExit(() => parseOptions(process.argv.slice(2)));
if (options.help) console.log(HELP);
else await run(options);

async function run(options: Options): Promise<void> {
  const stop = await stopSignal();
  const audience = options.json ? new Machine() : new Person(options);
  try {
    const facts = await gather(options, audience, stop);
    const broken = brokenPromises(facts);
    audience.ended(facts, broken);
    process.exitCode = broken.length === 0 ? 0 : 1;
  } catch (error) {
    audience.stopped();
    if (stop.aborted) process.exit(128 + constants.signals[stop.reason as NodeJS.Signals]);
    console.error(`The demo failed: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}

/** Fires when the demo is to stop: on Ctrl-C and the like, or when nobody reads its output any more (`| head`). */
async function stopSignal(): Promise<AbortSignal> {
  const stop = new AbortController();
  await prepareRun();
  // Its listeners remove what is there and end the process. What is only just being started would escape them, so the
  // demo ends in order instead; the second Ctrl-C ends it at once.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.removeAllListeners(signal).once(signal, () => stop.abort(signal));
  }
  process.stdout.on('error', () => stop.abort('SIGPIPE'));
  return stop.signal;
}
