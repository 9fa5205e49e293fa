import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { scramVerifier } from '../../../../functions/postgres/scram.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { describeServers, type SharedServer } from '../../../servers.ts';
import { newRole, outcome, sql } from './support.ts';

const hasPsql = await promisify(execFile)('psql', ['--version']).then(
  () => true,
  () => false,
);

/** Whether PostgreSQL's own client logs in. */
function psqlLogsIn(server: SharedServer, username: string, password: string): Promise<boolean> {
  const environment = { PGHOST: server.host, PGPORT: `${server.port}`, PGDATABASE: server.database, PGUSER: username };
  return promisify(execFile)('psql', ['-w', '-c', ''], {
    env: { ...process.env, ...environment, PGPASSWORD: password, PGCLIENTENCODING: 'UTF8' },
  }).then(
    () => true,
    () => false,
  );
}

const passwords: [string, string][] = [
  ['plain', 'simple-Password.123~'],
  ['one character', 'x'],
  ['the longest', 'aB3-'.repeat(128)],
  ['spaces and quotes', ` a 'b' "c" \\d `],
  ['letters with accents, composed', 'pässwörd'],
  ['letters with accents, decomposed', 'pa\u0308sswo\u0308rd'],
  ['Greek and Chinese', 'κωδικός密码'],
  ['a Roman numeral, which SASLprep spells out', 'Henry\u2168'],
  ['a no-break space, which SASLprep makes a space', 'no\u00a0break'],
  ['a soft hyphen, which SASLprep leaves out', 'soft\u00adhyphen'],
  ['an emoji, which SASLprep forbids', 'locked\u{1f512}'],
  ['a tab, which SASLprep forbids', 'tab\tbed'],
  ['both directions, which SASLprep forbids', 'שלוםabc'],
];
/** What SASLprep leaves nothing of is taken as it is by the server and psql; pg takes it for an empty password. */
const onlyForPsql: [string, string][] = [['nothing but a soft hyphen', '\u00ad']];

describeServers('postgres', 'a verifier', (server) => {
  test.each([...passwords, ...onlyForPsql])('is what the server would store: %s', async (name, password) => {
    await using plain = await newRole(server, { password });
    const verifier = await scramVerifier(plain.password);
    await using ours = await newRole(server, { password: verifier });

    const [stored] = await sql(
      server,
      `SELECT rolpassword FROM pg_authid WHERE rolname = ${pg.escapeLiteral(ours.username)}`,
    );
    expect(stored).toEqual({ rolpassword: verifier });
    for (const role of [plain, ours]) {
      if (passwords.some(([known]) => known === name))
        expect(await outcome(server, role, plain.password)).toBe('accepted');
      expect(await outcome(server, role, new Secret(`${password}x`))).toBe('refused');
      if (hasPsql) expect(await psqlLogsIn(server, role.username, password)).toBe(true);
    }
  });

  if (!hasPsql) test.skip('skipped: psql logs in, too (install psql)', () => {});
});

describe('a verifier', () => {
  test('has a salt of its own each time', async () => {
    const password = new Secret('the same');

    expect(await scramVerifier(password)).not.toBe(await scramVerifier(password));
  });
});
