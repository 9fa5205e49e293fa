/**
 * Where people run the statements of the documents: what is there before, and what has to be there afterwards. In the documents the base is called
 * orders_app, its admin orders_admin; in a scene they have names of their own.
 */
import { expect } from '@jest/globals';
import type { ServerDescription } from '../../local/servers/server.ts';
import { connect } from '../engines/postgres/connection.ts';
import type { EngineName } from '../engines/servers.ts';
import { Rotating } from '../rotation/rotating.ts';

export type Scene = {
  engine: EngineName;
  /** Why it cannot be played on this server. */
  unfit?(server: ServerDescription): string | undefined;
  /** @param statements all that stand under one heading, in their order */
  play(server: ServerDescription, statements: readonly string[]): Promise<void>;
};

export function statementsIn(text: string): string[] {
  const statements = text.split(/;\s*$/m).map((statement) => statement.trim());
  return statements.filter((statement) => statement !== '');
}

/** As the document has it but for names. `as` is a role of PostgreSQL; else the superuser runs it. @returns each statement's rows */
async function runAll(rotating: Rotating, statements: readonly string[], as?: string) {
  const results = [];
  for (const statement of statements) {
    const named = statement.replaceAll('orders_app', rotating.user).replaceAll('orders_admin', rotating.admin);
    results.push(await rotating.sql(as === undefined ? named : `SET ROLE "${as}"; ${named}`));
  }
  return results;
}

/** One that has alternated: the twin is active. */
async function pair(server: ServerDescription): Promise<Rotating> {
  const rotating = await Rotating.on(server, { admin: { madeTheUser: true } });
  await rotating.expectRotated(rotating.twin);
  return rotating;
}

/** The base is active, and stays so. */
async function goBackToSingleUser(rotating: Rotating): Promise<void> {
  await rotating.expectRotated(rotating.user);
  expect(await logsInAsTwin(rotating)).toBe(true);
  tag(rotating, 'single-user');
}

function tag(rotating: Rotating, strategy: string): void {
  const Tags = [{ Key: 'rotation-strategy', Value: strategy }];
  rotating.manager.store.tagResource({ SecretId: 'app', Tags });
}

/** With its last password. */
function logsInAsTwin(rotating: Rotating): Promise<boolean> {
  return rotating.logsIn(rotating.password('AWSPREVIOUS'), rotating.twin);
}

/** The twin is no more, and the base rotates alone, before the secret forgets the pair and after that. */
async function expectSingleUser(rotating: Rotating, usersOfThatName: readonly unknown[]): Promise<void> {
  expect(usersOfThatName).toEqual([]);
  await rotating.expectRotated(rotating.user);
  rotating.edit({ masterarn: undefined, baseusername: undefined, alternateusername: undefined });
  await rotating.expectRotated(rotating.user);
}

/** What the twin created belongs to the base; what a person gave to the twin by name, even of that of others, keeps it from being dropped. */
async function dropTwinOfPostgres(server: ServerDescription, statements: readonly string[], as: 'superuser' | 'admin') {
  await using rotating = await pair(server);
  const { user, twin, admin } = rotating;
  await rotating.sql(`CREATE SCHEMA "${user}" AUTHORIZATION "${user}"`);
  await using session = await connect({ ...server, superuser: { username: twin, password: rotating.password() } });
  await session.query(`CREATE TABLE "${user}".made_by_twin (id int)`);
  await session.end();
  await goBackToSingleUser(rotating);
  await rotating.sql(
    `CREATE TABLE "${user}".given_to_twin (id int); ALTER TABLE "${user}".given_to_twin OWNER TO "${twin}"`,
  );
  await rotating.sql(`GRANT CREATE ON SCHEMA "${user}" TO "${twin}"`);

  const members = `SELECT pg_get_userbyid(member) AS member, pg_get_userbyid(grantor) AS grantor FROM pg_auth_members
    WHERE pg_get_userbyid(roleid) = $1 AND pg_get_userbyid(member) <> $2`;
  const membersOfBase = await rotating.sql(members, [user, twin]);

  await runAll(rotating, statements, as === 'admin' ? admin : undefined);

  await expectSingleUser(rotating, await rotating.sql('SELECT FROM pg_roles WHERE rolname = $1', [twin]));
  expect(await rotating.sql(members, [user, twin])).toEqual(membersOfBase);
  const owners = 'SELECT tablename, tableowner FROM pg_tables WHERE schemaname = $1 ORDER BY tablename';
  expect(await rotating.sql(owners, [user])).toEqual([
    { tablename: 'given_to_twin', tableowner: user },
    { tablename: 'made_by_twin', tableowner: user },
  ]);
}

export const SCENES: Readonly<Record<string, Scene>> = {
  'docs/decommission.md#postgresql': {
    engine: 'postgres',
    async play(server, statements) {
      await dropTwinOfPostgres(server, statements, 'superuser');
      await dropTwinOfPostgres(server, statements, 'admin');
    },
  },

  'docs/decommission.md#mysql-and-mariadb': {
    engine: 'mysql',
    async play(server, statements) {
      await using rotating = await pair(server);
      const { user, twin } = rotating;
      await using database = new AsyncDisposableStack();
      database.defer(() => rotating.sql(`DROP DATABASE IF EXISTS ${user}`).then(() => {}));
      await rotating.sql(`CREATE DATABASE ${user}`);
      await rotating.sql(`CREATE DEFINER = '${twin}'@'%' VIEW ${user}.made_by_twin AS SELECT 1 AS one`);
      await goBackToSingleUser(rotating);

      const [look, drop] = [statements.slice(0, 1), statements.slice(1)];
      expect(await runAll(rotating, look)).toEqual([[{ kind: 'view', db: user, name: 'made_by_twin' }]]);
      await rotating.sql(`ALTER DEFINER = '${user}'@'%' VIEW ${user}.made_by_twin AS SELECT 1 AS one`);
      expect(await runAll(rotating, look)).toEqual([[]]);
      await runAll(rotating, drop);

      await expectSingleUser(rotating, await rotating.sql('SELECT Host FROM mysql.user WHERE User = ?', [twin]));
    },
  },

  'docs/decommission.md#mongodb': {
    engine: 'mongodb',
    async play(server, statements) {
      await using rotating = await pair(server);
      await goBackToSingleUser(rotating);

      await runAll(rotating, statements);

      const [answer] = await rotating.sql(`db.runCommand({ usersInfo: '${rotating.twin}' })`);
      const { users = [] } = answer as { users?: unknown[] }; // FerretDB leaves them out where there are none
      await expectSingleUser(rotating, users);
    },
  },

  'docs/decommission.md#dual-password': {
    engine: 'mysql',
    unfit: ({ product }) => (product === 'MariaDB' ? 'MariaDB keeps one password for a user' : undefined),
    async play(server, statements) {
      await using rotating = await Rotating.on(server, { tags: { 'rotation-strategy': 'dual-password' } });
      await rotating.sql(`GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ?@'%'`, [rotating.user]);
      await rotating.expectRotated(rotating.user);
      const second = rotating.password('AWSPREVIOUS');
      tag(rotating, 'single-user');
      await rotating.expectRotated(rotating.user);
      expect(await rotating.logsIn(second)).toBe(true);

      await runAll(rotating, statements);

      expect(await rotating.logsIn(second)).toBe(false);
      expect(await rotating.logsIn(rotating.password())).toBe(true);
      await rotating.expectRotated(rotating.user);
    },
  },
};
