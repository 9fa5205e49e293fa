/** What the comparison of base and twin makes of the server's catalogs. That the catalogs are read right is shown on a server. */
import { describe, expect, test } from '@jest/globals';
import { cureFor } from '../../../../functions/postgres/admin-rights.ts';
import type { Picture } from '../../../../functions/postgres/description.ts';
import { differencesIn } from '../../../../functions/postgres/differences.ts';
import type { Pair } from '../../../../shared/database/engine.ts';

const PAIR: Pair = { base: { username: 'app', realm: '' }, twin: { username: 'app_clone', realm: '' }, owner: 'arn' };

const ATTRIBUTES = {
  rolsuper: false,
  rolinherit: true,
  rolcreaterole: false,
  rolcreatedb: false,
  rolreplication: false,
  rolbypassrls: false,
  rolconnlimit: -1,
  rolvaliduntil: null,
};
const MEMBER = {
  role: 'app',
  grantor: 'admin',
  heldByBase: true,
  administeredByBase: false,
  options: { admin_option: false, inherit_option: true, set_option: true },
};
const CREATOR = {
  role: 'admin',
  grantor: 'postgres',
  options: { admin_option: true, inherit_option: false, set_option: false },
};
const ACTS_AS_BASE = { role: 'app_clone', database: '', entry: 'role=app' };

/** A twin in line with its base on PostgreSQL 18, but for what is given. The base may act as every role that is named. */
function picture(changed: Partial<Picture> = {}): Picture {
  const loginRoles = (changed.settings ?? [])
    .filter(({ role, entry }) => role === 'app' && entry.startsWith('role='))
    .map(({ database, entry }) => ({ role: entry.slice('role='.length), database, forAll: false }));
  return {
    database: 'postgres',
    actsAs: 'app',
    version: 180_001,
    roles: { app: ATTRIBUTES, app_clone: ATTRIBUTES },
    memberships: [MEMBER],
    members: [CREATOR],
    circle: null,
    settings: [ACTS_AS_BASE],
    loginRoles,
    holdings: [],
    ...changed,
  };
}

const seen = (changed: Partial<Picture>, user = 'admin') => differencesIn(picture(changed), PAIR, user);
const statements = (changed: Partial<Picture>) => seen(changed).map(({ kind, sql }) => [kind, sql]);

test('a twin that is in line differs in nothing, for the admin, the base and itself', () => {
  for (const user of ['admin', 'app', 'app_clone']) expect(seen({}, user)).toEqual([]);
});

describe('membership of the twin in the base', () => {
  const of = (options: Record<string, boolean>, more = {}) => ({ memberships: [{ ...MEMBER, options, ...more }] });

  test.each([
    [180_001, 'GRANT "app" TO "app_clone" WITH INHERIT TRUE, SET TRUE'],
    [160_000, 'GRANT "app" TO "app_clone" WITH INHERIT TRUE, SET TRUE'],
    [159_999, 'GRANT "app" TO "app_clone"'],
  ])('is granted in the grammar of %i if there is none', (version, sql) => {
    expect(statements({ version, memberships: [] })).toEqual([['less', sql]]);
  });

  test('that does not allow SET ROLE is none', () => {
    expect(statements(of({ admin_option: false, inherit_option: true, set_option: false }))).toEqual([
      ['less', 'GRANT "app" TO "app_clone" WITH INHERIT TRUE, SET TRUE'],
    ]);
  });

  test('may come from several grantors, of whom one allows SET ROLE and one is inherited from', () => {
    const without = (option: string) => ({ ...MEMBER, options: { ...MEMBER.options, [option]: false } });
    expect(seen({ memberships: [without('set_option'), { ...MEMBER, grantor: 'other' }] })).toEqual([]);
    expect(seen({ memberships: [without('set_option'), without('inherit_option')] })).toEqual([]);
  });

  test('that is not inherited is none: the twin logs in before it acts as the base', () => {
    expect(statements(of({ admin_option: false, inherit_option: false, set_option: true }))).toEqual([
      ['less', 'GRANT "app" TO "app_clone" WITH INHERIT TRUE, SET TRUE'],
    ]);
  });

  test('before PostgreSQL 16 has no options, and always allows it', () => {
    expect(seen({ ...of({ admin_option: false }), version: 150_000 })).toEqual([]);
  });

  test.each([
    [180_001, 'REVOKE ADMIN OPTION FOR "app" FROM "app_clone" GRANTED BY "admin"'],
    [150_000, 'REVOKE ADMIN OPTION FOR "app" FROM "app_clone"'],
  ])('with ADMIN OPTION is more than the base has, in %i', (version, sql) => {
    expect(statements({ ...of({ ...MEMBER.options, admin_option: true }), version })).toEqual([['more', sql]]);
  });

  test('by a grantor that is gone is revoked without naming one', () => {
    expect(statements(of({ ...MEMBER.options, admin_option: true }, { grantor: null }))).toEqual([
      ['more', 'REVOKE ADMIN OPTION FOR "app" FROM "app_clone"'],
    ]);
  });
});

describe('another membership of the twin', () => {
  const other = (changed: object) => ({ memberships: [MEMBER, { ...MEMBER, role: 'Some "role"', ...changed }] });
  const revoke = 'REVOKE "Some ""role""" FROM "app_clone" GRANTED BY "admin"';

  test('that the base lacks is more, to be granted to the base or revoked', () => {
    expect(seen(other({ heldByBase: false }))).toEqual([
      {
        kind: 'more',
        what: 'membership in "Some "role""',
        remedies: ['GRANT "Some ""role""" TO "app"', revoke],
        sql: revoke,
      },
    ]);
  });

  test('that the base has too is superfluous, and revoked', () => {
    expect(statements(other({}))).toEqual([['setting', revoke]]);
  });

  test('with ADMIN OPTION is more unless the base has that too, to be granted to the base with it', () => {
    const options = { ...MEMBER.options, admin_option: true };
    const [found] = seen(other({ options }));
    expect(found).toMatchObject({ kind: 'more', sql: revoke });
    expect(found?.remedies).toContain('GRANT "Some ""role""" TO "app" WITH ADMIN OPTION');
    expect(statements(other({ options, administeredByBase: true }))).toEqual([['setting', revoke]]);
  });
});

describe('a member of the twin', () => {
  test.each<[string, object]>([
    ['who can set it', { ...CREATOR.options, set_option: true }],
    ['who inherits it', { ...CREATOR.options, inherit_option: true }],
    ['without ADMIN OPTION', { ...CREATOR.options, admin_option: false }],
    ['before PostgreSQL 16', { admin_option: true }],
  ])('%s is not the mere maker, and taken out', (_, options) => {
    expect(statements({ members: [CREATOR, { ...CREATOR, role: 'x', options: { ...options } }] })).toEqual([
      ['setting', 'REVOKE "app_clone" FROM "x" GRANTED BY "postgres"'],
    ]);
  });
});

describe('attributes', () => {
  const of = (base: object, twin: object) => ({
    roles: { app: { ...ATTRIBUTES, ...base }, app_clone: { ...ATTRIBUTES, ...twin } },
  });

  test.each([
    ['rolsuper', 'SUPERUSER'],
    ['rolcreaterole', 'CREATEROLE'],
    ['rolcreatedb', 'CREATEDB'],
    ['rolreplication', 'REPLICATION'],
    ['rolbypassrls', 'BYPASSRLS'],
  ])('%s of the base alone is given, of the twin alone taken or given to the base', (key, word) => {
    expect(seen(of({ [key]: true }, {}))).toEqual([
      {
        kind: 'less',
        what: word,
        remedies: [`ALTER ROLE "app_clone" ${word}`],
        sql: `ALTER ROLE "app_clone" ${word}`,
        needs: { attribute: word },
      },
    ]);
    expect(seen(of({}, { [key]: true }))).toEqual([
      {
        kind: 'more',
        what: word,
        remedies: [`ALTER ROLE "app" ${word}`, `ALTER ROLE "app_clone" NO${word}`],
        sql: `ALTER ROLE "app_clone" NO${word}`,
      },
    ]);
    expect(seen(of({ [key]: true }, { [key]: true }))).toEqual([]);
  });

  test.each<[object, object, string]>([
    [{ rolinherit: false }, {}, 'ALTER ROLE "app_clone" NOINHERIT'],
    [{}, { rolinherit: false }, 'ALTER ROLE "app_clone" INHERIT'],
    [{ rolconnlimit: 5 }, {}, 'ALTER ROLE "app_clone" CONNECTION LIMIT 5'],
    [{}, { rolconnlimit: 0 }, 'ALTER ROLE "app_clone" CONNECTION LIMIT -1'],
    [
      { rolvaliduntil: '2030-01-01T00:00:00+00:00' },
      {},
      'ALTER ROLE "app_clone" VALID UNTIL \'2030-01-01T00:00:00+00:00\'',
    ],
    [{}, { rolvaliduntil: '2030-01-01T00:00:00+00:00' }, 'ALTER ROLE "app_clone" VALID UNTIL \'infinity\''],
  ])('%j of the base and %j of the twin: the base’s hold', (base, twin, sql) => {
    expect(statements(of(base, twin))).toEqual([['setting', sql]]);
  });

  test('NOINHERIT of the base is not the twin’s before PostgreSQL 16, where it would keep the base’s rights from it', () => {
    const version = 159_999;
    expect(seen({ ...of({ rolinherit: false }, {}), version })).toEqual([]);
    expect(statements({ ...of({ rolinherit: false }, { rolinherit: false }), version })).toEqual([
      ['setting', 'ALTER ROLE "app_clone" INHERIT'],
    ]);
  });

  test('VALID UNTIL infinity is as good as none', () => {
    expect(seen(of({ rolvaliduntil: 'infinity' }, {}))).toEqual([]);
    expect(seen(of({}, { rolvaliduntil: 'infinity' }))).toEqual([]);
  });
});

describe('settings', () => {
  const of = (base: readonly string[], twin: readonly string[], database = '') => [
    ACTS_AS_BASE,
    ...base.map((entry) => ({ role: 'app', database, entry })),
    ...twin.map((entry) => ({ role: 'app_clone', database, entry })),
  ];
  const settled = (base: readonly string[], twin: readonly string[], database = '') =>
    seen({ settings: of(base, twin, database) }).map(({ sql }) => sql);

  test.each([
    ['work_mem=64MB', 'SET "work_mem" TO \'64MB\''],
    ['app.tenant=a=b', 'SET "app.tenant" TO \'a=b\''],
    ["app.path=C:\\it's", "SET \"app.path\" TO  E'C:\\\\it''s'"],
    ['DateStyle=ISO, DMY', 'SET "DateStyle" TO \'ISO, DMY\''],
    ['search_path="$user", public', "SET \"search_path\" TO '$user', 'public'"],
    ['search_path="a""b, c", "D"', "SET \"search_path\" TO 'a\"b, c', 'D'"],
    ['search_path=Foo, "Bar"', "SET \"search_path\" TO 'foo', 'Bar'"],
    ['session_preload_libraries=Foo', 'SET "session_preload_libraries" TO \'Foo\''],
    ['search_path=""', 'SET "search_path" TO \'\''],
    ['search_path=', 'SET "search_path" TO \'\''],
    [
      'session_preload_libraries=auto_explain, "$libdir/x"',
      "SET \"session_preload_libraries\" TO 'auto_explain', '$libdir/x'",
    ],
  ])('%s of the base is copied, cluster-wide and for one database', (entry, set) => {
    expect(settled([entry], [])).toEqual([`ALTER ROLE "app_clone" ${set}`]);
    expect(settled([entry], [], 'The "db"')).toEqual([`ALTER ROLE "app_clone" IN DATABASE "The ""db""" ${set}`]);
    expect(settled([entry], [entry])).toEqual([]);
  });

  test('of the twin alone are reset', () => {
    expect(settled([], ['work_mem=1MB'])).toEqual(['ALTER ROLE "app_clone" RESET "work_mem"']);
    expect(settled([], ['role=x'], 'db')).toEqual(['ALTER ROLE "app_clone" IN DATABASE "db" RESET "role"']);
  });

  test('of one database are not those of another', () => {
    const settings = [ACTS_AS_BASE, ...of(['work_mem=1MB'], [], 'a'), ...of([], ['work_mem=1MB'], 'b')];
    expect(statements({ settings })).toEqual([
      ['setting', 'ALTER ROLE "app_clone" IN DATABASE "a" SET "work_mem" TO \'1MB\''],
      ['setting', 'ALTER ROLE "app_clone" IN DATABASE "b" RESET "work_mem"'],
    ]);
  });

  test.each([
    ['search_path="$user", public', 'search_path="$user",public'],
    ['search_path=a, b', 'search_path=  a ,"b"'],
    ['search_path=""', 'search_path='],
    ['search_path=Foo, public', 'search_path=foo, public'],
    ['App.Tenant=1', 'app.tenant=1'],
  ])('%s and %s are the same', (one, other) => {
    expect(settled([one], [other])).toEqual([]);
    expect(settled([other], [one])).toEqual([]);
  });

  test.each([
    ['search_path=a, b', 'search_path=b, a'],
    ['search_path="a, b"', 'search_path=a, b'],
    ['search_path="a""b"', 'search_path=ab'],
    ['search_path="Foo"', 'search_path=Foo'],
    ['session_preload_libraries=Foo', 'session_preload_libraries=foo'],
    ['DateStyle=ISO, DMY', 'DateStyle=ISO,DMY'],
    ['app.name=a, b', 'app.name=a,b'],
  ])('%s and %s are not', (one, other) => {
    expect(settled([one], [other])).toHaveLength(1);
  });

  test('say what right the admin may need: on the parameter, but for role on the twin', () => {
    const [ofParameter, ofRole] = seen({ settings: of(['log_statement=all'], []).slice(1) });
    expect(ofParameter).toMatchObject({ needs: { parameter: 'log_statement' } });
    expect(ofRole).toMatchObject({ needs: { role: 'app_clone' } });
  });
});

describe('the setting role', () => {
  const ofBase = (entry: string, database = '') => ({ role: 'app', database, entry });
  const ofTwin = (entry: string, database = '') => ({ role: 'app_clone', database, entry });

  test('of the twin names the base', () => {
    expect(statements({ settings: [] })).toEqual([['setting', 'ALTER ROLE "app_clone" SET "role" TO \'app\'']]);
  });

  test('is what the base’s own says, if it has one', () => {
    expect(statements({ settings: [ofBase('role=owner'), ACTS_AS_BASE] })).toEqual([
      ['setting', 'ALTER ROLE "app_clone" SET "role" TO \'owner\''],
    ]);
  });

  test('none of the base means the base, for the twin', () => {
    expect(seen({ settings: [ofBase('role=none'), ACTS_AS_BASE] })).toEqual([]);
    const inOne = [ofBase('role=owner'), ofTwin('role=owner'), ofBase('role=none', 'db')];
    expect(statements({ settings: inOne })).toEqual([
      ['setting', 'ALTER ROLE "app_clone" IN DATABASE "db" SET "role" TO \'app\''],
    ]);
  });

  const forAll = (role: string, database = '') => ({ role, database, forAll: true });

  test.each<[string, Picture['settings'], Picture['loginRoles'], (string | undefined)[]]>([
    ['of a database', [], [forAll('owner', 'db')], ['ALTER ROLE "app_clone" IN DATABASE "db" SET "role" TO \'owner\'']],
    ['of all roles', [], [forAll('owner')], ['ALTER ROLE "app_clone" SET "role" TO \'owner\'']],
    [
      'of a database and of all',
      [],
      [forAll('owner', 'db'), forAll('other')],
      [
        'ALTER ROLE "app_clone" SET "role" TO \'other\'',
        'ALTER ROLE "app_clone" IN DATABASE "db" SET "role" TO \'owner\'',
      ],
    ],
    [
      'of a database, which the base’s own outdoes',
      [],
      [forAll('owner', 'db'), { ...forAll('none'), forAll: false }],
      [],
    ],
    ['of a database, where the twin has it', [ofTwin('role=owner', 'db')], [forAll('owner', 'db')], []],
    [
      'of no database any more',
      [ofTwin('role=owner', 'db')],
      [],
      ['ALTER ROLE "app_clone" IN DATABASE "db" RESET "role"'],
    ],
    ['of the base, as which it may not act', [ofBase('role=gone')], [], []],
  ])('%s is the twin’s where a session of the base acts as that', (_, settings, loginRoles, expected) => {
    expect(seen({ settings: [ACTS_AS_BASE, ...settings], loginRoles }).map(({ sql }) => sql)).toEqual(expected);
  });

  test.each([
    [110_022, '11.22', '12.22'],
    [150_008, '15.8', '15.10'],
    [160_005, '16.5', '16.6'],
    [170_000, '17.0', '17.2'],
  ])(
    'is lost by %i when a session is reset: the twin’s own session says which version keeps it',
    (version, present, mended) => {
      const [found] = seen({ version, actsAs: 'app_clone' }, 'app_clone');
      expect(found).toMatchObject({ kind: 'less', remedies: [] });
      expect(found?.what).toContain(`PostgreSQL ${present} loses the role, so update it to ${mended}`);
    },
  );

  test.each([150_010, 170_002, 180_000])('is kept by %i', (version) => {
    const [found] = seen({ version, actsAs: 'app_clone' }, 'app_clone');
    expect(found?.what).toBe('a session of "app_clone" acts as "app_clone" and not as "app"');
  });

  test.each<[string, Picture['settings'], string]>([
    ['the base, without any', [], 'app'],
    ['what the base acts as', [ofBase('role=owner')], 'owner'],
    ['what the base acts as in this database', [ofBase('role=owner'), ofBase('role=here', 'postgres')], 'here'],
    ['what the base acts as, whatever that is in another database', [ofBase('role=there', 'other')], 'app'],
    ['the base, where it is none', [ofBase('role=none')], 'app'],
    ['the base, where it is none in this database', [ofBase('role=owner'), ofBase('role=none', 'postgres')], 'app'],
  ])('lets the twin’s own session act as %s', (_, own, expected) => {
    const settings = own.flatMap((each) => [
      each,
      ofTwin(each.entry === 'role=none' ? 'role=app' : each.entry, each.database),
    ]);
    const all = settings.some(({ role, database }) => role === 'app_clone' && database === '')
      ? settings
      : [...settings, ACTS_AS_BASE];
    expect(seen({ settings: all, actsAs: expected }, 'app_clone')).toEqual([]);
    expect(seen({ settings: all, actsAs: 'app_clone' }, 'app_clone')).toEqual([
      {
        kind: 'less',
        what: `a session of "app_clone" acts as "app_clone" and not as "${expected}"`,
        remedies: ['GRANT "app" TO "app_clone"'],
      },
    ]);
  });
});

describe('what the twin has of its own', () => {
  const holding = { database: 'db', count: 1, examples: [null] };

  test('is handed over where it is: objects and grants', () => {
    const [objects, grants] = seen({
      holdings: [
        { ...holding, kind: 'o' },
        { ...holding, kind: 'a', database: '' },
      ],
    });
    expect(objects).toEqual({
      kind: 'more',
      what: '1 objects of its own in database "db"',
      remedies: ['REASSIGN OWNED BY "app_clone" TO "app" in database "db"'],
      holdingsIn: 'db',
      outsideTransaction: true,
    });
    expect(grants).toMatchObject({
      kind: 'more',
      what: '1 grants of its own',
      holdingsIn: '',
      outsideTransaction: false,
    });
    const [here] = seen({ holdings: [{ ...holding, kind: 'o', database: 'postgres' }] });
    expect(here).toMatchObject({ holdingsIn: 'postgres', outsideTransaction: false });
  });

  test('is handed over once in a database that holds both', () => {
    const [objects, grants] = seen({
      holdings: [
        { ...holding, kind: 'o' },
        { ...holding, kind: 'a' },
      ],
    });
    expect(objects).toMatchObject({ holdingsIn: 'db' });
    expect(grants).toMatchObject({ kind: 'more', outsideTransaction: true });
    expect(grants).not.toHaveProperty('holdingsIn');
  });

  test('is left to a person, if it is a policy or something unheard of', () => {
    const found = seen({
      holdings: [
        { ...holding, kind: 'r' },
        { ...holding, kind: 'x' },
      ],
    });
    expect(found).toEqual([
      {
        kind: 'more',
        what: '1 row security policies of its own in database "db"',
        remedies: ['ALTER POLICY … TO "app" in database "db"'],
        outsideTransaction: true,
        isForPerson: true,
      },
      { kind: 'more', what: '1 dependencies of its own in database "db"', remedies: [], outsideTransaction: true },
    ]);
  });

  test('is shown by a few examples, as far as they are known from here', () => {
    const examples = ['table a', null, 'table b'];
    expect(seen({ holdings: [{ ...holding, kind: 'o', count: 3, examples }] })[0]?.what).toBe(
      '3 objects of its own in database "db": table a, table b, …',
    );
    expect(seen({ holdings: [{ ...holding, kind: 'o', count: 1, examples: ['table a'] }] })[0]?.what).toBe(
      '1 objects of its own in database "db": table a',
    );
  });
});

test.each([
  [140_023, 'ALTER ROLE "admin" SUPERUSER'],
  [150_000, 'GRANT SET ON PARAMETER "log_statement" TO "admin"'],
])('the admin gets the right to give a setting for superusers in the grammar of %i', (version, cure) => {
  expect(cureFor({ actsAs: 'admin', version }, PAIR, { parameter: 'log_statement' })).toBe(cure);
});
