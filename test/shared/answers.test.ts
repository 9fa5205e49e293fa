/** What may stand at a service's address and is not the service, such as a web proxy or a captive portal. */
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Deadline } from '../../shared/core/deadline.ts';
import { SecretsManagerError } from '../../shared/core/errors.ts';
import { Secret } from '../../shared/core/secret.ts';
import { connectSecretsManager, SecretVersions } from '../../shared/core/versions.ts';
import { RdsError } from '../../shared/database/errors.ts';
import { Rds } from '../../shared/database/rds.ts';

const before = { ...process.env };
let server: Server;
let endpoint = '';
let answer: RequestListener;
let requests = 0;

beforeAll(async () => {
  server = createServer((request, response) => {
    requests += 1;
    return answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  Object.assign(process.env, { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x' });
  process.env['AWS_ENDPOINT_URL_RDS'] = endpoint;
});

afterAll(() => {
  process.env = before;
  server.closeAllConnections();
  server.close();
});

const JSON_1_1 = 'application/x-amz-json-1.1';
const WORDS = 'p4ssw0rd-of-app';

const send = (status: number, type: string | undefined, body: string | Buffer, more = {}) => {
  const headers = { ...(type !== undefined && { 'content-type': type }), ...more };
  return (response: ServerResponse) => void response.writeHead(status, headers).end(body);
};

const HTML = `<html><body>${WORDS}</body></html>`;
const XML = '<DescribeDBInstancesResponse><DescribeDBInstancesResult/></DescribeDBInstancesResponse>';

/** What is told of the answer, and whether a retry may help. */
type Row = [string, (response: ServerResponse) => void, RegExp, boolean];

const OF_ANY: Row[] = [
  ['HTML with status 403', send(403, 'text/html', HTML), /HTTP status 403 and text\/html/, false],
  ['HTML with status 502', send(502, 'text/html', HTML), /HTTP status 502 and text\/html/, true],
  ['HTML with status 429', send(429, 'text/html', HTML), /HTTP status 429 and text\/html/, true],
  ['text with status 407', send(407, 'text/plain', WORDS), /HTTP status 407 and text\/plain/, false],
  ['nothing with status 200', send(200, undefined, ''), /HTTP status 200/, true],
  ['nothing with status 204', send(204, undefined, ''), /HTTP status 204/, true],
  ['nothing with status 404', send(404, undefined, ''), /HTTP status 404/, false],
  ['a redirect', send(301, undefined, '', { location: `https://${WORDS}.example.com/` }), /HTTP status 301/, false],
  ['a type that is none', send(403, `${WORDS}<`, HTML), /HTTP status 403 that/, false],
];

const OF_JSON: Row[] = [
  ['HTML with status 200', send(200, 'text/html; charset=utf-8', HTML), /status 200 and text\/html/, false],
  ['an empty object', send(200, JSON_1_1, '{}'), /HTTP status 200/, true],
  ['null', send(200, JSON_1_1, 'null'), /HTTP status 200/, true],
  ['a list', send(200, JSON_1_1, '[]'), /HTTP status 200/, true],
  ['a text', send(200, JSON_1_1, JSON.stringify(WORDS)), /HTTP status 200/, true],
  ['an ARN that is a number', send(200, JSON_1_1, '{"ARN":5}'), /HTTP status 200/, true],
  ['JSON that is cut', send(200, JSON_1_1, `{"ARN":"x","SecretString":"${WORDS}`), /status 200 and \S+json-1\.1/, true],
  ['an error that is cut', send(400, JSON_1_1, `{"__type":"${WORDS}`), /HTTP status 400/, false],
  ['an error without a name', send(400, JSON_1_1, `{"message":"${WORDS}"}`), /HTTP status 400/, false],
  ['an error of a proxy', send(403, 'application/json', `{"code":"${WORDS} !"}`), /status 403 and \S+json/, false],
  ['gzip', send(200, JSON_1_1, gzipSync(HTML), { 'content-encoding': 'gzip' }), /HTTP status 200/, true],
  ['what is no gzip', send(200, JSON_1_1, `${WORDS}`, { 'content-encoding': 'gzip' }), /HTTP status 200/, true],
];

const OF_XML: Row[] = [
  // To the SDK it is XML without instances.
  ['HTML with status 200', send(200, 'text/html', HTML), /HTTP status 200/, true],
  ['XML that is cut', send(200, 'text/xml', XML.slice(0, 40)), /HTTP status 200 and text\/xml/, true],
  ['XML without instances', send(200, 'text/xml', XML), /HTTP status 200/, true],
  ['JSON', send(200, 'application/json', JSON.stringify({ text: WORDS })), /HTTP status 200 and \S+json/, true],
];

const versions = () => new SecretVersions(connectSecretsManager(endpoint), 'app', new Deadline(60_000));

const CALLS: Record<string, () => Promise<unknown>> = {
  DescribeSecret: () => versions().describe(),
  GetSecretValue: () => versions().labelled('AWSPENDING'),
  ListSecretVersionIds: () => versions().newestFirst(),
  PutSecretValue: () => versions().putPending('t'.repeat(36), new Secret('{}'), undefined),
  UpdateSecretVersionStage: () => versions().releasePending('t'),
};

async function refusal(call: () => Promise<unknown>, play: (response: ServerResponse) => void): Promise<unknown> {
  // The body is read before the answer: the SDK may still be sending.
  answer = (request, response) => void request.resume().once('end', () => play(response));
  return call().then(
    () => undefined,
    (error) => error,
  );
}

describe.each(Object.entries(CALLS))('at Secrets Manager’s address, to %s', (operation, call) => {
  test.each([...OF_ANY, ...OF_JSON])('%s is no answer of Secrets Manager', async (_, play, told, retryHelps) => {
    const error = await refusal(call, play);

    expect(error).toBeInstanceOf(SecretsManagerError);
    expect(error).toMatchObject({
      layer: 'Secrets Manager',
      retryHelps,
      message: expect.stringMatching(
        `The address of Secrets Manager answered ${operation} with .*no answer of Secrets`,
      ),
    });
    expect((error as Error).message).toMatch(told);
    expect((error as Error).message).toContain('SECRETS_MANAGER_ENDPOINT');
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(WORDS.slice(0, 8));
  });
});

describe('at RDS’s address', () => {
  test.each([...OF_ANY, ...OF_XML])('%s is no answer of RDS', async (_, play, told, retryHelps) => {
    const arn = 'arn:aws:rds:us-east-1:123456789012:db:main';

    const error = await refusal(() => new Rds(new Deadline(60_000)).endpointOf(arn), play);

    expect(error).toBeInstanceOf(RdsError);
    expect(error).toMatchObject({ layer: 'RDS', retryHelps });
    expect((error as Error).message).toMatch(/The address of RDS answered DescribeDBInstances with .*no answer of RDS/);
    expect((error as Error).message).toMatch(told);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(WORDS.slice(0, 8));
  });
});

describe('the pages of ListSecretVersionIds', () => {
  const page = (id: string, NextToken?: string) =>
    send(200, JSON_1_1, JSON.stringify({ ARN: 'arn', Versions: [{ VersionId: id, CreatedDate: 1 }], NextToken }));
  const list = (pages: (number: number) => (response: ServerResponse) => void) => {
    requests = 0;
    answer = (_, response) => pages(requests)(response);
    return versions().newestFirst();
  };

  test.each([
    ['an empty NextToken', () => page('v1', ''), ['v1'], 1],
    ['no NextToken', () => page('v1'), ['v1'], 1],
    ['a second page', (n: number) => page(`v${n}`, n === 1 ? 'more' : ''), ['v1', 'v2'], 2],
    ['the same NextToken again', (n: number) => page(`v${n}`, 'more'), ['v1', 'v2'], 2],
  ])('end with %s', async (_, pages, ids, asked) => {
    expect(await list(pages)).toEqual(ids);
    expect(requests).toBe(asked);
  });

  test('end some time, whatever the answers say, and no version comes twice', async () => {
    expect(await list((n) => page(`v${n % 3}`, `token ${n}`))).toHaveLength(3);
    expect(requests).toBe(20);
  });

  test('end with the time for them', async () => {
    answer = () => {};
    const late = new SecretVersions(connectSecretsManager(endpoint), 'app', new Deadline(600)).newestFirst();
    await expect(late).rejects.toMatchObject({ name: 'DeadlineError' });
  });
});
