/** What the comparison of base and twin makes of the servers' answers. That these are read right is shown on servers. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Description, Options } from '../../../../functions/mysql/description.ts';
import { differencesIn, type MySqlDifference } from '../../../../functions/mysql/differences.ts';
import { grantsIn } from '../../../../functions/mysql/grants.ts';

const OPTIONS: Options = {
  requirement: 'REQUIRE NONE',
  limits: ['MAX_QUERIES_PER_HOUR 0', 'MAX_USER_CONNECTIONS 0'],
  passwords: ['PASSWORD EXPIRE DEFAULT', 'PASSWORD HISTORY DEFAULT'],
};

function described(username: string, lines: readonly string[], changed: Partial<Description> = {}): Description {
  return {
    account: { username, realm: '%' },
    grants: grantsIn(lines),
    options: OPTIONS,
    defaultRoles: [],
    plugin: 'caching_sha2_password',
    isLocked: false,
    ...changed,
  };
}

/** `@` stands for the account. */
const linesOf = (username: string, lines: readonly string[]) =>
  lines.map((line) => line.replace(/(?<= (?:TO|FROM) )@/, `\`${username}\`@\`%\``));

function seen(base: readonly string[], twin: readonly string[], isMariaDb = false): MySqlDifference[] {
  return differencesIn(
    described('app', linesOf('app', base)),
    described('app_clone', linesOf('app_clone', twin)),
    isMariaDb,
  );
}
const statements = (base: readonly string[], twin: readonly string[], isMariaDb = false) =>
  seen(base, twin, isMariaDb).map(({ kind, what, statements: all }) => [kind, what, ...all]);

const TWIN = "'app_clone'@'%'";

describe('of rights', () => {
  test.each<[string, string[], string[], string[][]]>([
    ['none, where both hold the same', ['GRANT SELECT ON `d`.* TO @'], ['GRANT SELECT ON `d`.* TO @'], []],
    [
      'what the base holds alone is given',
      ['GRANT SELECT, INSERT ON `d`.* TO @'],
      ['GRANT SELECT ON `d`.* TO @'],
      [['less', 'INSERT on `d`.*', `GRANT INSERT ON \`d\`.* TO ${TWIN}`]],
    ],
    [
      'what the twin holds alone is taken',
      ['GRANT SELECT ON `d`.* TO @'],
      ['GRANT SELECT, INSERT ON `d`.* TO @'],
      [['more', 'INSERT on `d`.*', `REVOKE INSERT ON \`d\`.* FROM ${TWIN}`]],
    ],
    [
      'GRANT OPTION comes with what is given',
      ['GRANT SELECT, INSERT ON `d`.* TO @ WITH GRANT OPTION'],
      ['GRANT SELECT ON `d`.* TO @'],
      [['less', 'INSERT, GRANT OPTION on `d`.*', `GRANT INSERT ON \`d\`.* TO ${TWIN} WITH GRANT OPTION`]],
    ],
    [
      'GRANT OPTION alone is given',
      ['GRANT SELECT ON `d`.* TO @ WITH GRANT OPTION'],
      ['GRANT SELECT ON `d`.* TO @'],
      [['less', 'GRANT OPTION on `d`.*', `GRANT USAGE ON \`d\`.* TO ${TWIN} WITH GRANT OPTION`]],
    ],
    [
      'GRANT OPTION is taken by itself, as with a dynamic privilege MySQL takes neither',
      ['GRANT SELECT ON *.* TO @'],
      ['GRANT SELECT, FILE ON *.* TO @ WITH GRANT OPTION'],
      [
        [
          'more',
          'FILE, GRANT OPTION on *.*',
          `REVOKE FILE ON *.* FROM ${TWIN}`,
          `REVOKE GRANT OPTION ON *.* FROM ${TWIN}`,
        ],
      ],
    ],
    [
      'nothing is missing beside all',
      ['GRANT SELECT, INSERT ON `d`.* TO @'],
      ['GRANT ALL PRIVILEGES ON `d`.* TO @'],
      [
        [
          'more',
          'ALL PRIVILEGES on `d`.*',
          `REVOKE ALL PRIVILEGES ON \`d\`.* FROM ${TWIN}`,
          `GRANT SELECT, INSERT ON \`d\`.* TO ${TWIN}`,
        ],
      ],
    ],
    [
      'nothing is too much below all',
      ['GRANT ALL PRIVILEGES ON `d`.* TO @'],
      ['GRANT SELECT, INSERT ON `d`.* TO @'],
      [['less', 'ALL PRIVILEGES on `d`.*', `GRANT ALL PRIVILEGES ON \`d\`.* TO ${TWIN}`]],
    ],
    [
      'a privilege on columns is its own',
      ['GRANT SELECT (`a`, `b`) ON `d`.`t` TO @'],
      ['GRANT SELECT (`b`, `c`) ON `d`.`t` TO @'],
      [
        ['less', 'SELECT (`a`) on `d`.`t`', `GRANT SELECT (\`a\`) ON \`d\`.\`t\` TO ${TWIN}`],
        ['more', 'SELECT (`c`) on `d`.`t`', `REVOKE SELECT (\`c\`) ON \`d\`.\`t\` FROM ${TWIN}`],
      ],
    ],
    [
      'columns are given again after the table’s is taken, with which theirs go',
      ['GRANT SELECT (`a`) ON `d`.`t` TO @'],
      ['GRANT SELECT, SELECT (`a`) ON `d`.`t` TO @'],
      [
        [
          'more',
          'SELECT on `d`.`t`',
          `REVOKE SELECT ON \`d\`.\`t\` FROM ${TWIN}`,
          `GRANT SELECT (\`a\`) ON \`d\`.\`t\` TO ${TWIN}`,
        ],
      ],
    ],
    [
      'what the base holds on more is not too much, and goes',
      ['GRANT SELECT, INSERT ON `d`.* TO @'],
      ['GRANT SELECT, INSERT ON `d`.* TO @', 'GRANT SELECT ON `d`.`t` TO @', 'GRANT SELECT, DELETE ON `d`.`u` TO @'],
      [
        ['setting', 'SELECT on `d`.`t`', `REVOKE SELECT ON \`d\`.\`t\` FROM ${TWIN}`],
        ['more', 'SELECT, DELETE on `d`.`u`', `REVOKE SELECT, DELETE ON \`d\`.\`u\` FROM ${TWIN}`],
      ],
    ],
    [
      'a dynamic privilege is given',
      ['GRANT ROLE_ADMIN ON *.* TO @ WITH GRANT OPTION'],
      ['GRANT ROLE_ADMIN ON *.* TO @'],
      [['less', 'ROLE_ADMIN on *.* WITH GRANT OPTION', `GRANT ROLE_ADMIN ON *.* TO ${TWIN} WITH GRANT OPTION`]],
    ],
    [
      'a dynamic privilege that may be granted on is taken, and given without that',
      ['GRANT ROLE_ADMIN ON *.* TO @'],
      ['GRANT ROLE_ADMIN ON *.* TO @ WITH GRANT OPTION'],
      [
        [
          'more',
          'ROLE_ADMIN on *.* WITH GRANT OPTION',
          `REVOKE ROLE_ADMIN ON *.* FROM ${TWIN}`,
          `GRANT ROLE_ADMIN ON *.* TO ${TWIN}`,
        ],
      ],
    ],
    [
      'a partial revoke that the twin lacks is a right too much',
      ['GRANT INSERT ON *.* TO @', 'REVOKE INSERT ON `mysql`.* FROM @'],
      ['GRANT INSERT ON *.* TO @'],
      [['more', 'INSERT on `mysql`.*', `REVOKE INSERT ON \`mysql\`.* FROM ${TWIN}`]],
    ],
    [
      'a partial revoke that the base lacks is a right too few',
      ['GRANT INSERT ON *.* TO @'],
      ['GRANT INSERT ON *.* TO @', 'REVOKE INSERT ON `mysql`.* FROM @'],
      [['less', 'INSERT on `mysql`.*', `GRANT INSERT ON \`mysql\`.* TO ${TWIN}`]],
    ],
    [
      'a partial revoke comes at once with the privilege',
      ['GRANT INSERT, SELECT ON *.* TO @', 'REVOKE INSERT ON `mysql`.* FROM @', 'REVOKE DELETE ON `sys`.* FROM @'],
      [],
      [
        [
          'less',
          'INSERT, SELECT on *.*',
          `GRANT INSERT, SELECT ON *.* TO ${TWIN}`,
          `REVOKE INSERT ON \`mysql\`.* FROM ${TWIN}`,
        ],
      ],
    ],
    [
      'a partial revoke goes with the privilege, and gives no right before',
      [],
      ['GRANT INSERT ON *.* TO @', 'REVOKE INSERT ON `mysql`.* FROM @'],
      [['more', 'INSERT on *.*', `REVOKE INSERT ON *.* FROM ${TWIN}`]],
    ],
    [
      'PROXY',
      ['GRANT PROXY ON `x`@`%` TO @'],
      ['GRANT PROXY ON `y`@`%` TO @'],
      [
        ['less', 'PROXY on `x`@`%`', `GRANT PROXY ON \`x\`@\`%\` TO ${TWIN}`],
        ['more', 'PROXY on `y`@`%`', `REVOKE PROXY ON \`y\`@\`%\` FROM ${TWIN}`],
      ],
    ],
    [
      'roles',
      ['GRANT `r`@`%` TO @', 'GRANT `s`@`%` TO @ WITH ADMIN OPTION'],
      ['GRANT `t`@`%` TO @'],
      [
        ['less', 'the role `r`@`%`', `GRANT \`r\`@\`%\` TO ${TWIN}`],
        ['less', 'the role `s`@`%` WITH ADMIN OPTION', `GRANT \`s\`@\`%\` TO ${TWIN} WITH ADMIN OPTION`],
        ['more', 'the role `t`@`%`', `REVOKE \`t\`@\`%\` FROM ${TWIN}`],
      ],
    ],
    [
      'the base as a role of the twin is no right, and goes',
      [],
      ['GRANT `app`@`%` TO @'],
      [['setting', 'the role `app`@`%`', `REVOKE \`app\`@\`%\` FROM ${TWIN}`]],
    ],
  ])('%s', (_, base, twin, expected) => {
    expect(statements(base, twin)).toEqual(expected);
  });

  test.each([
    [false, `GRANT \`r\` TO ${TWIN}`],
    [true, `REVOKE ADMIN OPTION FOR \`r\` FROM ${TWIN}`],
  ])('ADMIN OPTION is taken as the product has it', (isMariaDb, statement) => {
    expect(statements(['GRANT `r` TO @'], ['GRANT `r` TO @ WITH ADMIN OPTION'], isMariaDb)).toEqual([
      ['more', 'the role `r` WITH ADMIN OPTION', statement],
    ]);
  });

  test('people are told both ways out of what the twin holds alone, and the one for what it lacks', () => {
    const [less, more] = seen(
      ['GRANT SELECT ON `d`.`t` TO @ WITH GRANT OPTION'],
      ['GRANT INSERT ON `d`.`t` TO @ WITH GRANT OPTION'],
    );
    expect(less?.remedies).toEqual([`GRANT SELECT ON \`d\`.\`t\` TO ${TWIN}`]);
    expect(more?.remedies).toEqual([
      "GRANT INSERT ON `d`.`t` TO 'app'@'%'",
      `REVOKE INSERT ON \`d\`.\`t\` FROM ${TWIN}`,
    ]);
    expect(less?.cure("'admin'@'%'")).toBe("GRANT SELECT ON `d`.`t` TO 'admin'@'%' WITH GRANT OPTION");
  });

  test('a table that is gone needs CREATE beside, for a moment; its columns cannot be had', () => {
    const [table] = seen(['GRANT SELECT ON `d`.`t` TO @'], []);
    expect(table?.ifGone?.statements).toEqual([
      `GRANT CREATE, SELECT ON \`d\`.\`t\` TO ${TWIN}`,
      `REVOKE CREATE ON \`d\`.\`t\` FROM ${TWIN}`,
    ]);
    const [column] = seen(['GRANT SELECT (`a`) ON `d`.`t` TO @'], []);
    expect(column?.ifGone).toEqual({ statements: [], remedy: "REVOKE SELECT (`a`) ON `d`.`t` FROM 'app'@'%'" });
  });

  test('a line that cannot be read is a difference that only a person can settle', () => {
    expect(statements(['BESTOW SELECT ON *.* TO @'], [])).toEqual([
      ['less', "1 lines that this function cannot read in SHOW GRANTS FOR 'app'@'%'"],
    ]);
    expect(statements([], ['BESTOW SELECT ON *.* TO @'])).toEqual([
      ['more', "1 lines that this function cannot read in SHOW GRANTS FOR 'app_clone'@'%'"],
    ]);
  });
});

describe('of options', () => {
  const of = (base: Partial<Description>, twin: Partial<Description>, isMariaDb = false) =>
    differencesIn(described('app', [], base), described('app_clone', [], twin), isMariaDb).map(
      ({ kind, what, statements: all }) => [kind, what, ...all],
    );

  test('what differs comes in one statement, in the order of the grammar', () => {
    const options = {
      requirement: "REQUIRE SUBJECT '/CN=a\\'b' AND CIPHER 'x'",
      limits: ['MAX_QUERIES_PER_HOUR 5', 'MAX_USER_CONNECTIONS 0'],
      passwords: ['PASSWORD EXPIRE NEVER', 'PASSWORD HISTORY DEFAULT'],
    };
    const clauses = "REQUIRE SUBJECT '/CN=a\\'b' AND CIPHER 'x' WITH MAX_QUERIES_PER_HOUR 5 PASSWORD EXPIRE NEVER";
    expect(of({ options }, {})).toEqual([['setting', clauses, `ALTER USER ${TWIN} ${clauses}`]]);
    expect(of({ options }, { options })).toEqual([]);
  });

  test('neither lock, expiry nor plugin is copied', () => {
    expect(of({ isLocked: true, barred: 'is locked', plugin: 'sha256_password' }, {})).toEqual([]);
  });

  test('default roles are rights: a session begins with them', () => {
    const [r, s] = ['`r`@`%`', '`s`@`%`'];
    expect(of({ defaultRoles: [r, s] }, { defaultRoles: [r] })).toEqual([
      ['less', `the default role ${s}`, `SET DEFAULT ROLE ${r}, ${s} TO ${TWIN}`],
    ]);
    expect(of({}, { defaultRoles: [r] })).toEqual([
      ['more', `the default role ${r}`, `SET DEFAULT ROLE NONE TO ${TWIN}`],
    ]);
    expect(of({}, { defaultRoles: ['`r`'] }, true)).toEqual([
      ['more', 'the default role `r`', `SET DEFAULT ROLE NONE FOR ${TWIN}`],
    ]);
  });

  test('another default role is one too few and one too many', () => {
    const [r, s] = ['`r`@`%`', '`s`@`%`'];
    expect(of({ defaultRoles: [r] }, { defaultRoles: [s] })).toEqual([
      ['less', `the default role ${r}`, `SET DEFAULT ROLE ${r}, ${s} TO ${TWIN}`],
      ['more', `the default role ${s}`, `SET DEFAULT ROLE ${r} TO ${TWIN}`],
    ]);
    expect(of({ defaultRoles: ['`r`'] }, { defaultRoles: ['`s`'] }, true)).toEqual([
      ['less', 'the default role `r`', `SET DEFAULT ROLE \`r\` FOR ${TWIN}`],
      ['more', 'the default role `s`', `SET DEFAULT ROLE \`r\` FOR ${TWIN}`],
    ]);
  });
});

/** What a server makes of the statements; its own words are the lines. */
class Holder {
  readonly #levels = new Map<string, Set<string>>();
  readonly #others = new Map<string, boolean>();

  constructor(levels: Record<string, readonly string[]>, others: Record<string, boolean>) {
    for (const [object, privileges] of Object.entries(levels)) this.#levels.set(object, new Set(privileges));
    for (const [name, option] of Object.entries(others)) this.#others.set(name, option);
  }

  run(statement: string): void {
    const [, verb, names = '', object, withOption] =
      /^(GRANT|REVOKE) (.*?)(?: ON (.*))? (?:TO|FROM) '.*?'( WITH \w+ OPTION)?$/.exec(statement) ?? [];
    const listed = names.split(/, (?![^(]*\))/);
    if (object === undefined || names.includes('_')) {
      for (const name of listed)
        if (verb === 'REVOKE') this.#others.delete(name);
        else
          this.#others.set(name, withOption !== undefined || (object !== undefined && this.#others.get(name) === true));
      return;
    }
    const held = this.#levels.get(object) ?? new Set();
    this.#levels.set(object, held);
    if (verb === 'GRANT') {
      for (const name of [...listed, ...(withOption ? ['GRANT OPTION'] : [])]) if (name !== 'USAGE') held.add(name);
    } else
      for (const name of listed)
        for (const each of [...held])
          if (each === name || each.startsWith(`${name} (`) || (name === 'ALL PRIVILEGES' && each !== 'GRANT OPTION'))
            held.delete(each);
  }

  get lines(): string[] {
    const rights = [...this.#levels].map(([object, held]) => {
      const all = held.has('ALL PRIVILEGES');
      const names = [...held].filter((name) => name !== 'GRANT OPTION' && (!all || /^ALL|\(/.test(name)));
      return `GRANT ${names.join(', ') || 'USAGE'} ON ${object} TO @${held.has('GRANT OPTION') ? ' WITH GRANT OPTION' : ''}`;
    });
    const others = [...this.#others].map(([name, option]) => {
      const [on, kind] = name.startsWith('`') ? ['', 'ADMIN'] : [' ON *.*', 'GRANT'];
      return `GRANT ${name}${on} TO @${option ? ` WITH ${kind} OPTION` : ''}`;
    });
    return [...rights, ...others];
  }
}

const ON_TABLES = ['SELECT', 'INSERT', 'SELECT (`a`)', 'SELECT (`b, c`)', 'ALL PRIVILEGES', 'GRANT OPTION'];
const ON_DATABASES = ['SELECT', 'CREATE VIEW', 'ALL PRIVILEGES', 'GRANT OPTION'];
const holder = fc
  .record({
    levels: fc.record(
      {
        '*.*': fc.subarray(ON_DATABASES),
        '`d`.*': fc.subarray(ON_DATABASES),
        '`d\\_%``x`.*': fc.subarray(ON_DATABASES),
        '`d`.`t`': fc.subarray(ON_TABLES),
        'PROCEDURE `d`.`p`': fc.subarray(['EXECUTE', 'GRANT OPTION']),
      },
      { requiredKeys: [] },
    ),
    others: fc.dictionary(fc.constantFrom('ROLE_ADMIN', 'CLONE_ADMIN', '`r`@`%`', '`s``x`@`%`'), fc.boolean()),
  })
  .map(({ levels, others }) => new Holder(levels as Record<string, string[]>, others));

test('whatever both hold: what differs, done in the order of the strategy, leaves no difference', () => {
  fc.assert(
    fc.property(holder, holder, (base, twin) => {
      for (const kind of ['less', 'setting', 'more'])
        for (const difference of seen(base.lines, twin.lines).filter((each) => each.kind === kind))
          for (const statement of difference.statements) twin.run(statement);
      expect(seen(base.lines, twin.lines)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test('whatever both hold: after any of the statements the next attempt leaves no difference either', () => {
  fc.assert(
    fc.property(holder, holder, fc.nat(12), (base, twin, count) => {
      const all = seen(base.lines, twin.lines).flatMap((difference) => difference.statements);
      for (const statement of all.slice(0, count)) twin.run(statement);
      for (const kind of ['less', 'setting', 'more'])
        for (const difference of seen(base.lines, twin.lines).filter((each) => each.kind === kind))
          for (const statement of difference.statements) twin.run(statement);
      expect(seen(base.lines, twin.lines)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test('whatever both hold: additions take nothing, and what is to go is what the base lacks', () => {
  fc.assert(
    fc.property(holder, holder, (base, twin) => {
      const found = seen(base.lines, twin.lines);
      for (const { kind, statements: all } of found)
        if (kind === 'less') for (const statement of all) expect(statement).toMatch(/^GRANT /);
      const lacking = seen(twin.lines, base.lines).filter(({ kind }) => kind === 'less');
      const excess = found.filter(({ kind }) => kind !== 'less');
      expect(excess.map(({ what }) => what).sort()).toEqual(lacking.map(({ what }) => what).sort());
    }),
  );
});
