import { parseCommandLine, UsageError, wholeNumber } from '../usage.ts';

export type Options = { secretId: string; timeLimit: number };

const COMMAND = 'npm run rotate-now -- --help';

export const HELP = `Rotates a secret now, and shows what Secrets Manager and the function do, until the rotation is over.

  npm run rotate-now -- orders-app                     the secret's name or ARN
  npm run rotate-now -- orders-app --time-limit 1800

Options
  --time-limit N      how many seconds to follow the rotation (900); it goes on after that
  --help              this text

Region, credentials and endpoints are found as by every AWS SDK: AWS_REGION (or AWS_DEFAULT_REGION), AWS_PROFILE, AWS_ENDPOINT_URL and so on.
Times are counted from the start of the rotation to the moment at which this command saw what it says.

It needs the rights
  secretsmanager:DescribeSecret       on the secret
  secretsmanager:RotateSecret         on the secret
  lambda:InvokeFunction               on the function, which RotateSecret asks of whoever calls it
  lambda:GetFunctionConfiguration     on the function, to find its log
  logs:FilterLogEvents                on its log group, to show the steps
and without the last two shows the staging labels alone. It never reads a secret's value.

Exit code: 0 the new version is AWSCURRENT, 1 it is not or nothing was started, 2 an option cannot be used, 130 Ctrl-C, with
which the rotation goes on.`;

/** Undefined if it is help that is asked for. @throws {UsageError} */
export function parseOptions(args: string[]): Options | undefined {
  const { values, positionals } = parseCommandLine(COMMAND, {
    args,
    allowPositionals: true,
    options: {
      // A step takes a minute at most and a rotation four of them; how often Secrets Manager tries again, and after how long,
      // is published nowhere.
      'time-limit': { type: 'string', default: '900' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const [secretId, ...more] = positionals;
  if (!secretId || more.length > 0) throw new UsageError(`It takes one secret, by name or ARN; ${COMMAND} shows how.`);
  return { secretId, timeLimit: wholeNumber('--time-limit', values['time-limit']) };
}
