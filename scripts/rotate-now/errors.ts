/** Why this command can do nothing, or no more, in one sentence. */
export class Refusal extends Error {}

/** What became of a call, for the person that started the command. @param action as a policy names it */
export function sentenceFor(action: string, error: unknown): string {
  if (!(error instanceof Error)) return `${action} failed: ${error}.`;
  const { name, message } = error;
  // The SDK throws a bare Error.
  if (message === 'Region is missing') return 'There is no Region: set AWS_REGION, or a profile that has one.';
  if (['CredentialsProviderError', 'TokenProviderError'].includes(name)) {
    return `There are no AWS credentials (${withoutStop(message)}): log in, or set AWS_PROFILE.`;
  }
  if (isDenied(error)) return `${action} is not allowed: ${withoutStop(message)}.`;
  if (isAnswer(error)) return `${action} was refused with ${name}: ${withoutStop(message)}.`;
  // Of several addresses that were tried Node says nothing but the code.
  return `${action} failed: ${withoutStop(message || ('code' in error ? String(error.code) : name))}.`;
}

/** Services spell it with and without the suffix. */
function isDenied(error: unknown): boolean {
  return error instanceof Error && /^AccessDenied(Exception)?$/.test(error.name);
}

/** It will be answered so again. What the network or a busy service did may be over the next time. */
export function isFinal(error: unknown): boolean {
  return isAnswer(error) && error.$fault === 'client' && error.name !== 'ThrottlingException';
}

/** The SDK tells what a service answered by `$fault`; each client has a class of its own. */
function isAnswer(error: unknown): error is Error & { $fault: unknown } {
  return error instanceof Error && '$fault' in error;
}

const withoutStop = (text: string) => text.trim().replace(/\.$/, '');
