import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';

/** The SDK's own client, as a test's hand or, with the function's key, in the function's place. It repeats nothing. */
export function clientOf(endpoint: string, accessKeyId = 'AKIATEST'): SecretsManagerClient {
  return new SecretsManagerClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey: 'not verified' },
    maxAttempts: 1,
  });
}

/** A version id, or token, that is as long as one must be and can still be read. */
export const id = (name: string): string => name.padEnd(32, '-');

/** What a call was refused with. */
export async function refusal(call: Promise<unknown>): Promise<{ name: string; status?: number; message: string }> {
  try {
    await call;
  } catch (error) {
    const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
    const status = $metadata?.httpStatusCode;
    return { name, message, ...(status === undefined ? {} : { status }) };
  }
  throw new Error('The call was expected to be refused, and succeeded');
}
