/** SHOW GRANTS, read and said again. That the servers write it so is shown on them. */
import { describe, expect, test } from '@jest/globals';
import { type Grants, grant, grantsIn, isHeld, revoke } from '../../../../functions/mysql/grants.ts';
import { powerIn } from '../../../../functions/mysql/power.ts';

const HASH = '*6891F9D51EB5A38D1BB310DDBC6379A189A4F575';
const TO = 'TO `app`@`%`';

/** As plain values. */
const read = (...lines: string[]) => asPlain(grantsIn(lines));

function asPlain({ levels, dynamic, restrictions, roles, proxies, unread }: Grants) {
  return {
    levels: Object.fromEntries(
      [...levels].map(([object, { privileges, grantable }]) => [
        object,
        [...privileges, ...(grantable ? ['GRANT OPTION'] : [])],
      ]),
    ),
    dynamic: Object.fromEntries(dynamic),
    restrictions: Object.fromEntries([...restrictions].map(([object, names]) => [object, [...names]])),
    roles: Object.fromEntries(roles),
    proxies: Object.fromEntries(proxies),
    unread,
  };
}
const NOTHING = { levels: {}, dynamic: {}, restrictions: {}, roles: {}, proxies: {}, unread: 0 };

describe('SHOW GRANTS is read', () => {
  test.each<[string, string, Partial<ReturnType<typeof read>>]>([
    ['of an account without rights', `GRANT USAGE ON *.* ${TO}`, { levels: { '*.*': [] } }],
    ['on everything', `GRANT SELECT, SHOW DATABASES ON *.* ${TO}`, { levels: { '*.*': ['SELECT', 'SHOW DATABASES'] } }],
    [
      'on everything, to be granted on',
      `GRANT SELECT ON *.* ${TO} WITH GRANT OPTION`,
      { levels: { '*.*': ['SELECT', 'GRANT OPTION'] } },
    ],
    [
      'of MariaDB’s first line, without its hash and options',
      `GRANT SELECT, BINLOG ADMIN ON *.* ${TO} IDENTIFIED BY PASSWORD '${HASH}' REQUIRE ISSUER '/CN=a'b' SUBJECT '/CN= WITH GRANT OPTION' WITH MAX_QUERIES_PER_HOUR 5 MAX_STATEMENT_TIME 2.500000`,
      { levels: { '*.*': ['SELECT', 'BINLOG ADMIN'] } },
    ],
    [
      'of MariaDB’s first line with GRANT OPTION before the limits',
      `GRANT USAGE ON *.* ${TO} IDENTIFIED BY PASSWORD '${HASH}' WITH GRANT OPTION MAX_USER_CONNECTIONS -1 MAX_STATEMENT_TIME 2.500000`,
      { levels: { '*.*': ['GRANT OPTION'] } },
    ],
    [
      'of Aurora',
      `GRANT LOAD FROM S3, SELECT INTO S3 ON *.* ${TO}`,
      { levels: { '*.*': ['LOAD FROM S3', 'SELECT INTO S3'] } },
    ],
    [
      'dynamic',
      `GRANT ROLE_ADMIN,XA_RECOVER_ADMIN ON *.* ${TO}`,
      { dynamic: { ROLE_ADMIN: false, XA_RECOVER_ADMIN: false } },
    ],
    ['dynamic, to be granted on', `GRANT ROLE_ADMIN ON *.* ${TO} WITH GRANT OPTION`, { dynamic: { ROLE_ADMIN: true } }],
    [
      'of MariaDB, where a privilege of several words is none of MySQL’s dynamic ones',
      `GRANT READ_ONLY ADMIN ON *.* ${TO}`,
      { levels: { '*.*': ['READ_ONLY ADMIN'] } },
    ],
    ['on a database', `GRANT ALL PRIVILEGES ON \`d\`.* ${TO}`, { levels: { '`d`.*': ['ALL PRIVILEGES'] } }],
    [
      'on databases by a pattern, with odd characters',
      `GRANT INSERT ON \`a\\_b%\`\`.* TO \`\`x\`.* ${TO}`,
      { levels: { '`a\\_b%``.* TO ``x`.*': ['INSERT'] } },
    ],
    ['GRANT OPTION alone', `GRANT USAGE ON \`d\`.* ${TO} WITH GRANT OPTION`, { levels: { '`d`.*': ['GRANT OPTION'] } }],
    [
      'on a table and its columns',
      `GRANT SELECT, SELECT (\`id\`, \`n\`\`o, (te)\`), INSERT, UPDATE (\`id\`) ON \`d\`.\`t\` ${TO}`,
      {
        levels: {
          '`d`.`t`': ['SELECT', 'SELECT (`id`)', 'SELECT (`n``o, (te)`)', 'INSERT', 'UPDATE (`id`)'],
        },
      },
    ],
    [
      'on routines',
      `GRANT EXECUTE, ALTER ROUTINE ON FUNCTION \`d\`.\`f\` ${TO} WITH GRANT OPTION`,
      { levels: { 'FUNCTION `d`.`f`': ['EXECUTE', 'ALTER ROUTINE', 'GRANT OPTION'] } },
    ],
    [
      'on packages',
      `GRANT EXECUTE ON PACKAGE BODY \`d\`.\`p\` ${TO}`,
      { levels: { 'PACKAGE BODY `d`.`p`': ['EXECUTE'] } },
    ],
    [
      'of partial revokes',
      'REVOKE INSERT, UPDATE ON `mysql`.* FROM `app`@`%`',
      { restrictions: { '`mysql`.*': ['INSERT', 'UPDATE'] } },
    ],
    ['of roles', `GRANT \`r\`@\`%\`,\`s, t\`@\`h\` ${TO}`, { roles: { '`r`@`%`': false, '`s, t`@`h`': false } }],
    ['of roles WITH ADMIN OPTION', `GRANT \`r\`@\`%\` ${TO} WITH ADMIN OPTION`, { roles: { '`r`@`%`': true } }],
    ['of MariaDB’s roles', `GRANT \`r\` ${TO}`, { roles: { '`r`': false } }],
    ['of PROXY', `GRANT PROXY ON \`x\`@\`%\` ${TO} WITH GRANT OPTION`, { proxies: { '`x`@`%`': true } }],
    ['of PROXY by MariaDB 10.11', "GRANT PROXY ON 'x'@'%' TO 'app'@'%'", { proxies: { "'x'@'%'": false } }],
    ['but for default roles, which a table has', `SET DEFAULT ROLE \`r\` FOR \`app\`@\`%\``, {}],
    ['as far as it is known', `BESTOW SELECT ON *.* ${TO}`, { unread: 1 }],
    [
      'whatever the account is called',
      'GRANT SELECT ON `d`.* TO `a ``ON`` *.* TO ``b```@`h%`',
      { levels: { '`d`.*': ['SELECT'] } },
    ],
  ])('%s', (_, line, expected) => {
    expect(read(line)).toEqual({ ...NOTHING, ...expected });
  });

  test('of all holders that a session’s own answer has', () => {
    const lines = [
      `GRANT SELECT ON *.* ${TO} WITH GRANT OPTION`,
      'GRANT USAGE ON *.* TO `r`',
      'GRANT FILE ON *.* TO `r`',
    ];
    expect(read(...lines).levels).toEqual({ '*.*': ['SELECT', 'FILE', 'GRANT OPTION'] });
  });

  test('but for the lines of the roles in a role, with which MariaDB follows it', () => {
    const lines = [
      'GRANT `inner` TO `outer`',
      'GRANT CREATE USER ON *.* TO `outer` WITH GRANT OPTION',
      'GRANT SELECT ON `d`.* TO `outer`',
      'GRANT `inmost` TO `inner` WITH ADMIN OPTION',
      'GRANT USAGE ON *.* TO `inner`',
      'GRANT INSERT ON `d`.* TO `inner`',
    ];
    expect(asPlain(grantsIn(lines, '`outer`'))).toEqual({
      ...NOTHING,
      levels: { '*.*': ['CREATE USER', 'GRANT OPTION'], '`d`.*': ['SELECT'] },
      roles: { '`inner`': false },
    });
    expect(powerIn(grantsIn(lines, '`outer`'))).toBe('CREATE USER on *.*');
    expect(asPlain(grantsIn(lines)).levels).toEqual({
      '*.*': ['CREATE USER', 'GRANT OPTION'],
      '`d`.*': ['SELECT', 'INSERT'],
    });
  });

  test('and where no line is the holder’s, none is read', () => {
    expect(grantsIn([`GRANT SELECT ON *.* ${TO}`], '`other`@`%`').unread).toBe(1);
  });

  test('and nothing of it is a hash', () => {
    expect(
      JSON.stringify(read(`GRANT USAGE ON *.* ${TO} IDENTIFIED VIA ed25519 USING '${HASH}' OR unix_socket`)),
    ).not.toContain(HASH);
  });
});

test('statements say what was read', () => {
  expect(grant(['SELECT', 'UPDATE (`a`)'], '`d`.`t`', "'u'@'%'")).toBe(
    "GRANT SELECT, UPDATE (`a`) ON `d`.`t` TO 'u'@'%'",
  );
  expect(grant([], '`d`.*', "'u'@'%'", true)).toBe("GRANT USAGE ON `d`.* TO 'u'@'%' WITH GRANT OPTION");
  expect(revoke(['GRANT OPTION'], '`d`.*', "'u'@'%'")).toBe("REVOKE GRANT OPTION ON `d`.* FROM 'u'@'%'");
});

describe('an account is more than an application’s', () => {
  test.each([
    ['GRANT SUPER ON *.*', 'SUPER on *.*'],
    ['GRANT SELECT, CREATE USER ON *.*', 'CREATE USER on *.*'],
    ['GRANT SELECT, FILE ON *.*', 'FILE on *.*'],
    ['GRANT RELOAD ON *.*', 'RELOAD on *.*'],
    ['GRANT SHUTDOWN ON *.*', 'SHUTDOWN on *.*'],
    ['GRANT INSERT ON *.*', 'INSERT on *.*'],
    ['GRANT ALL PRIVILEGES ON *.*', 'ALL PRIVILEGES on *.*'],
    ['GRANT UPDATE ON `mysql`.*', 'UPDATE on `mysql`.*'],
    ['GRANT UPDATE ON `my%`.*', 'UPDATE on `my%`.*'],
    ['GRANT DELETE ON `mys_l`.*', 'DELETE on `mys_l`.*'],
    ['GRANT INSERT ON `%`.*', 'INSERT on `%`.*'],
    ['GRANT UPDATE (`a`) ON `mysql`.`user`', 'UPDATE (`a`) on `mysql`.`user`'],
    ['GRANT SELECT, EXECUTE ON *.*', 'EXECUTE on *.*'],
    ['GRANT EXECUTE ON `mysql`.*', 'EXECUTE on `mysql`.*'],
    ['GRANT EXECUTE ON PROCEDURE `mysql`.`rds_kill`', 'EXECUTE on PROCEDURE `mysql`.`rds_kill`'],
    ['GRANT SYSTEM_USER ON *.*', 'SYSTEM_USER on *.*'],
    ['GRANT ROLE_ADMIN ON *.*', 'ROLE_ADMIN on *.*'],
    ['GRANT SET_ANY_DEFINER ON *.*', 'SET_ANY_DEFINER on *.*'],
    ['GRANT CONNECTION_ADMIN ON *.*', 'CONNECTION_ADMIN on *.*'],
    ['GRANT UNHEARD_OF ON *.*', 'UNHEARD_OF on *.*'],
    ['GRANT PROXY ON `x`@`%`', 'PROXY on `x`@`%`'],
  ])('by %s', (granted, power) => {
    expect(powerIn(grantsIn([`${granted} ${TO}`]))).toBe(power);
  });

  test('by what cannot be read', () => {
    expect(powerIn(grantsIn([`BESTOW SELECT ON *.* ${TO}`]))).toMatch(/cannot read/);
  });

  test('by GRANT OPTION on everything, and by ADMIN OPTION', () => {
    expect(powerIn(grantsIn([`GRANT SELECT ON *.* ${TO} WITH GRANT OPTION`]))).toBe('GRANT OPTION on *.*');
    expect(powerIn(grantsIn([`GRANT \`r\` ${TO} WITH ADMIN OPTION`]))).toBe('ADMIN OPTION on the role `r`');
  });

  test.each([
    'GRANT USAGE ON *.*',
    'GRANT SELECT, PROCESS, SHOW DATABASES, LOCK TABLES, REPLICATION CLIENT ON *.*',
    'GRANT ALL PRIVILEGES ON `app`.*',
    'GRANT ALL PRIVILEGES ON `mysql\\_`.*',
    'GRANT ALL PRIVILEGES ON `m.sql`.*',
    'GRANT SELECT ON `mysql`.*',
    'GRANT EXECUTE ON `app`.*',
    'GRANT EXECUTE ON PROCEDURE `app`.`mysql`',
    'GRANT XA_RECOVER_ADMIN ON *.*',
    'GRANT `r`',
  ])('not by %s', (granted) => {
    expect(powerIn(grantsIn([`${granted} ${TO}`]))).toBeUndefined();
  });
});

describe('a right is held anyway', () => {
  test.each<[string, string, string, string[]]>([
    ['by the same one', '`d`.*', 'SELECT', ['SELECT ON `d`.*']],
    ['by all on the same', '`d`.*', 'SELECT', ['ALL PRIVILEGES ON `d`.*']],
    ['on a column by the table’s', '`d`.`t`', 'SELECT (`a`)', ['SELECT ON `d`.`t`']],
    ['on a column by the database’s', '`d`.`t`', 'SELECT (`a`)', ['SELECT ON `d`.*']],
    ['on a table by the database’s', '`d_x`.`t`', 'SELECT', ['SELECT ON `d\\_x`.*']],
    ['on a table by that of a pattern', '`d_x`.`t`', 'SELECT', ['SELECT ON `d%`.*']],
    ['on a routine by the database’s', 'PROCEDURE `d`.`p`', 'EXECUTE', ['EXECUTE ON `d`.*']],
    ['on a database by that on everything', '`d`.*', 'SELECT', ['SELECT ON *.*']],
  ])('%s', (_, object, privilege, granted) => {
    expect(isHeld(grantsIn(granted.map((each) => `GRANT ${each} ${TO}`)), object, privilege)).toBe(true);
  });

  test('to grant it by GRANT OPTION on more', () => {
    const held = grantsIn([`GRANT USAGE ON \`d\`.* ${TO} WITH GRANT OPTION`]);
    expect(isHeld(held, '`d`.`t`', 'GRANT OPTION')).toBe(true);
    expect(isHeld(held, '`e`.`t`', 'GRANT OPTION')).toBe(false);
  });

  test.each<[string, string, string, string[]]>([
    ['by another', '`d`.*', 'SELECT', ['INSERT ON `d`.*']],
    ['all by some', '`d`.*', 'ALL PRIVILEGES', ['INSERT ON `d`.*']],
    ['on a table by its columns’', '`d`.`t`', 'SELECT', ['SELECT (`a`) ON `d`.`t`']],
    ['by that on another database', '`dxx`.`t`', 'SELECT', ['SELECT ON `d\\_x`.*']],
    ['by that on a database in other letters', '`D`.`t`', 'SELECT', ['SELECT ON `d`.*']],
    ['where two patterns match, of which one counts', '`d`.`t`', 'SELECT', ['SELECT ON `d%`.*', 'INSERT ON `d`.*']],
    ['on a pattern by that of another', '`d%`.*', 'SELECT', ['SELECT ON `%`.*']],
  ])('but not %s', (_, object, privilege, granted) => {
    expect(isHeld(grantsIn(granted.map((each) => `GRANT ${each} ${TO}`)), object, privilege)).toBe(false);
  });

  test('but not by one on everything that is revoked in part', () => {
    const lines = [`GRANT SELECT ON *.* ${TO}`, 'REVOKE SELECT ON `d`.* FROM `app`@`%`'];
    expect(isHeld(grantsIn(lines), '`d`.*', 'SELECT')).toBe(false);
  });
});
