import { type Document, MongoClient, MongoServerError } from 'mongodb';
import type { Address } from '../../../local/servers/source.ts';

export const CODES = {
  badValue: 2,
  userNotFound: 11,
  unauthorized: 13,
  typeMismatch: 14,
  authenticationFailed: 18,
  commandNotFound: 59,
} as const;

type Options = ConstructorParameters<typeof MongoClient>[1];

/** As the superuser, who is in `admin`; without one as nobody. */
export async function connect(
  address: Omit<Address, 'superuser'> & { superuser: Address['superuser'] | undefined },
  options: Options = {},
): Promise<MongoClient> {
  const client = new MongoClient(`mongodb://${address.host}:${address.port}`, {
    ...(address.superuser && { auth: address.superuser, authSource: 'admin' }),
    ...(address.tlsOnly && { tls: true, tlsAllowInvalidCertificates: true, tlsAllowInvalidHostnames: true }),
    directConnection: true,
    maxPoolSize: 1,
    serverMonitoringMode: 'poll',
    serverSelectionTimeoutMS: 5000,
    connectTimeoutMS: 5000,
    retryReads: false,
    retryWrites: false,
    ...options,
  });
  // The driver would try again until its time is up.
  const failed = new Promise<never>((_, reject) => {
    client.on('serverHeartbeatFailed', ({ failure }) => reject(failure.cause ?? failure));
  });
  try {
    return await Promise.race([client.connect(), failed]);
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Whether it is the server's answer with one of these codes. */
export function isOneOf(...codes: number[]): (error: unknown) => error is MongoServerError & Document {
  return (error): error is MongoServerError & Document =>
    error instanceof MongoServerError && codes.includes(Number(error.code));
}

export function unlessUnknownCommand(error: unknown): undefined {
  if (!isOneOf(CODES.commandNotFound)(error)) throw error;
}

export async function isPrimary(client: MongoClient): Promise<boolean> {
  return (await client.db('admin').command({ hello: 1 }))['isWritablePrimary'] === true;
}
