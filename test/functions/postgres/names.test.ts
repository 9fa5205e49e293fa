import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { postgres } from '../../../functions/postgres/engine.ts';
import { UserNameError } from '../../../shared/errors.ts';
import { Secret } from '../../../shared/secret.ts';
import { parseSecret } from '../../../shared/secret-value.ts';
import { describeServers } from '../../servers.ts';
import { change, newRole, outcome, session } from './support.ts';

/** PostgreSQL's own limit, in bytes. */
const LONGEST = 63;

/** Characters that quoting, folding, cutting or variables could trip over. */
const character = fc.oneof(
  fc.constantFrom(
    ...`aZ09 _-.$%'"\\\`;,:()[]{}<>|&!?*#@=+~^/\n\r\t`,
    'é',
    'ß',
    'İ',
    '名',
    '\u{1f511}',
    '\u0301',
    '\u202e',
  ),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
);
const odd = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom('$user', 'current_user', 'CURRENT_USER', 'session_user', 'user', 'role') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('x'.repeat(LONGEST), 'é'.repeat(31), '"'.repeat(LONGEST), "'; DROP ROLE x; --"),
  },
  { weight: 6, arbitrary: fc.string({ unit: character, minLength: 1, maxLength: LONGEST, size: 'max' }) },
);
// Reserved by PostgreSQL, or there already.
const username = odd.filter(
  (name) => postgres.usernameProblem(name, 'postgres') === undefined && !/^(pg_|(public|none|postgres)$)/.test(name),
);

const { alphabet, longest } = postgres.password;
const password = fc
  .oneof(
    fc.string({ unit: fc.constantFrom(...alphabet), minLength: 8, maxLength: 64 }),
    fc.string({ unit: fc.constantFrom(...alphabet), minLength: longest, maxLength: longest }),
    fc.constant(alphabet),
  )
  .map((text) => new Secret(text));

describeServers('postgres', 'any name and any password', (server) => {
  test('may be created, logs in, changes its password, and then logs in with the new one only', async () => {
    const roundTrip = async (name: string, from: Secret, to: Secret) => {
      fc.pre(!from.equals(to));
      await using role = await newRole(server, { username: name, password: from.reveal() });
      {
        await using own = await session(server, role);
        await change(own.session, from, to);
      }
      expect(await outcome(server, role, to)).toBe('accepted');
      expect(await outcome(server, role, from)).toBe('refused');
    };

    // fast-check prints the seed and the smallest case that fails.
    await fc.assert(fc.asyncProperty(username, password, password, roundTrip), { numRuns: 40 });
  });

  test('is refused as a whole where the server would cut it to somebody else’s', async () => {
    const short = 'n'.repeat(LONGEST);
    const long = `${short}_clone`;
    await using role = await newRole(server, { username: short });
    const from = { username: long, password: role.password };
    // The danger is real: the server takes the one for the other.
    expect(await outcome(server, from, role.password)).toBe('accepted');

    const text = new Secret(JSON.stringify({ engine: 'postgres', host: 'h', username: long, password: 'p' }));
    expect(() => parseSecret({ text, called: 'AWSCURRENT' }, postgres)).toThrow(UserNameError);
  });
});

test('a name is refused if it is too long or has a NUL, and only then', () => {
  const longest = fc.string({ unit: 'binary', minLength: 1, maxLength: 100, size: 'max' });
  fc.assert(
    fc.property(longest, (name) => {
      const fits = Buffer.byteLength(name) <= LONGEST && !name.includes('\0');
      expect(postgres.usernameProblem(name, 'postgres') === undefined).toBe(fits);
    }),
  );
  expect(postgres.usernameProblem('a\0b', 'postgres')).toMatch(/NUL/);
});
