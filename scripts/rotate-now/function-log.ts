import { CloudWatchLogsClient, paginateFilterLogEvents } from '@aws-sdk/client-cloudwatch-logs';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { isFinal, sentenceFor } from './errors.ts';

/** What the function logs of a step, one JSON line each: shared/core/handler.ts. */
export type Line = {
  level: string;
  message: string;
  step: string;
  outcome: string;
  durationMs: number;
  cause?: { name: string; retryHelps?: boolean };
};

/** By how much this machine's clock may differ from the function's. Above that the SDK's calls are refused anyway. */
const CLOCK_DIFFERENCE_MS = 5 * 60 * 1000;

/** Where the rotation function says in one line what a step did. */
export class FunctionLog {
  readonly group: string;
  /** Whether it is of any use to look for more. */
  isReadable = true;
  readonly #client = new CloudWatchLogsClient({});
  readonly #since = Date.now() - CLOCK_DIFFERENCE_MS;
  readonly #seen = new Set<string>();
  readonly #tell: (why: string) => void;

  /**
   * Where the function may not be asked for its log group, that is taken to be Lambda's default, which is the template's too.
   * @param tell hears, once, what is in the way
   */
  static async of(functionArn: string, tell: (why: string) => void): Promise<FunctionLog> {
    // arn:aws:lambda:<Region>:<account>:function:<name>, and perhaps a version or alias
    const usual = `/aws/lambda/${functionArn.split(':')[6]}`;
    try {
      const { LoggingConfig } = await new LambdaClient({}).send(
        new GetFunctionConfigurationCommand({ FunctionName: functionArn }),
      );
      return new FunctionLog(LoggingConfig?.LogGroup ?? usual, tell);
    } catch (error) {
      tell(`${sentenceFor('lambda:GetFunctionConfiguration', error)} Its log is taken to be ${usual}.`);
      return new FunctionLog(usual, tell);
    }
  }

  private constructor(group: string, tell: (why: string) => void) {
    this.group = group;
    this.#tell = tell;
  }

  /** Those of the version's steps that were not there before. They show late, and late ones among earlier ones. */
  async newLines(version: string): Promise<Line[]> {
    if (!this.isReadable) return [];
    const lines: Line[] = [];
    const query = {
      logGroupName: this.group,
      startTime: this.#since,
      // https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html
      filterPattern: `{ $.versionId = ${JSON.stringify(version)} }`,
    };
    try {
      for await (const { events = [] } of paginateFilterLogEvents({ client: this.#client }, query)) {
        for (const { eventId = '', message = '' } of events) {
          if (!this.#seen.has(eventId)) lines.push(JSON.parse(message));
          this.#seen.add(eventId);
        }
      }
    } catch (error) {
      this.#failed(error);
    }
    return lines;
  }

  #failed(error: unknown): void {
    // Lambda makes the group when a function without one of its own first logs.
    if (error instanceof Error && error.name === 'ResourceNotFoundException') return;
    if (!isFinal(error)) return;
    this.isReadable = false;
    this.#tell(`${sentenceFor('logs:FilterLogEvents', error)} The steps are not shown, only staging labels are.`);
  }
}
