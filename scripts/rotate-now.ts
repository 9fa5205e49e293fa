/** npm run rotate-now: see HELP in rotate-now/options.ts. */
import { randomUUID } from 'node:crypto';
import { Refusal } from './rotate-now/errors.ts';
import { follow } from './rotate-now/follow.ts';
import { FunctionLog } from './rotate-now/function-log.ts';
import { Journal } from './rotate-now/journal.ts';
import { HELP, type Options, parseOptions } from './rotate-now/options.ts';
import { incompleteIn, Secret } from './rotate-now/secret.ts';
import { Terminal } from './terminal.ts';
import { orExit } from './usage.ts';

const journal = new Journal(new Terminal(process));
const options = orExit(() => parseOptions(process.argv.slice(2)));
if (options === undefined) console.log(HELP);
else await run(options);

async function run({ secretId, timeLimit }: Options): Promise<void> {
  // As for the AWS CLI. The SDK reads AWS_REGION alone.
  if (process.env['AWS_DEFAULT_REGION']) process.env['AWS_REGION'] ||= process.env['AWS_DEFAULT_REGION'];
  let onStop = 'Stopped; nothing was started.';
  process.once('SIGINT', () => {
    journal.stopped(onStop);
    process.exit(130);
  });
  process.stdout.once('error', () => process.exit(1)); // nobody reads any more, as with `| head`
  try {
    const secret = new Secret(secretId);
    const before = await secret.rotatable();
    const { name, labels } = before;
    journal.introduce(before);
    const log = await FunctionLog.of(before.functionArn, (why) => journal.note('', why));
    const incomplete = incompleteIn(labels);
    // What its earlier attempts have logged is no news.
    if (incomplete !== undefined) await log.newLines(incomplete);
    onStop = `Stopped; whether a rotation of ${name} was started is not known.`;
    journal.startClock();
    const { version, resumed } = await secret.rotate(randomUUID());
    onStop = `Stopped following; the rotation of ${name} goes on.`;
    journal.started(version, log.group);
    if (resumed !== undefined)
      journal.event(`An earlier rotation goes on with its version. Secrets Manager: ${resumed}`);
    const ending = await follow({ secret, log, journal, version, labels, timeLimitMs: timeLimit * 1000 });
    if (ending.succeeded) journal.rotated(name, ending.ms, ending.labels);
    else journal.notRotated(name, ending.why, labels, ending.labels, log.group);
    process.exitCode = ending.succeeded ? 0 : 1;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    journal.refused(error.message);
    process.exitCode = 1;
  }
}
