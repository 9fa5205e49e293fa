import { randomInt } from 'node:crypto';
import { invalidParameter } from './errors.ts';

export type RandomPasswordRequest = {
  PasswordLength?: number;
  ExcludeCharacters?: string;
  ExcludeLowercase?: boolean;
  ExcludeUppercase?: boolean;
  ExcludeNumbers?: boolean;
  ExcludePunctuation?: boolean;
  IncludeSpace?: boolean;
  /** True unless given. */
  RequireEachIncludedType?: boolean;
};

/**
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html.
 * AWS's functions ask for their passwords here. Ours makes its own.
 */
export function randomPassword(request: RandomPasswordRequest): { RandomPassword: string } {
  const { PasswordLength: length = 32, ExcludeCharacters = '', RequireEachIncludedType = true } = request;
  const types = [
    request.ExcludeLowercase ? '' : 'abcdefghijklmnopqrstuvwxyz',
    request.ExcludeUppercase ? '' : 'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
    request.ExcludeNumbers ? '' : '0123456789',
    request.ExcludePunctuation ? '' : '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~',
    request.IncludeSpace ? ' ' : '',
  ]
    .map((characters) => [...characters].filter((character) => !ExcludeCharacters.includes(character)))
    .filter((characters) => characters.length > 0);
  if (types.length === 0) throw invalidParameter('Password characters are all excluded.');
  if (length < 1 || length > 4096) throw invalidParameter(`Invalid password length: ${length}`);
  for (;;) {
    const password = Array.from({ length }, () => pick(types.flat()));
    const hasEach = types.every((characters) => characters.some((character) => password.includes(character)));
    if (hasEach || !RequireEachIncludedType || length < types.length) return { RandomPassword: password.join('') };
  }
}

function pick(characters: readonly string[]): string {
  return String(characters[randomInt(characters.length)]);
}
