import {
  CloudWatchLogsClient,
  FilterLogEventsCommand,
  type FilterLogEventsCommandInput,
  paginateFilterLogEvents,
} from '@aws-sdk/client-cloudwatch-logs';
import { expect, test } from '@jest/globals';
import { type CloudWatchLogsFake, startCloudWatchLogs } from '../../local/cloudwatch-logs.ts';
import { refusal } from './secrets-manager-client.ts';

/** Frozen, as the SDK's paginator writes into what it is given. */
const ask = Object.freeze({ logGroupName: '/rotation', startTime: 0, filterPattern: '{ $.versionId = "v-1" }' });

function clientOf(fake: CloudWatchLogsFake) {
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
  const client = new CloudWatchLogsClient({ region: 'us-east-1', endpoint: fake.endpoint, credentials });
  return { client, filter: (more: object = {}) => client.send(new FilterLogEventsCommand({ ...ask, ...more })) };
}

/** Lines as they come out of a pipe. */
function write(fake: CloudWatchLogsFake, ...lines: string[]): void {
  const hear = fake.stream('/rotation');
  const output = lines.map((line) => `${line}\n`).join('');
  hear(output.slice(0, 7));
  hear(output.slice(7));
}

const line = (versionId: string, step: string) => JSON.stringify({ versionId, step });

test('finds lines by one key of their JSON, and a page may be empty and not the last', async () => {
  await using fake = await startCloudWatchLogs({ pageSize: 2 });
  const { client } = clientOf(fake);
  write(fake, line('v-1', 'a'), 'no JSON', line('v-2', 'b'), line('v-12', 'c'), line('v-1', 'd'));

  const pages: (string | undefined)[][] = [];
  for await (const { events = [] } of paginateFilterLogEvents({ client }, { ...ask })) {
    pages.push(events.map(({ message }) => message));
  }

  expect(pages).toEqual([[line('v-1', 'a')], [], [line('v-1', 'd')]]);
});

test('does not show what is older than was asked for, nor what is still on its way', async () => {
  await using fake = await startCloudWatchLogs({ lateMs: 300 });
  const { filter } = clientOf(fake);
  write(fake, line('v-1', 'a'));

  expect((await filter()).events).toEqual([]);
  await new Promise((resolve) => setTimeout(resolve, 350));
  expect((await filter()).events).toMatchObject([{ message: line('v-1', 'a') }]);
  expect((await filter({ startTime: Date.now() + 1000 })).events).toEqual([]);
});

test.each<[string, Partial<FilterLogEventsCommandInput>, string, RegExp]>([
  ['a group that is not there', { logGroupName: '/other' }, 'ResourceNotFoundException', /log group does not exist/],
  ['a pattern of terms', { filterPattern: '"v-1"' }, 'InvalidParameterException', /^Invalid filter pattern$/],
  ['an id without quotes', { filterPattern: '{ $.versionId = v-1 }' }, 'InvalidParameterException', /filter pattern/],
  ['a wildcard', { filterPattern: '{ $.versionId = "v-*" }' }, 'InvalidParameterException', /filter pattern/],
  ['two conditions', { filterPattern: '{ $.a = "b" && $.c = "d" }' }, 'InvalidParameterException', /filter pattern/],
  ['what it does not know', { logStreamNames: ['one'] }, 'InvalidParameterException', /logStreamNames/],
  ['a token that it did not give', { nextToken: 'another' }, 'InvalidParameterException', /nextToken/],
])('refuses %s', async (_, more, name, message) => {
  await using fake = await startCloudWatchLogs();
  write(fake, line('v-1', 'a'));

  expect(await refusal(clientOf(fake).filter(more))).toMatchObject({ name, message: expect.stringMatching(message) });
});

test('refuses a token for another query', async () => {
  await using fake = await startCloudWatchLogs({ pageSize: 1 });
  const { filter } = clientOf(fake);
  write(fake, line('v-1', 'a'), line('v-1', 'b'));

  const { nextToken } = await filter();

  expect((await refusal(filter({ nextToken, filterPattern: '{ $.versionId = "v-2" }' }))).message).toMatch(/nextToken/);
  expect((await filter({ nextToken })).events).toMatchObject([{ message: line('v-1', 'b') }]);
});
