/** What no login could prove is never set, on MySQL and MariaDB. On real servers with the built function. */

import { test } from '@jest/globals';
import { Rotating, type RotatingOptions } from '../../../rotation/rotating.ts';
import { describeOwnServers, describeServers, type SharedServer, testUnless } from '../../../servers.ts';
import { quoted } from './account.ts';

const BY_ADMIN = {
  admin: { madeTheUser: true },
  environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
} satisfies RotatingOptions;

const ALTERNATING = { admin: { madeTheUser: true } } satisfies RotatingOptions;

const isMariaDb = (server: SharedServer) => server.row.startsWith('mariadb');

/** The application is elsewhere, or logs in in another way than this function: its password is right. */
const BARS: [string, string, (user: string) => string, string][] = [
  ['has to use TLS', 'REQUIRE SSL', alter('REQUIRE SSL'), 'has to log in over TLS (REQUIRE SSL)'],
  ['has to use a cipher', `REQUIRE CIPHER`, alter(`REQUIRE CIPHER 'TLS_AES_256_GCM_SHA384'`), '(REQUIRE CIPHER)'],
  ['has to show a certificate', 'REQUIRE X509', alter('REQUIRE X509'), 'a client certificate (REQUIRE X509)'],
  ['whose certificate is named', 'REQUIRE SUBJECT', alter(`REQUIRE SUBJECT '/CN=app'`), '(REQUIRE SUBJECT or ISSUER)'],
  ['whose authority is named', 'REQUIRE ISSUER', alter(`REQUIRE ISSUER '/CN=ca'`), '(REQUIRE SUBJECT or ISSUER)'],
];

function alter(clause: string): (user: string) => string {
  return (user) => `ALTER USER ${user} ${clause}`;
}

const ELSEWHERE = ['192.0.2.%', '192.0.2.7', '192.0.2.0/255.255.255.0', 'app.example.com', 'localhost'];

describeServers('mysql', 'the admin sets no password of a user who', (server) => {
  test.each(BARS)('%s that this function does not: %s', async (_, _clause, bar, words) => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    await rotating.sql(bar(quoted(rotating.user)));
    await rotating.expectRefused('LoginBarredError', words, { step: 'setSecret', attempts: 2 });
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} REQUIRE NONE`);
    await rotating.expectRotated();
  });

  test.each(ELSEWHERE)('is for other hosts than this function’s: %s', async (host) => {
    await using rotating = await Rotating.on(server, BY_ADMIN);
    const [from, to] = [quoted(rotating.user), quoted(rotating.user, host)];
    await rotating.sql(`RENAME USER ${from} TO ${to}`);
    await rotating.expectRefused('LoginBarredError', `is for connections from "${host}"`, { step: 'setSecret' });
    await rotating.sql(`RENAME USER ${to} TO ${from}`);
    await rotating.expectRotated();
  });
});

describeServers('mysql', 'alternating users set no password of a dormant base that', (server) => {
  test.each(BARS.slice(0, 3))('%s that this function does not: %s', async (_, _clause, bar, words) => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    await rotating.expectRotated(rotating.twin);
    await rotating.sql(bar(quoted(rotating.user)));
    // Without a place for a mark, a login would have to show whose user it is.
    const [error, message] = isMariaDb(server) ? ['ForeignUserError', 'is there already'] : ['LoginBarredError', words];
    await rotating.expectRefused(error, message, { step: 'setSecret', attempts: 2 });
    await rotating.sql(`ALTER USER ${quoted(rotating.user)} REQUIRE NONE`);
    await rotating.expectRotated(rotating.user);
  });
});

describeServers('mysql', 'a dormant twin that had to use TLS', (server) => {
  testUnless(isMariaDb(server) ? 'MariaDB has no place for a mark' : undefined)('follows its base', async () => {
    await using rotating = await Rotating.on(server, ALTERNATING);
    await rotating.expectRotated(rotating.twin);
    await rotating.expectRotated(rotating.user);
    await rotating.sql(`ALTER USER ${quoted(rotating.twin)} REQUIRE SSL`);
    await rotating.expectRotated(rotating.twin);
  });
});

/** Lets the admin write although the server is read-only. */
function mayWriteAnyway(server: SharedServer, rotating: Rotating): string {
  return `GRANT ${isMariaDb(server) ? 'READ_ONLY ADMIN' : 'CONNECTION_ADMIN'} ON *.* TO ${quoted(rotating.admin)}`;
}

await describeOwnServers('mysql', 'a server', {}, (server) => {
  test.each([
    ['by admin', BY_ADMIN],
    ['alternating users', ALTERNATING],
  ])('that is read-only, where the admin may write all the same: nothing is written, %s', async (_, options) => {
    await using rotating = await Rotating.on(server, options);
    await rotating.sql(mayWriteAnyway(server, rotating));
    await rotating.sql('SET GLOBAL read_only = ON');
    try {
      await rotating.expectRefused('ReadOnlyServerError', '(read_only)', { step: 'setSecret', attempts: 2 });
    } finally {
      await rotating.sql('SET GLOBAL read_only = OFF');
    }
    await rotating.expectRotated();
  });

  test('that is read-only, where the user may write all the same: nothing is written, single user', async () => {
    await using rotating = await Rotating.on(server);
    await rotating.sql(mayWriteAnyway(server, rotating).replace(rotating.admin, rotating.user));
    await rotating.sql('SET GLOBAL read_only = ON');
    try {
      await rotating.expectRefused('ReadOnlyServerError', '(read_only)', { step: 'setSecret' });
    } finally {
      await rotating.sql('SET GLOBAL read_only = OFF');
    }
    await rotating.expectRotated();
  });
});
