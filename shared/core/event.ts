/** The event that Secrets Manager sends to a rotation function. */

import { InvalidEventError, UnknownStepError } from './errors.ts';
import { Secret } from './secret.ts';

const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;
export type StepName = (typeof STEPS)[number];

/**
 * One step to run,
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html.
 * `secretId` is the ARN of the secret if Secrets Manager sent the event; a person may name the
 * secret otherwise. `token` is the ClientRequestToken.
 */
export type RotationEvent = { step: StepName; secretId: string; token: string; rotationToken: Secret | undefined };

/** Printable ASCII only: these fields are logged, and a line break in one could forge a log line. */
const PRINTABLE = /^[ -~]+$/;

/**
 * Reads the event. Unknown fields are ignored: AWS adds some.
 * @throws {InvalidEventError} for a missing or malformed field; the message never repeats a value
 * @throws {UnknownStepError} if `Step` is none of the four
 */
export function parseEvent(event: unknown): RotationEvent {
  if (typeof event !== 'object' || event === null || Array.isArray(event))
    throw new InvalidEventError('The event is not a JSON object.');
  const fields = event as Record<string, unknown>;
  const step = text(fields, 'Step', 1, 32);
  const secretId = text(fields, 'SecretId', 1, 2048);
  const token = text(fields, 'ClientRequestToken', 32, 64);
  const rotationToken =
    fields['RotationToken'] === undefined || fields['RotationToken'] === null
      ? undefined
      : new Secret(text(fields, 'RotationToken', 1, 4096));
  if (!isStepName(step)) throw new UnknownStepError(`Step is none of ${STEPS.join(', ')}.`);
  return { step, secretId, token, rotationToken };
}

function isStepName(text: string): text is StepName {
  return (STEPS as readonly string[]).includes(text);
}

function text(event: Record<string, unknown>, key: string, shortest: number, longest: number): string {
  const value = event[key];
  if (value === undefined || value === null) throw new InvalidEventError(`The event has no ${key}.`);
  if (typeof value !== 'string') throw new InvalidEventError(`The event's ${key} is not a string.`);
  if (value.length < shortest || value.length > longest)
    throw new InvalidEventError(`The event's ${key} is not ${shortest} to ${longest} characters long.`);
  if (!PRINTABLE.test(value)) throw new InvalidEventError(`The event's ${key} has characters beyond printable ASCII.`);
  return value;
}
