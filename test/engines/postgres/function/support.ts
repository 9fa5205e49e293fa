/** What the tests of the PostgreSQL engine have in common. */
import { randomBytes } from 'node:crypto';
import { expect } from '@jest/globals';
import pg from 'pg';
import { postgres } from '../../../../functions/postgres/engine.ts';
import type { Address } from '../../../../local/servers/source.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import type { Credential, Endpoint, LoginResult } from '../../../../shared/database/engine.ts';
import { connect } from '../connection.ts';

export { failure } from '../../../conformance/bench.ts';
export { eventually } from '../../../conformance/eventually.ts';
export { describeOwnServers } from '../../../servers.ts';

export type Login = Awaited<ReturnType<typeof postgres.login>>;
export type Session = Extract<Login, { is: 'accepted' }>['session'];
export type Role = Credential & AsyncDisposable;

const aMinute = () => new Deadline(60_000);

/** A name or password that no other test uses. */
export const unique = (what = 'role') => `${what}_${randomBytes(6).toString('hex')}`;

/** Statements of the superuser, in a session of their own. */
export async function sql<Row extends pg.QueryResultRow>(server: Address, statements: string): Promise<Row[]> {
  await using client = await connect(server);
  return (await client.query<Row>(statements)).rows;
}

/** A role of its own for a test, dropped when the test ends. `%I` in `more` stands for its quoted name. */
export async function newRole(
  server: Address,
  { username = unique(), password = unique('password'), options = '', more = '' } = {},
): Promise<Role> {
  const role = pg.escapeIdentifier(username);
  await sql(server, `CREATE ROLE ${role} LOGIN PASSWORD ${pg.escapeLiteral(password)} ${options}`);
  if (more) await sql(server, more.replaceAll('%I', role));
  return {
    username,
    password: new Secret(password),
    [Symbol.asyncDispose]: async () => void (await sql(server, `DROP OWNED BY ${role}; DROP ROLE ${role}`)),
  };
}

export function endpoint({ host, port, database }: Address, more: Partial<Endpoint> = {}): Endpoint {
  return { host, port, database, tls: 'off', options: {}, ...more };
}

export function login(server: Address, as: Credential, more: Partial<Endpoint> = {}): Promise<Login> {
  return postgres.login(endpoint(server, more), as, aMinute());
}

/** A session of a login that has to be accepted. */
export async function session(
  server: Address,
  as: Credential,
  until: Deadline = aMinute(),
): Promise<{ session: Session } & AsyncDisposable> {
  const result = await postgres.login(endpoint(server), as, until);
  if (result.is !== 'accepted') throw result.why;
  return { session: result.session, [Symbol.asyncDispose]: () => result.session.close() };
}

/** What a login with this password comes to. */
export async function outcome(
  server: Address,
  { username }: Credential,
  password: Secret,
): Promise<LoginResult<Session>['is']> {
  const result = await login(server, { username, password });
  if (result.is === 'accepted') await result.session.close();
  return result.is;
}

export async function expectChanged(server: Address, role: Role, to: Secret): Promise<void> {
  expect(await outcome(server, role, to)).toBe('accepted');
  expect(await outcome(server, role, role.password)).toBe('refused');
}

export async function expectUnchanged(server: Address, role: Role, to: Secret): Promise<void> {
  expect(await outcome(server, role, to)).toBe('refused');
  expect(await outcome(server, role, role.password)).toBe('accepted');
}

/** As a rotation does it. */
export function change(session: Session, from: Secret, to: Secret): Promise<'set' | 'conflict'> {
  return postgres.exclusively(session, session.account, () => postgres.changeOwnPassword(session, from, to));
}

/** The states of all sessions that the server has of this user. */
export async function sessionsOf(server: Address, { username }: Credential): Promise<string[]> {
  const rows = await sql<{ state: string }>(
    server,
    `SELECT coalesce(state, 'starting') state FROM pg_stat_activity WHERE usename = ${pg.escapeLiteral(username)}`,
  );
  return rows.map(({ state }) => state);
}
