/** Whatever the server's sql_mode makes of quotes and backslashes, the password that is set is the one that was meant. */
import { expect, test } from '@jest/globals';
import type { MySqlSession } from '../../../../functions/mysql/session.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { newPassword, unique } from '../../../conformance/unique.ts';
import { describeOwnMySql } from './own.ts';

const ODD = ['a"b', "a'b", 'a\\b', "a\\'b", 'a\\', "';--", '\\"\n\r\t\x1a%_\\%\\_', 'ü名'];

await describeOwnMySql('a password', ({ isMariaDb, over, run, setting }) => {
  test.each([
    ['sql_mode = NO_BACKSLASH_ESCAPES', 'sql_mode', "'NO_BACKSLASH_ESCAPES'"],
    ['sql_mode = ANSI', 'sql_mode', "'ANSI,ANSI_QUOTES'"],
    ['sql_mode with both', 'sql_mode', "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'"],
    ['init_connect that sets it', 'init_connect', `"SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"`],
    ['init_connect that speaks latin1', 'init_connect', "'SET NAMES latin1'"],
    ['read-only transactions', isMariaDb ? 'tx_read_only' : 'transaction_read_only', '1'],
    ['another character set', 'character_set_server', "'latin1'"],
  ])('is set as it is, whatever is in it, under %s', async (_, name, value) => {
    const bench = over('clear text');
    await using users = new AsyncDisposableStack();
    // Made before, for root's own sessions begin with the same.
    const made = [];
    for (const odd of ODD)
      made.push({ odd, user: users.use(await bench.user({ username: unique(`n'"\\ü`).slice(0, 32) })) });
    const admin = users.use(await bench.admin());
    await using _setting = await setting(name, value);
    await using session = await bench.session(admin);
    const byAdmin = bench.engine.byAdmin(bench.subject.engineKey);
    if ('unsupported' in byAdmin) throw new TypeError(byAdmin.unsupported);

    for (const { odd, user } of made) {
      const [own, next, admins] = [`${odd}1`, `${odd}2`, `${odd}3`].map((text) => new Secret(unique(text))) as [
        Secret,
        Secret,
        Secret,
      ];
      {
        await using mine = await bench.session(user);
        expect(await bench.change(mine, user.password, own)).toBe('set');
        expect(await bench.change(mine, own, next)).toBe('set');
      }
      expect(await bench.outcome(user, next)).toBe('accepted');
      expect(await bench.outcome(user, own)).toBe('refused');
      const account = { username: user.username, realm: '%' };
      await bench.engine.exclusively(session, account, () => byAdmin.setPassword(session, account, admins));
      expect(await bench.outcome(user, admins)).toBe('accepted');
      expect(await bench.outcome(user, newPassword())).toBe('refused');
    }
  });

  test('is not done without: a right for an account that somebody has dropped makes none', async () => {
    const bench = over('clear text');
    await using admin = await bench.admin();
    await using session = await bench.session(admin);
    const gone = unique('gone');

    const grants = session as unknown as MySqlSession;
    await expect(grants.change(`GRANT SELECT ON *.* TO '${gone}'@'%'`)).rejects.toThrow('dropped an account');

    expect(await run('SELECT User FROM mysql.user WHERE User = ?', [gone])).toEqual([]);
  });
});
