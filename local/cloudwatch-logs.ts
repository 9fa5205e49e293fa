import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { HttpService } from './http-service.ts';
import { ServiceError } from './secrets-manager/errors.ts';

export type CloudWatchLogsOptions = {
  /** How many lines one request searches; 3 unless given. The service searches more, and may answer an empty page just so. */
  pageSize?: number;
  /** How long a line that was written does not show, in milliseconds. */
  lateMs?: number;
};

export interface CloudWatchLogsFake extends AsyncDisposable {
  /** For AWS_ENDPOINT_URL_CLOUDWATCH_LOGS, https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html. */
  readonly endpoint: string;
  /** An error to answer with instead; may be replaced at any time. */
  hook: () => ServiceError | undefined;
  /** The requests that were answered with a page. */
  readonly requests: Readonly<Record<string, unknown>>[];
  /** A new log stream: takes the output of one process, as it comes, for the group that is made with its first line. */
  stream(group: string): (output: string) => void;
}

/**
 * A fake: it answers FilterLogEvents, in the recorded shape of the real service, from the lines it is given. It is not an emulation: of
 * filter patterns it knows one, and whatever else is asked for it refuses. Listens on 127.0.0.1 for the AWS JSON 1.1 protocol.
 */
export async function startCloudWatchLogs(options: CloudWatchLogsOptions = {}): Promise<CloudWatchLogsFake> {
  const fake = new Fake(options);
  await fake.listen();
  return fake;
}

/** https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilteredLogEvent.html */
type Event = { eventId: string; logStreamName: string; timestamp: number; ingestionTime: number; message: string };

type Page = { events: Event[]; searchedLogStreams: []; nextToken?: string };

class Fake extends HttpService implements CloudWatchLogsFake {
  hook: CloudWatchLogsFake['hook'] = () => undefined;
  readonly requests: CloudWatchLogsFake['requests'] = [];
  readonly #pageSize: number;
  readonly #lateMs: number;
  readonly #groups = new Map<string, Event[]>();
  /** What a token goes on with: it is of use with the same query alone (assumed). */
  readonly #tokens = new Map<unknown, { query: string; from: number }>();

  constructor({ pageSize = 3, lateMs = 0 }: CloudWatchLogsOptions) {
    super();
    this.#pageSize = pageSize;
    this.#lateMs = lateMs;
  }

  stream(group: string): (output: string) => void {
    const logStreamName = `2026/01/01/[$LATEST]${randomUUID().replaceAll('-', '')}`;
    let unfinished = '';
    return (output) => {
      const lines = (unfinished + output).split('\n');
      unfinished = lines.pop() ?? '';
      for (const message of lines) this.#write(group, logStreamName, message);
    };
  }

  #write(group: string, logStreamName: string, message: string): void {
    const timestamp = Date.now();
    const event = { eventId: randomUUID(), logStreamName, timestamp, ingestionTime: timestamp + this.#lateMs, message };
    this.#groups.set(group, [...(this.#groups.get(group) ?? []), event]);
  }

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#answer(request).catch((error) => asServiceError(error));
    const failed = answer instanceof ServiceError;
    response.writeHead(failed ? answer.status : 200, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify(failed ? { __type: answer.name, message: answer.message } : answer));
  }

  async #answer(request: IncomingMessage): Promise<Page | ServiceError> {
    const operation = String(request.headers['x-amz-target']);
    if (operation !== 'Logs_20140328.FilterLogEvents') throw new ServiceError('UnknownOperationException', operation);
    const asked = JSON.parse(await text(request));
    const page = this.hook() ?? this.#page(asked);
    if (!(page instanceof ServiceError)) this.requests.push(asked);
    return page;
  }

  #page({ nextToken, ...query }: Readonly<Record<string, unknown>>): Page {
    const { logGroupName, startTime, filterPattern, ...unknown } = query;
    const [key] = Object.keys(unknown);
    if (key !== undefined) throw invalid(`The fake does not know the parameter ${key}.`);
    const events = this.#groups.get(String(logGroupName));
    if (events === undefined) {
      throw new ServiceError('ResourceNotFoundException', 'The specified log group does not exist.');
    }
    const matches = matcher(String(filterPattern));
    const from = nextToken === undefined ? 0 : this.#redeem(nextToken, JSON.stringify(query));
    const searched = events.filter(({ ingestionTime }) => ingestionTime <= Date.now());
    const end = from + this.#pageSize;
    return {
      events: searched
        .slice(from, end)
        .filter(({ timestamp, message }) => timestamp >= Number(startTime) && matches(message)),
      searchedLogStreams: [],
      ...(end < searched.length && { nextToken: this.#issue(JSON.stringify(query), end) }),
    };
  }

  #issue(query: string, from: number): string {
    const token = randomUUID();
    this.#tokens.set(token, { query, from });
    return token;
  }

  #redeem(token: unknown, query: string): number {
    const issued = this.#tokens.get(token);
    if (issued?.query !== query) throw invalid('The specified nextToken is invalid.');
    return issued.from;
  }
}

/**
 * Of https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html: one key of the JSON and one text in quotes,
 * without a wildcard or an escape.
 */
function matcher(filterPattern: string): (message: string) => boolean {
  const [, key, value] = /^\{ *\$\.(\w+) *= *"([^"*%\\]+)" *\}$/.exec(filterPattern) ?? [];
  if (key === undefined) throw invalid('Invalid filter pattern');
  return (message) => {
    try {
      return JSON.parse(message)[key] === value;
    } catch {
      return false; // no JSON
    }
  };
}

const invalid = (message: string) => new ServiceError('InvalidParameterException', message);

/** A mistake in a hook or here is shown to the client. */
function asServiceError(error: unknown): ServiceError {
  return error instanceof ServiceError ? error : new ServiceError('InternalFailure', `${error}`, 500);
}
