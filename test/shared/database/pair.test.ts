import { describe, expect, test } from '@jest/globals';
import { postgres } from '../../../functions/postgres/engine.ts';
import { Secret } from '../../../shared/core/secret.ts';
import { namesIn, namesOf, otherOf } from '../../../shared/database/pair.ts';
import { parseSecret, type SecretValue } from '../../../shared/database/secret-value.ts';

function value(keys: object): SecretValue {
  const text = new Secret(JSON.stringify({ engine: 'postgres', host: 'db', password: 'p', ...keys }));
  return parseSecret({ text, called: 'AWSCURRENT' }, postgres);
}

const names = (keys: object, previous?: object) =>
  namesOf(value(keys), async () => previous && value(previous), postgres);

describe('the pair', () => {
  test.each([
    [{ username: 'app' }, { base: 'app', twin: 'app_clone' }],
    [
      { username: 'app', alternateusername: 'app_b' },
      { base: 'app', twin: 'app_b' },
    ],
    [
      { username: 'app', baseusername: 'app' },
      { base: 'app', twin: 'app_clone' },
    ],
    [
      { username: 'app_clone', baseusername: 'app' },
      { base: 'app', twin: 'app_clone' },
    ],
    [
      { username: 'b', baseusername: 'a', alternateusername: 'b' },
      { base: 'a', twin: 'b' },
    ],
    [
      { username: 'x_clone', baseusername: 'x_clone' },
      { base: 'x_clone', twin: 'x_clone_clone' },
    ],
    [
      { username: 'x_clone', alternateusername: 'y' },
      { base: 'x_clone', twin: 'y' },
    ],
    [
      { username: 'app', baseusername: '', alternateusername: null },
      { base: 'app', twin: 'app_clone' },
    ],
  ])('that %j names needs no look at AWSPREVIOUS', async (keys, expected) => {
    expect(namesIn(value(keys))).toEqual(expected);
    const neverRead = () => Promise.reject(new Error('AWSPREVIOUS was read'));
    await expect(namesOf(value(keys), neverRead, postgres)).resolves.toEqual(expected);
  });

  test.each([
    ['AWS’s base', { username: 'app' }],
    ['a version that names the pair', { username: 'app_b', baseusername: 'app', alternateusername: 'app_clone' }],
  ])('of which a first username ends in _clone is told by AWSPREVIOUS, if that is %s', async (_, previous) => {
    expect(await names({ username: 'app_clone' }, previous)).toEqual({ base: 'app', twin: 'app_clone' });
  });

  test.each<[string, object, object | undefined]>([
    ['there is no AWSPREVIOUS', { username: 'app_clone' }, undefined],
    ['AWSPREVIOUS has the same user', { username: 'app_clone' }, { username: 'app_clone' }],
    ['AWSPREVIOUS has another user', { username: 'app_clone' }, { username: 'other' }],
    ['AWSPREVIOUS has another server', { username: 'app_clone' }, { username: 'app', host: 'elsewhere' }],
    ['AWSPREVIOUS has another port', { username: 'app_clone' }, { username: 'app', port: 1 }],
    ['only the twin is named', { username: 'app_b', alternateusername: 'app_b' }, undefined],
  ])('cannot be told from its twin where %s', async (_, current, previous) => {
    await expect(names(current, previous)).rejects.toMatchObject({
      name: 'PairError',
      message: expect.stringMatching(
        /Whether the user "app_(clone|b)" is the base or the twin cannot be told.*"baseusername" and "alternateusername"/,
      ),
    });
  });

  test('of one user twice is refused', async () => {
    const keys = { username: 'a', baseusername: 'a', alternateusername: 'a' };
    await expect(names(keys)).rejects.toThrow('"baseusername" and "alternateusername" are the same user');
  });

  test('that username does not belong to is refused, all three keys named', async () => {
    const keys = { username: 'c', baseusername: 'a', alternateusername: 'b' };
    await expect(names(keys)).rejects.toThrow(
      'The secret\'s "username" is neither the base "a" nor the twin "b": correct "username", "baseusername" or "alternateusername".',
    );
  });
});

describe('a twin’s name', () => {
  test('has room for _clone behind 57 bytes', async () => {
    const username = `${'é'.repeat(28)}x`;
    expect(await names({ username })).toEqual({ base: username, twin: `${username}_clone` });
  });

  test.each([58, 63])(
    'that would be cut, of a base of %i bytes, is refused unless the secret gives one',
    async (bytes) => {
      const username = 'x'.repeat(bytes);
      await expect(names({ username })).rejects.toMatchObject({
        name: 'PairError',
        message: expect.stringMatching(
          /^The twin's name "x+_clone" is longer than 63 bytes.*give another in the secret's key "alternateusername"\.$/,
        ),
      });
      expect(await names({ username, alternateusername: 'app_b' })).toEqual({ base: username, twin: 'app_b' });
    },
  );
});

test('the other of two is the one that is not active', () => {
  expect(otherOf({ base: 'a', twin: 'b' }, 'a')).toBe('b');
  expect(otherOf({ base: 'a', twin: 'b' }, 'b')).toBe('a');
});
