/** Any name and any password is used as it is, or refused as a whole. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Secret } from '../../../shared/core/secret.ts';
import { UserNameError } from '../../../shared/database/errors.ts';
import { parseSecret } from '../../../shared/database/secret-value.ts';
import { type Bench, testNone } from '../bench.ts';
import { isNone } from '../subject.ts';
import { newPassword, unique } from '../unique.ts';

/** What quoting, folding, cutting, patterns or variables could trip over. */
const CHARACTERS = [...`aZ09 _-.$%'"\\\`;,:()[]{}<>|&!?*#@=+~^/\n\r\t`, 'é', 'ß', 'İ', '名', '\u0301', '\u202e'];

const RUNS = 12;

export function names(bench: Bench): void {
  const { engine, subject } = bench;
  const { longestName } = subject;
  const isUsable = (name: string) =>
    engine.usernameProblem(name, subject.engineKey) === undefined && !subject.isReserved(name);

  const character = fc
    .oneof(
      fc.constantFrom(...CHARACTERS, ...subject.nameCharacters),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
    )
    .filter((each) => isUsable(`a${each}a`));
  const name = fc
    .oneof(
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '$user',
          'current_user',
          'CURRENT_USER()',
          'session_user',
          'user',
          'role',
          'root@%',
          "x'@'%",
          "'; DROP ROLE x; --",
          longestName.unit.repeat(longestName.length),
          '"'.repeat(longestName.length),
          "'".repeat(longestName.length),
          '\\'.repeat(longestName.length),
        ),
      },
      {
        weight: 6,
        arbitrary: fc.string({ unit: character, minLength: 1, maxLength: longestName.length, size: 'max' }),
      },
    )
    .filter(isUsable);

  const { alphabet, longest } = engine.password;
  const ofRotation = fc.oneof(
    fc.string({ unit: fc.constantFrom(...alphabet), minLength: 8, maxLength: 64 }),
    fc.string({ unit: fc.constantFrom(...alphabet), minLength: longest, maxLength: longest }),
    fc.constant(alphabet),
  );
  // AWSCURRENT's may be anybody's choice, and may have to be set again.
  const ofPeople = fc
    .string({ unit: fc.constantFrom(...CHARACTERS), minLength: 1, maxLength: 40 })
    .map((text) => `${text}${unique('')}`)
    .filter(subject.canBeSent);
  const password = fc.oneof(ofRotation, ofPeople).map((text) => new Secret(text));

  test('may be a user’s, who logs in, changes its password, and then logs in with the new one only', async () => {
    const roundTrip = async (username: string, from: Secret, to: Secret) => {
      fc.pre(!from.equals(to));
      await using user = await bench.user({ username, password: from.reveal() });
      {
        await using own = await bench.session(user);
        expect(own.account).toEqual({ username, realm: subject.realm });
        expect(await bench.change(own, from, to)).toBe('set');
      }
      await bench.expectChanged(user, to);
    };

    // fast-check prints the seed and the smallest case that fails.
    await fc.assert(fc.asyncProperty(name, password, password, roundTrip), { numRuns: RUNS });
  });

  test('may be a user’s, whose password an admin sets', async () => {
    const byAdmin = engine.byAdmin(subject.engineKey);
    if ('unsupported' in byAdmin) return;
    await using admin = await bench.admin();
    await using session = await bench.session(admin);
    const set = async (username: string, to: Secret) => {
      const from = newPassword();
      await bench.users.createUser({ username, password: from.reveal() }, admin.username);
      await using user = {
        username,
        password: from,
        [Symbol.asyncDispose]: () => bench.users.dropUser(username),
      };
      const account = { username, realm: subject.realm };
      await engine.exclusively(session, account, () => byAdmin.setPassword(session, account, to));
      await bench.expectChanged(user, to);
    };

    await fc.assert(fc.asyncProperty(name, password, set), { numRuns: RUNS });
  });

  const { hasLongestName, takenForAnother } = subject;
  if (isNone(hasLongestName)) testNone('a name that is too long', hasLongestName);
  else
    test('is refused as a whole where the server would cut it to somebody else’s', async () => {
      const long = longestName.unit.repeat(longestName.length + 1);
      const text = new Secret(JSON.stringify({ engine: subject.engineKey, host: 'h', username: long, password: 'p' }));

      expect(() => parseSecret({ text, called: 'AWSCURRENT' }, engine)).toThrow(UserNameError);
    });

  if (isNone(takenForAnother)) testNone('a name that is taken for another one’s at login', takenForAnother);
  else
    test('is refused where the server would take it for another one’s at login', async () => {
      const { username, others } = takenForAnother();
      await using user = await bench.user({ username });
      for (const other of others) {
        expect(engine.usernameProblem(other, subject.engineKey)).toMatch(/./);
        // The danger is real: the password is right for the one and the other.
        expect(await bench.outcome({ username: other }, user.password)).not.toBe('refused');
      }
    });

  test('is refused with a NUL in it, which ends a name where it is sent', () => {
    expect(engine.usernameProblem('a\0b', subject.engineKey)).toMatch(/NUL/);
  });

  test('is not another’s that differs in case, in what a pattern means, or in an accent', async () => {
    const base = unique();
    await using user = await bench.user({ username: `${base}_e` });
    const to = newPassword();
    {
      await using cleanUp = new AsyncDisposableStack();
      const likes = [`${base.toUpperCase()}_E`, `${base}%`, `${base}xe`, `${base}_é`];
      const others = [];
      for (const username of likes) others.push(cleanUp.use(await bench.user({ username })));
      await using own = await bench.session(user);

      await bench.change(own, user.password, to);

      for (const other of others) await bench.expectUnchanged(other, to);
    }
    await bench.expectChanged(user, to);
  });
}
