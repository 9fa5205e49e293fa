/** A recording proxy for the HTTP requests that the function sends to Secrets Manager. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { ListeningProxy, Message, Pass } from './message.ts';

/** @param endpoint of the emulator */
export async function startSecretsManagerProxy(endpoint: string, pass: Pass): Promise<ListeningProxy> {
  const server = createServer((request, response) => {
    serve(request, response, endpoint, pass).catch(() => request.socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** All that the emulator reads of a request's headers. */
const HEADERS = ['authorization', 'content-type', 'x-amz-target'];

type Answer = { status: number; type: string; body: Buffer };

async function serve(request: IncomingMessage, response: ServerResponse, endpoint: string, pass: Pass): Promise<void> {
  const bytes = await buffer(request);
  const name = String(request.headers['x-amz-target']).replace('secretsmanager.', '');
  const common = {
    connection: 'sm',
    name,
    call: String(request.headers['amz-sdk-invocation-id']),
    drop: () => void request.socket.destroy(),
  } as const satisfies Partial<Message>;

  let answering: Promise<Answer> | undefined;
  await pass({
    ...common,
    direction: '→',
    about: describeRequest(bytes),
    bytes,
    forward: async () => {
      answering = ask(endpoint, request, bytes);
    },
    fail: () => {},
  });
  if (answering === undefined) return common.drop();

  const answer = await answering;
  await pass({
    ...common,
    direction: '←',
    about: answer.status === 200 ? '' : `${answer.status} ${answer.body}`,
    bytes: answer.body,
    forward: async () => {
      response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body);
    },
    fail: () => {
      const error = { __type: 'InternalServiceError', message: 'Put here by the crash matrix.' };
      response.writeHead(500, { 'content-type': answer.type }).end(JSON.stringify(error));
    },
  });
  if (!response.writableEnded) common.drop();
}

async function ask(endpoint: string, { headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: HEADERS.map((name) => [name, String(headers[name])] as [string, string]),
    body: new Uint8Array(body),
  });
  const type = answer.headers.get('content-type') ?? '';
  return { status: answer.status, type, body: Buffer.from(await answer.arrayBuffer()) };
}

/** The parameters that say what is done to which version; none of them is secret. */
function describeRequest(body: Buffer): string {
  const { VersionId, VersionStage, MoveToVersionId, RemoveFromVersionId } = JSON.parse(String(body));
  const parameters = { VersionId, VersionStage, MoveToVersionId, RemoveFromVersionId };
  return Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}
