/** Whatever the server's sql_mode makes of quotes and backslashes, the password that is set is the one that was meant. */
import { setTimeout as sleep } from 'node:timers/promises';
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
    ['init_connect that lets no row through', 'init_connect', "'SET SESSION sql_select_limit = 0'"],
    ['init_connect that lets ten rows be looked at', 'init_connect', "'SET SESSION max_join_size = 10'"],
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

  test('is set by a session that reads all there is, what others have committed since, and waits for the lock', async () => {
    const bench = over('clear text');
    await using admin = await bench.admin();
    const time = isMariaDb ? 'max_statement_time = 0.05' : 'max_execution_time = 50';
    await using _setting = await setting('init_connect', `"SET SESSION sql_select_limit = 1, autocommit = 0, ${time}"`);
    await using one = await bench.session(admin);
    await using other = await bench.session(admin);
    const { rows } = one as unknown as MySqlSession;
    const users = async () => (await rows.call(one, 'SELECT user FROM mysql.user')).length;

    const before = await users();
    expect(await rows.call(one, 'SELECT 1 UNION SELECT 2')).toHaveLength(2);
    await using _user = await bench.user();
    expect(await users()).toBe(before + 1);

    const account = { username: unique('locked'), realm: '%' };
    const held = bench.engine.exclusively(one, account, () => sleep(300));
    await sleep(50);
    expect(await bench.engine.exclusively(other, account, async () => 'alone')).toBe('alone');
    await held;
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
