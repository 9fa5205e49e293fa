/** Statements that the built function prints are run as they are printed, on the servers for which they are. */

import { randomBytes } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { mysql } from '../../../../functions/mysql/engine.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { type Account, supported } from '../../../../shared/database/engine.ts';
import { remediesIn } from '../../../rotation/remedies.ts';
import { newPassword, Rotating, type RotatingOptions } from '../../../rotation/rotating.ts';
import { describeOwnServers, describeServers, type SharedServer, testUnless } from '../../../servers.ts';
import { connect } from '../connection.ts';
import { ROLE_OF_MASTER } from '../users.ts';
import { comparable, quoted } from './account.ts';
import { dropped, type Names, objects, type Shape, shapes } from './shapes.ts';

const ALTERNATING = { admin: { madeTheUser: true } } satisfies RotatingOptions;
const BY_ADMIN = {
  ...ALTERNATING,
  environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
} satisfies RotatingOptions;

const isMariaDb = ({ row }: SharedServer) => row.startsWith('mariadb');
const onlyMySql = (server: SharedServer, why: string) => testUnless(isMariaDb(server) ? why : undefined);

/** Takes all from the admin but these. */
async function lessen(rotating: Rotating, server: SharedServer, ...grants: string[]): Promise<void> {
  const admin = quoted(rotating.admin);
  await rotating.sql(`REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${admin}`);
  if (!isMariaDb(server)) await rotating.sql(`REVOKE ${ROLE_OF_MASTER} FROM ${admin}`);
  for (const grant of grants) await rotating.sql(`GRANT ${grant} TO ${admin}`);
}

/** Gives a user every kind of right. */
async function furnish(
  rotating: Rotating,
  server: SharedServer,
  username: string,
  isWanted: (shape: Shape) => boolean = () => true,
): Promise<AsyncDisposable> {
  const product = isMariaDb(server) ? 'MariaDB' : 'MySQL';
  const names: Names = { user: quoted(username), admin: quoted('root'), some: `x${rotating.user.slice(-8)}` };
  const all = shapes(names).filter((shape) => (shape.on ?? product) === product && isWanted(shape));
  for (const statement of [...objects(names, product), ...all.flatMap(({ give }) => give)])
    await rotating.sql(statement);
  return {
    async [Symbol.asyncDispose]() {
      for (const statement of dropped(names)) await rotating.sql(statement);
    },
  };
}

const isOption = ({ give }: Shape) => give.some((statement) => statement.startsWith('ALTER USER'));

/** What the user in AWSCURRENT has, in the server's words. It logs in. */
async function liveWords(rotating: Rotating): Promise<string[]> {
  const username = String(rotating.value()['username']);
  expect(await rotating.logsIn(rotating.password(), username)).toBe(true);
  return wordsAbout(rotating, username);
}

/** Runs a statement as whoever the error names. */
type Person = (statement: string) => Promise<unknown>;

type Cure = {
  errorType: string;
  person?: Person;
  /** Takes the last of several statements, not the first. */
  takesLast?: boolean;
  /** The statement takes something from the user in AWSCURRENT, and says so. */
  takesFromLive?: boolean;
};

/**
 * Runs the first statement of each choice that has not been run, or the next one if what it is about is
 * gone. AWSCURRENT logs in before and after, and keeps what it has, unless the statement is to take it.
 */
async function runAll(
  rotating: Rotating,
  choices: readonly string[][],
  run: string[],
  { takesLast = false, takesFromLive = false, person = (statement) => rotating.sql(statement) }: Partial<Cure>,
): Promise<void> {
  expect(choices).not.toEqual([]);
  for (const choice of choices) {
    // Each that was run would have helped the first time.
    const left = (takesLast ? choice.toReversed() : choice).filter((statement) => !run.includes(statement));
    const [statement, other] = left;
    if (statement === undefined) throw new Error(`did not help: ${choice}`);
    const before = await liveWords(rotating);
    const isGone = await person(statement).then(() => false, isAboutWhatIsGone);
    if (isGone) await person(String(other));
    const after = await liveWords(rotating);
    if (!takesFromLive && !isGone) expect(after).toEqual(before);
    run.push(isGone ? String(other) : statement);
  }
}

/** ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR, ER_SP_DOES_NOT_EXIST */
function isAboutWhatIsGone(error: unknown): boolean {
  if (error instanceof Error && 'errno' in error && [1146, 1054, 1305].includes(Number(error.errno))) return true;
  throw error;
}

/**
 * Rotates, and does what the errors say, until a rotation is complete.
 * @returns the statements
 */
async function cure(rotating: Rotating, how: Cure): Promise<string[]> {
  const run: string[] = [];
  for (;;) {
    const { attempts, succeeded } = await rotating.rotate();
    if (succeeded) return run;
    const { error } = attempts[0]?.steps.at(-1) ?? {};
    expect(error).toMatchObject({ errorType: how.errorType });
    await runAll(rotating, remediesIn(error?.errorMessage), run, how);
  }
}

/** As `comparable`: MariaDB 10.11 names the holder of PROXY in single quotes. */
async function wordsAbout(rotating: Rotating, username: string): Promise<string[]> {
  return (await comparable(rotating, username)).map((line) => line.replace(`'${username}'@'%'`, '`…`')).sort();
}

async function expectSame(rotating: Rotating): Promise<void> {
  expect(await wordsAbout(rotating, rotating.twin)).toEqual(await wordsAbout(rotating, rotating.user));
}

/** What the admin finds to differ between base and twin, where both are for this host. */
async function differencesAt(rotating: Rotating, { host, port }: SharedServer, realm: string) {
  const { store } = rotating.manager;
  const { engine, username, password } = JSON.parse(
    (store.getSecretValue({ SecretId: 'admin' }) as { SecretString: string }).SecretString,
  );
  const to = { host, port, tls: 'off', options: {} } as const;
  const result = await mysql.login(to, { username, password: new Secret(password) }, new Deadline(60_000));
  if (result.is !== 'accepted') throw result.why;
  const { session } = result;
  const [base, twin] = [rotating.user, rotating.twin].map((name) => ({ username: name, realm })) as [Account, Account];
  try {
    const found = await supported(mysql.twins(engine)).differences(session, { base, twin, owner: rotating.arn });
    if (found === 'not visible') throw new Error(found);
    return found;
  } finally {
    await session.close();
  }
}

/** A person who may let others act as anybody (PROXY), as root@localhost may. */
async function proxier(rotating: Rotating, server: SharedServer): Promise<{ run: Person } & AsyncDisposable> {
  const [username, password] = [`dba_${rotating.user.slice(-8)}`, newPassword()];
  await rotating.makeUser(username, password);
  await rotating.sql(
    `INSERT INTO mysql.proxies_priv (Host, User, Proxied_host, Proxied_user, With_grant, Grantor) VALUES ('%', '${username}', '', '', 1, '')`,
  );
  await rotating.sql('FLUSH PRIVILEGES');
  const client = await connect({ ...server, database: '', superuser: { username, password } });
  return {
    run: (statement) => client.query(statement),
    async [Symbol.asyncDispose]() {
      await client.end();
      await rotating.dropUser(username);
    },
  };
}

describeServers('mysql', 'what an error says is to be run', (server) => {
  describe('lets an admin without any right', () => {
    test('make a twin with all that the base has', async () => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      await using _ = await furnish(rotating, server, rotating.user);
      await lessen(rotating, server);

      const run = await cure(rotating, { errorType: 'PrivilegeError' });

      expect(run.length).toBeGreaterThan(30);
      expect(rotating.value()['username']).toBe(rotating.twin);
      await expectSame(rotating);
    }, 180_000);

    test('do so, as testSecret alone has said', async () => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      let n = 0;
      await using _ = await furnish(rotating, server, rotating.user, () => n++ % 3 === 0);
      await lessen(rotating, server);

      const run: string[] = [];
      for (let found = await rotating.preflight(); found.length > 0; found = await rotating.preflight())
        for (const { errorType, message } of found) {
          expect(errorType).toBe('PrivilegeError');
          await runAll(rotating, remediesIn(message), run, {});
        }

      expect(run.length).toBeGreaterThan(8);
      // What SHOW GRANTS does not settle.
      expect((await cure(rotating, { errorType: 'PrivilegeError' })).length).toBeLessThan(3);
      await expectSame(rotating);
    }, 180_000);

    test('set the password of one user', async () => {
      await using rotating = await Rotating.on(server, BY_ADMIN);
      await lessen(rotating, server);
      expect(await cure(rotating, { errorType: 'PrivilegeError' })).toHaveLength(2);
    });
  });

  describe('lets an admin that may only look', () => {
    const LOOKING = isMariaDb(server)
      ? ['SELECT, SHOW VIEW, TRIGGER, EVENT ON *.*']
      : ['SELECT, SHOW VIEW, TRIGGER, EVENT ON *.*', 'SHOW_ROUTINE ON *.*'];

    test.each([
      ['set the password of the base', 1, async () => {}],
      ['set the password of the twin', 2, async () => {}],
      [
        'bring the twin’s limits in line',
        2,
        (rotating: Rotating) => rotating.sql(`ALTER USER ${quoted(rotating.user)} WITH MAX_USER_CONNECTIONS 9`),
      ],
      [
        'take from the twin what the base lacks',
        2,
        (rotating: Rotating) =>
          rotating.sql(`GRANT DELETE ON app_data.* TO ${quoted(rotating.twin)} WITH GRANT OPTION`),
      ],
    ])('%s', async (_, rotations, plant) => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      for (let n = 0; n < rotations; n++) await rotating.expectRotated();
      await plant(rotating);
      await lessen(rotating, server, ...LOOKING);
      await cure(rotating, { errorType: 'PrivilegeError' });
      await rotating.expectRotated();
      await expectSame(rotating);
    });

    test('take a locked user for the twin', async () => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      await rotating.sql(`CREATE USER ${quoted(rotating.twin)} ACCOUNT LOCK`);
      await lessen(rotating, server, ...LOOKING);
      await cure(rotating, { errorType: 'PrivilegeError' });
      await rotating.expectRotated(rotating.user);
    });

    test('give the base the routines that the twin has made', async () => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      const database = `x${rotating.user.slice(-8)}`;
      await rotating.sql(`CREATE DATABASE ${database}`);
      try {
        await rotating.expectRotated(rotating.twin);
        await rotating.sql(`CREATE DEFINER = ${quoted(rotating.twin)} PROCEDURE ${database}.\`p\`\`1\`() SELECT 1`);
        await rotating.sql(
          `GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE ${database}.\`p\`\`1\` TO ${quoted(rotating.twin)}`,
        );
        await lessen(rotating, server, ...LOOKING, 'CREATE USER ON *.*');
        const run = await cure(rotating, { errorType: 'PrivilegeError' });
        expect(run.join()).toContain('ON PROCEDURE');
        await rotating.expectRotated(rotating.twin);
        await expectSame(rotating);
      } finally {
        await rotating.sql(`DROP DATABASE ${database}`);
      }
    });
  });

  test.each([
    ['a twin that is yet to be made', 0],
    ['a twin that is there', 2],
  ])('lets the admin give PROXY to %s', async (_, rotations) => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    await using dba = await proxier(rotating, server);
    for (let n = 0; n < rotations; n++) await rotating.expectRotated();
    await dba.run(`GRANT PROXY ON 'some body'@'10.%' TO ${quoted(rotating.user)} WITH GRANT OPTION`);
    await cure(rotating, { errorType: 'PrivilegeError', person: dba.run });
    await expectSame(rotating);
  });

  onlyMySql(server, 'MariaDB has no SYSTEM_USER')(
    'lets the admin set the password of a base with SYSTEM_USER',
    async () => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      const [user, admin] = [quoted(rotating.user), quoted(rotating.admin)];
      await rotating.sql(`GRANT SYSTEM_USER ON *.* TO ${admin} WITH GRANT OPTION`);
      await rotating.sql(`GRANT SYSTEM_USER ON *.* TO ${user}`);
      await rotating.expectRotated(rotating.twin);
      await rotating.sql(`REVOKE SYSTEM_USER ON *.* FROM ${admin}`);
      const run = await cure(rotating, { errorType: 'PrivilegeError' });
      expect(run.at(-1)).toContain('GRANT SYSTEM_USER');
      expect(rotating.value()['username']).toBe(rotating.user);
    },
  );

  describe.each([
    ['gives the base', { takesLast: false }],
    ['takes from the twin', { takesLast: true, takesFromLive: true }],
  ])('%s', (_, how) => {
    test('all that the active twin has beside the base', async () => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      await rotating.expectRotated(rotating.twin);
      await using _furnished = await furnish(rotating, server, rotating.twin, (shape) => !isOption(shape));

      const run = await cure(rotating, { errorType: 'TwinRightsError', ...how });

      expect(run.length).toBeGreaterThan(20);
      expect(rotating.value()['username']).toBe(rotating.user);
      await rotating.expectRotated(rotating.twin);
      const [ofBase, ofTwin] = [await comparable(rotating, rotating.user), await comparable(rotating, rotating.twin)];
      // MariaDB keeps a default role that was revoked.
      const isKept = (line: string) => how.takesLast && line.startsWith('SET DEFAULT ROLE');
      expect(ofTwin.filter((line) => !isKept(line))).toEqual(ofBase);
    }, 180_000);

    test('PROXY that the active twin has beside the base', async () => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      await using dba = await proxier(rotating, server);
      await rotating.expectRotated(rotating.twin);
      for (const proxied of ["'some body'@'10.%'", "'other'@'%'"])
        await dba.run(`GRANT PROXY ON ${proxied} TO ${quoted(rotating.twin)}`);
      await cure(rotating, { errorType: 'TwinRightsError', person: dba.run, ...how });
      expect(rotating.value()['username']).toBe(rotating.user);
      await expectSame(rotating);
    });

    test('the default role of the active twin, where the base has one that the twin has not', async () => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      await rotating.expectRotated(rotating.twin);
      const [user, twin] = [quoted(rotating.user), quoted(rotating.twin)];
      const [ofBase, ofTwin] = ['a', 'b'].map((letter) => `${letter}${rotating.user.slice(-8)}`);
      const setDefault = (role: string | undefined, of: string) =>
        rotating.sql(`SET DEFAULT ROLE ${role} ${isMariaDb(server) ? 'FOR' : 'TO'} ${of}`);
      for (const role of [ofBase, ofTwin]) await rotating.sql(`CREATE ROLE ${role}`);
      try {
        for (const grant of [`${ofBase} TO ${user}`, `${ofTwin} TO ${user}`, `${ofTwin} TO ${twin}`])
          await rotating.sql(`GRANT ${grant}`);
        await setDefault(ofBase, user);
        await setDefault(ofTwin, twin);
        for (const role of [ofBase, ofTwin])
          if (isMariaDb(server)) await rotating.sql(`GRANT ${role} TO ${quoted(rotating.admin)} WITH ADMIN OPTION`);
        await cure(rotating, { errorType: 'TwinRightsError', ...how });
        expect(rotating.value()['username']).toBe(rotating.user);
        await rotating.expectRotated(rotating.twin);
        await expectSame(rotating);
      } finally {
        for (const role of [ofBase, ofTwin]) await rotating.sql(`DROP ROLE ${role}`);
      }
    });
  });
});

/** Where quotes and backslashes mean something else to the person than to the function. */
const MODES = [
  ['', `o'q"d\`b%_@b\\s`],
  ['ANSI_QUOTES', `o'q"d\`b%_@b\\s`],
  // A mark is JSON, which has a backslash before ".
  ['ANSI_QUOTES,NO_BACKSLASH_ESCAPES', "o'q`b%_@"],
];

describeServers('mysql', 'what an error says is to be run, by a person', (server) => {
  test.each(MODES)('whose sql_mode is "%s", about a user like %s', async (mode, odd) => {
    const user = `${odd}${randomBytes(4).toString('hex')}`;
    await using rotating = await Rotating.on(server, { ...ALTERNATING, user });
    const person: Person = (statement) => rotating.sql(`SET SESSION sql_mode = '${mode}'; ${statement}`);
    if (!isMariaDb(server)) {
      await rotating.makeUser(rotating.twin, newPassword());
      await cure(rotating, { errorType: 'ForeignUserError', person });
      await rotating.expectRotated(rotating.user);
    }

    await rotating.sql(`GRANT FILE ON *.* TO ${quoted(user)}`);
    await cure(rotating, { errorType: 'PrivilegeError', person });
    expect(rotating.value()['username']).toBe(rotating.twin);
    await rotating.sql(`GRANT SELECT ON \`o'q"d\`\`b\`.* TO ${quoted(rotating.twin)}`);
    await cure(rotating, { errorType: 'TwinRightsError', person });
    await rotating.expectRotated(rotating.twin);
    await expectSame(rotating);
  });

  test('about accounts for certain hosts', async () => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    await rotating.sql(`RENAME USER ${quoted(rotating.user)} TO ${quoted(rotating.user, '%.%.%.%')}`);
    await lessen(rotating, server);
    await rotating.sql(`GRANT FILE ON *.* TO ${quoted(rotating.user, '%.%.%.%')}`);
    for (let n = 0; n < 3; n++) {
      const { error } = await rotating.rotate();
      const [[statement = ''] = []] = remediesIn(error);
      await rotating.sql(statement);
    }
    await rotating.expectRotated(rotating.twin);
    await rotating.sql(`GRANT SELECT ON app_data.* TO ${quoted(rotating.twin, '%.%.%.%')}`);
    const { error } = await rotating.rotate();
    for (const statement of remediesIn(error)[0] ?? []) await rotating.sql(statement);
    await rotating.expectRotated(rotating.user);
  });

  describe.each(['::1', 'fe80::/10', '2001:db8::%'])('about accounts for %s', (host) => {
    test('of which one is to be renamed', async () => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      await rotating.sql(`CREATE USER ${quoted(rotating.twin, host)} ACCOUNT LOCK`);

      const { error } = await rotating.rotate();

      const [, found, wanted] =
        /ForeignUserError: The account (.*) is for other.* logs in, (.*) would/.exec(error ?? '') ?? [];
      expect(found).toContain(host);
      await rotating.sql(`RENAME USER ${found} TO ${wanted}`);
      await rotating.expectRotated(rotating.twin);
      await expectSame(rotating);
    });

    // No client of this test has such an address, so neither account can be AWSCURRENT.
    test.each([
      ['gives the base', 0],
      ['takes from the twin', -1],
    ])('with different rights, and %s', async (_, which) => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      const [base, twin] = [quoted(rotating.user, host), quoted(rotating.twin, host)];
      await rotating.sql(`RENAME USER ${quoted(rotating.user)} TO ${base}`);
      await rotating.sql(`CREATE USER ${twin}`);
      await rotating.sql(`GRANT SELECT ON app_data.* TO ${base} WITH GRANT OPTION`);
      await rotating.sql(`GRANT PROCESS ON *.* TO ${twin}`);
      await rotating.sql(`ALTER USER ${twin} WITH MAX_USER_CONNECTIONS 3`);
      const before = await differencesAt(rotating, server, host);
      expect(before.map(({ kind }) => kind).sort()).toEqual(['less', 'more', 'setting']);

      for (const { remedies } of before) await rotating.sql(String(remedies.at(which)));

      expect(await differencesAt(rotating, server, host)).toEqual([]);
    });
  });

  test('about a user at its limit of connections', async () => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    const user = quoted(rotating.user);
    await rotating.sql(`ALTER USER ${user} WITH MAX_USER_CONNECTIONS 1`);
    const superuser = { username: rotating.user, password: rotating.password() };
    const application = await connect({ ...server, database: '', superuser });
    const { error } = await rotating.rotate();
    const [, statement = ''] =
      /LoginBarredError: .*or raise the limit \((ALTER USER … WITH \w+), /.exec(error ?? '') ?? [];
    await rotating.sql(`${statement.replace('…', user)} 10`);
    await rotating.expectRotated();
    await application.query('SELECT 1');
    await application.end();
  });

  test('about a password that has expired', async () => {
    await using rotating = await Rotating.on(server);
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} PASSWORD EXPIRE`);
    const { error } = await rotating.rotate();
    const [, statement = ''] =
      /LoginBarredError: .*set it anew there \((ALTER USER … IDENTIFIED BY)\)/.exec(error ?? '') ?? [];
    const password = newPassword();
    await rotating.sql(`${statement.replace('…', quoted(rotating.user))} ?`, [password]);
    rotating.edit({ password });
    await rotating.expectRotated();
  });
});

await describeOwnServers(
  'mysql',
  'what an error says is to be run',
  { settings: { skip_name_resolve: '0', performance_schema: '1' } },
  (server) => {
    /** As whoever was not shut out. */
    const expectCured = async (rotating: Rotating, person: Person) => {
      const { error } = await rotating.rotate();
      expect(error).toContain('LoginBarredError');
      await person(remediesIn(error)[0]?.[0] ?? '');
      await rotating.expectRotated();
    };

    // Its skip_name_resolve, which every test's server has, cannot be turned off again.
    testUnless(isMariaDb(server) ? undefined : 'MySQL would not block it here')(
      'about a client that is blocked for broken connections',
      async () => {
        await using rotating = await Rotating.on(server);
        await using person = await connect(server);
        await person.query('SET GLOBAL max_connect_errors = 1');
        for (let n = 0; n < 3; n++)
          await new Promise((resolve) => {
            const socket = connectTcp(server.port, server.host, () => socket.end('no greeting'));
            socket
              .on('error', () => {})
              .on('close', resolve)
              .resume();
          });
        await expectCured(rotating, (statement) => person.query(statement));
        await person.query('SET GLOBAL max_connect_errors = 100');
      },
    );

    testUnless(isMariaDb(server) ? undefined : 'a matter of MariaDB')(
      'about a user with too many failed logins',
      async () => {
        await using rotating = await Rotating.on(server);
        await rotating.sql('SET GLOBAL max_password_errors = 1');
        expect(await rotating.logsIn('a wrong one')).toBe(false);
        await expectCured(rotating, (statement) => rotating.sql(statement));
      },
    );
  },
);

await describeOwnServers(
  'mysql',
  'what an error says about partial revokes is to be run',
  { settings: { 'loose-partial_revokes': 'ON' } },
  (server) => {
    test.each([
      ['gives the base', { takesLast: false }],
      ['takes from the twin', { takesLast: true, takesFromLive: true }],
    ])('%s what the base was denied since', async (_, how) => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      const user = quoted(rotating.user);
      await rotating.sql(`GRANT SELECT, INSERT, UPDATE ON *.* TO ${user}`);
      await rotating.sql(`REVOKE INSERT ON mysql.* FROM ${user}`);
      await rotating.expectRotated(rotating.twin);
      await rotating.sql(`REVOKE INSERT, SELECT ON sys.* FROM ${user}`);
      await cure(rotating, { errorType: 'TwinRightsError', ...how });
      expect(rotating.value()['username']).toBe(rotating.user);
      await rotating.expectRotated(rotating.twin);
      await expectSame(rotating);
    });

    test('lets an admin without any right give the twin no more than the base has', async () => {
      await using rotating = await Rotating.on(server, ALTERNATING);
      const user = quoted(rotating.user);
      await rotating.sql(`GRANT SELECT, INSERT, UPDATE ON *.* TO ${user}`);
      await rotating.sql(`REVOKE INSERT, UPDATE ON mysql.* FROM ${user}`);
      await lessen(rotating, server);
      await cure(rotating, { errorType: 'PrivilegeError' });
      await expectSame(rotating);
    });
  },
  async (server) => (isMariaDb(server) ? 'MariaDB has no partial revokes' : undefined),
);
