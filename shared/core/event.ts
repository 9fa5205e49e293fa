import { InvalidEventError, UnknownStepError } from './errors.ts';
import { Secret } from './secret.ts';

const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;
export type StepName = (typeof STEPS)[number];

/** What Secrets Manager sends, https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html */
export type RotationEvent = { step: StepName; secretId: string; token: string; rotationToken: Secret | undefined };

/** Printable ASCII only: these fields stand in log lines, and a line break there would forge one. */
const PRINTABLE = /^[ -~]+$/;

/**
 * Fields that we do not know are ignored: AWS adds some.
 * @throws {InvalidEventError} for a missing or malformed field; its value is never repeated in the message
 * @throws {UnknownStepError}
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
