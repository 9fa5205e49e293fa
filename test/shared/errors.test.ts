import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import * as errors from '../../shared/core/errors.ts';
import * as ofDatabases from '../../shared/database/errors.ts';

const SECRET = 'h"u\'n&t%e\\r2';

/** What a driver's error may carry, mysql2's `sql` among it. */
function foreignError(): Error {
  const error = new TypeError(`syntax error near "${SECRET}"\n    at ${SECRET}`);
  return Object.assign(error, { sql: `ALTER USER … '${SECRET}'`, cause: new Error(SECRET), [SECRET]: SECRET });
}

describe('an error that is not ours', () => {
  test('leaves only the name of its class and the frames of our code', () => {
    const error = errors.ownError(foreignError());
    expect(error).toBeInstanceOf(errors.InternalError);
    expect(error.message).toMatch(/^Unexpected TypeError: /);
    expect(error.stack).toContain('foreignError');
    for (const shown of [
      inspect(error, { depth: 9, showHidden: true }),
      JSON.stringify(error),
      error.stack,
      String(error),
    ])
      expect(shown).not.toContain('r2');
  });

  test.each([
    ['a text', SECRET],
    ['undefined', undefined],
    ['a number', 7],
    ['an odd name', Object.assign(new Error(SECRET), { name: SECRET })],
  ])('may be %s', (_, thrown) => {
    expect(inspect(errors.ownError(thrown))).not.toContain('r2');
    expect(errors.ownError(thrown)).toBeInstanceOf(errors.InternalError);
  });
});

describe('our errors', () => {
  const classes = Object.values({ ...errors, ...ofDatabases }).filter(
    (value) =>
      typeof value === 'function' && value !== errors.CallError && value.prototype instanceof errors.RotationError,
  ) as (new (
    message: string,
    details?: object,
  ) => errors.RotationError)[];

  const toldWhetherRetryHelps: Record<string, typeof errors.SecretsManagerError | typeof ofDatabases.RdsError> = {
    SecretsManagerError: errors.SecretsManagerError,
    RdsError: ofDatabases.RdsError,
  };

  test.each(classes.map((kind) => [kind.name, kind] as const))('%s carries only what may be logged', (name, kind) => {
    const details = { user: 'app', host: 'db', code: '28P01', password: SECRET, sql: SECRET };
    const Told = toldWhetherRetryHelps[name];
    const error = Told ? new Told('m', true, details) : new kind('m', details);
    expect(error).toMatchObject({ name, message: 'm', user: 'app', host: 'db', code: '28P01' });
    expect(typeof error.retryHelps).toBe('boolean');
    expect(inspect(error, { showHidden: true })).not.toContain('r2');
    expect(errors.ownError(error)).toBe(error);
  });
});
