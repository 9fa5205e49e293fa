import { X509Certificate } from 'node:crypto';
import { rootCertificates, TLSSocket } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { postgres } from '../../../functions/postgres/engine.ts';
import type { Credential, Tls } from '../../../shared/engine.ts';
import { TlsError } from '../../../shared/errors.ts';
import { Secret } from '../../../shared/secret.ts';
import { certificatesIn, trustedRoots } from '../../../shared/tls.ts';
import { tls } from '../../fixtures/tls/tls.ts';
import { describeOwnServers, describeServers, testWithLog } from '../../servers.ts';
import { fakeServer, relay } from './fake.ts';
import { aMinute, endpoint, type Login, login, newRole, sql, unique } from './support.ts';

const trusting = (pem: string, servername?: string): Tls => ({ ca: certificatesIn(pem) ?? [], servername });

function expectTlsError(result: Login, as: Credential, host: string, code?: string): void {
  expect(result).toMatchObject({ is: 'unknown', why: { layer: 'TLS', retryHelps: false, user: as.username, host } });
  if (result.is !== 'unknown') return;
  expect(result.why).toBeInstanceOf(TlsError);
  expect(result.why.code).toBe(code);
  expect(result.why.message).toContain(as.username);
  expect(result.why.message).toContain(host);
}

await describeOwnServers('postgres', 'a server with TLS', { tls }, (server) => {
  const isEncrypted = async ({ username }: Credential) => {
    const [row] = await sql<{ ssl: boolean }>(
      server,
      `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = ${pg.escapeLiteral(username)}`,
    );
    return row?.ssl;
  };

  test.each([
    ['by name', 'localhost', undefined],
    ['by IP address', '127.0.0.1', undefined],
    ['by sslservername, another name than the host', '0.0.0.0', 'localhost'],
  ])('is spoken to encrypted when its certificate verifies %s', async (_, host, servername) => {
    await using role = await newRole(server);
    await using wire = await relay(server);

    const result = await login({ ...server, ...wire, host }, role, { tls: trusting(tls.ca, servername) });

    expect(result.is).toBe('accepted');
    expect(await isEncrypted(role)).toBe(true);
    if (result.is === 'accepted') await result.session.close();
  });

  test('is spoken to in plain text when the secret says so, and only then', async () => {
    await using role = await newRole(server);

    const result = await login(server, role, { tls: 'off' });

    expect(result.is).toBe('accepted');
    expect(await isEncrypted(role)).toBe(false);
    if (result.is === 'accepted') await result.session.close();
  });

  test.each([
    ['an unknown authority', 'localhost', trusting(''), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['another authority than sslca', 'localhost', trusting(tls.otherCa), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['another name than the host', '0.0.0.0', trusting(tls.ca), 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['another name than sslservername', 'localhost', trusting(tls.ca, 'db.example'), 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ])('is not told who wants in when its certificate is of %s', async (_, host, wanted, code) => {
    const as = { username: unique(), password: new Secret(unique('password')) };
    await using wire = await relay(server);

    const result = await login({ ...server, ...wire, host }, as, { tls: wanted });

    expectTlsError(result, as, host, code);
    expect(await server.log()).not.toContain(as.username);
  });
});

describeServers('postgres', 'a server without TLS', (server) => {
  const as = { username: unique(), password: new Secret(unique('password')) };

  test('is not logged in to', async () => {
    expectTlsError(await login(server, as, { tls: trusting('') }), as, server.host);
  });

  testWithLog(server)('is not told who wants in', async () => {
    await login(server, as, { tls: trusting('') });

    expect(await server.log()).not.toContain(as.username);
  });
});

describe('a certificate', () => {
  test.each([
    ['self-signed', tls.selfSigned, trusting(''), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['expired', tls.expired, trusting(tls.expired), 'CERT_HAS_EXPIRED'],
  ])('that is %s ends the login before anything is said', async (_, cert, wanted, code) => {
    const heard: Buffer[] = [];
    await using server = await fakeServer((socket) =>
      socket.once('data', () => {
        socket.write('S');
        const secured = new TLSSocket(socket, { isServer: true, key: tls.key, cert });
        secured.on('data', (bytes) => heard.push(bytes)).on('error', () => {});
      }),
    );
    const as = { username: unique(), password: new Secret(unique('password')) };
    const to = endpoint({ ...server, database: 'd', superuser: { username: '', password: '' } }, { tls: wanted });

    const result = await postgres.login(to, as, aMinute());

    expectTlsError(result, as, server.host, code);
    expect(Buffer.concat(heard).toString()).toBe('');
  });

  test('is trusted if it is of the system’s authorities, of Amazon’s for RDS, or of the secret’s', () => {
    const trusted = trustedRoots(certificatesIn(tls.ca) ?? []);

    expect(trusted).toEqual(expect.arrayContaining([...rootCertificates, tls.ca.trim()]));
    const names = trusted.map((pem) => new X509Certificate(pem).subject);
    expect(names.filter((name) => /Amazon RDS eu-central-1 Root CA ECC384 G1/.test(name))).not.toEqual([]);
  });
});
