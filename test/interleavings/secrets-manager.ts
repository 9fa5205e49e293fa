/**
 * Secrets Manager without a network: the AWS SDK's client, whole, which reaches the emulator's store by a call. Each request and each answer
 * is told to `hear`, and waits until that resolves.
 */
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { ServiceError } from '../../local/secrets-manager/errors.ts';
import type { SecretStore } from '../../local/secrets-manager/store.ts';
import type { Direction } from '../crash-matrix/message.ts';

/** A request before it takes effect, or an answer before it goes on. */
export type Called = {
  connection: 'sm';
  direction: Direction;
  name: string;
  about: string;
  bytes: Buffer;
  isError: boolean;
};

type Request = { headers: Record<string, string>; body: Uint8Array };

export function connectTo(store: SecretStore, hear: (called: Called) => Promise<void>): SecretsManagerClient {
  return new SecretsManagerClient({
    region: 'us-east-1',
    endpoint: 'http://secrets-manager.in-this-process',
    credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
    maxAttempts: 1,
    requestHandler: { handle: async (request: Request) => ({ response: await serve(store, request, hear) }) },
  });
}

async function serve(store: SecretStore, { headers, body: bytesOf }: Request, hear: (called: Called) => Promise<void>) {
  const body = Buffer.from(bytesOf.buffer, bytesOf.byteOffset, bytesOf.byteLength).toString();
  const name = String(headers['x-amz-target']).replace('secretsmanager.', '');
  const common = { connection: 'sm', name } as const;
  const asked = { direction: '→', about: about(JSON.parse(body)), bytes: Buffer.from(body), isError: false } as const;
  await hear({ ...common, ...asked });
  const answer = perform(store, name, JSON.parse(body));
  const isError = answer.statusCode !== 200;
  const bytes = Buffer.from(answer.body);
  await hear({ ...common, direction: '←', about: isError ? answer.body : '', bytes, isError });
  return {
    statusCode: answer.statusCode,
    headers: { 'content-type': 'application/x-amz-json-1.1' },
    body: bytes,
  };
}

function perform(store: SecretStore, name: string, request: object): { statusCode: number; body: string } {
  const method = `${name[0]?.toLowerCase()}${name.slice(1)}`;
  try {
    const operations = store as unknown as Record<string, (request: object) => object>;
    return { statusCode: 200, body: JSON.stringify(operations[method]?.(request)) };
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    return { statusCode: error.status, body: JSON.stringify({ __type: error.name, message: error.message }) };
  }
}

/** The parameters that say what is done to which version; none of them is secret. */
function about(request: Record<string, unknown>): string {
  return ['VersionId', 'VersionStage', 'MoveToVersionId', 'RemoveFromVersionId']
    .flatMap((key) => (request[key] === undefined ? [] : [`${key}=${request[key]}`]))
    .join(' ');
}
