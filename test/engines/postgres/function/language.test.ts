import { expect, test } from '@jest/globals';
import pg from 'pg';
import type { Server } from '../../../../local/servers/server.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { connect } from '../connection.ts';
import {
  change,
  describeOwnServers,
  eventually,
  failure,
  login,
  newRole,
  type Role,
  session,
  sql,
  unique,
} from './support.ts';

/** Relative to the server's working directory, which is its data directory. */
const LOCPATH = 'locales';

const GERMAN = 'de_DE.UTF-8';

/** The server sends an empty line, and finds a broken pipe where the program has ended by then. */
const READ_ALL = 'cat > /dev/null';

/**
 * Has the server speak German. An image or a machine seldom has German locales, but the GNU C library takes a copy of C.UTF-8
 * for one by its name, and then reads PostgreSQL's German catalogue, if the server brings it.
 * @returns why it cannot be done
 */
async function speakGerman(server: Server): Promise<string | undefined> {
  const program = `${READ_ALL}; mkdir ${LOCPATH} && cp -R /usr/lib/locale/C.[uU]* ${LOCPATH}/${GERMAN}`;
  try {
    await sql(server, `COPY (SELECT) TO PROGRAM '${program}'`);
    await sql(server, `ALTER SYSTEM SET lc_messages = '${GERMAN}'`);
  } catch (error) {
    if (error instanceof pg.DatabaseError && NO_LOCALE.includes(error.code ?? ''))
      return `${server.source} has no locale C.UTF-8 to read German messages with`;
    throw error;
  }
  await sql(server, 'SELECT pg_reload_conf()');
  await eventually(async () => {
    const [row] = await sql<{ lc_messages: string }>(server, 'SHOW lc_messages');
    return row?.lc_messages === GERMAN;
  });
  const hasCatalogue = (await answer(sql(server, 'SELECT 1/0'))) !== 'division by zero';
  return hasCatalogue ? undefined : `${server.source} has no German messages`;
}

/** The program failed: there is nothing to copy. Or lc_messages may not be this: the C library does not take the copy. */
const NO_LOCALE = ['38000', '22023'];

const answer = (work: Promise<unknown>) =>
  work.then(
    () => '',
    (error: Error) => error.message,
  );

await describeOwnServers(
  'postgres',
  'a server that speaks German',
  { environment: { LOCPATH } },
  (server) => {
    /** As the driver hears it; such an error never leaves the engine. */
    const heard = ({ username, password }: Pick<Role, 'username' | 'password'>, database = server.database) =>
      answer(connect({ ...server, database, superuser: { username, password: password.reveal() } }));

    test.each([
      ['a wrong password', 'SELECT', 'wrong', 'fehlgeschlagen', 'refused', '28P01'],
      ['NOLOGIN', 'ALTER ROLE %I NOLOGIN', undefined, 'Berechtigung zum Einloggen', 'barred', '28000'],
      [
        'the CONNECTION LIMIT',
        'ALTER ROLE %I CONNECTION LIMIT 0',
        undefined,
        'zu viele Verbindungen',
        'barred',
        '53300',
      ],
    ])('is understood about %s', async (_, more, wrong, german, is, code) => {
      await using role = await newRole(server, { more });
      const as = { username: role.username, password: wrong === undefined ? role.password : new Secret(wrong) };
      expect(await heard(as)).toContain(german);

      expect(await login(server, as)).toMatchObject({ is, why: { code, user: role.username } });
    });

    test('is understood about a database that does not exist', async () => {
      await using role = await newRole(server);
      expect(await heard(role, 'nowhere')).toContain('existiert nicht');

      expect(await login(server, role, { database: 'nowhere' })).toMatchObject({
        is: 'barred',
        why: { code: '3D000' },
      });
    });

    test('is understood about a missing line in pg_hba.conf', async () => {
      await using role = await newRole(server);
      await using superuser = await connect(server);
      const { username } = role;
      const program = `${READ_ALL}; (echo host all ${username} all reject; cat pg_hba.conf) > new && mv new pg_hba.conf`;
      await superuser.query(`COPY (SELECT) TO PROGRAM '${program}'`);
      await superuser.query('SELECT pg_reload_conf()');
      await eventually(async () => (await heard(role)).includes('lehnt Verbindung'));

      expect(await login(server, role)).toMatchObject({
        is: 'unknown',
        why: { layer: 'authentication', code: '28000' },
      });
    });

    test('is understood about a password policy', async () => {
      await using role = await newRole(server, {
        more: "ALTER ROLE %I SET session_preload_libraries = 'passwordcheck'",
      });
      await using own = await session(server, role);

      const error = await failure(change(own.session, role.password, new Secret(role.username)));

      expect(error).toMatchObject({ name: 'PasswordPolicyError', code: '22023', user: role.username });
    });

    test('is understood about a lock', async () => {
      await using role = await newRole(server);
      await using holder = await connect(server);
      await holder.query(`BEGIN; ALTER ROLE ${pg.escapeIdentifier(role.username)} PASSWORD 'never committed'`);
      await using own = await session(server, role, new Deadline(9000));

      const error = await failure(change(own.session, role.password, new Secret(unique('new'))));

      expect(error).toMatchObject({ name: 'DeadlineError', code: '55P03', user: role.username });
    });
  },
  speakGerman,
);
