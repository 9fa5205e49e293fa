/** TLS is verified in full where the secret does not turn it off, before anything is said; and off only where it does. */
import { TLSSocket } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { Secret } from '../../../shared/core/secret.ts';
import type { Credential, Endpoint, LoginResult, Session } from '../../../shared/database/engine.ts';
import { absent } from '../../absent.ts';
import { tls } from '../../fixtures/tls/tls.ts';
import { servers } from '../../servers.ts';
import { type Bench, testNone, trusting } from '../bench.ts';
import { fakeServer, type Relay, relay } from '../relay.ts';
import { isNone } from '../subject.ts';
import { newPassword, unique } from '../unique.ts';
import { CUT_IN_HANDSHAKE, expectFailure } from './logins.ts';

/** Of this machine, and in no certificate. */
const OTHER_ADDRESS = '0.0.0.0';

const nobody = () => ({ username: unique(), password: new Secret(unique('password')) });

function expectTlsError(result: LoginResult<Session>, as: Credential, host: string, code?: string): void {
  expectFailure(result, as, host, { is: 'unknown', name: 'TlsError', layer: 'TLS', code });
  if (result.is !== 'accepted') expect(result.why.retryHelps).toBe(false);
}

/** In clear, or in a form that anybody can undo. */
function contains(bytes: Buffer, text: string): boolean {
  const plain = Buffer.from(text);
  const forms = [
    plain,
    Buffer.from(text, 'utf16le'),
    plain.toString('base64').replace(/=+$/, ''),
    plain.toString('hex'),
  ];
  return forms.some((form) => bytes.includes(form));
}

export function tlsVerified(bench: Bench): void {
  if (bench.wire === 'TLS') overTls(bench);
  else inClear(bench);
}

function overTls(bench: Bench): void {
  /** By a login and a change through a relay; what the client says in clear is heard. */
  const through = async (wire: Relay, as: Credential, more: Partial<Endpoint>) =>
    bench.login(as, { host: wire.host, port: wire.port, ...more });

  test.each([
    ['by name', 'localhost', undefined],
    ['by IP address', '127.0.0.1', undefined],
    ['by sslservername, another name than the host', OTHER_ADDRESS, 'localhost'],
    ['by sslservername, an address', OTHER_ADDRESS, '127.0.0.1'],
  ])('is used when the certificate verifies %s, and nothing can be overheard', async (_, host, servername) => {
    await using user = await bench.user();
    await using wire = await relay(bench.server);
    const to = newPassword();

    const result = await through(wire, user, { host, tls: trusting(tls.ca, servername) });

    if (result.is !== 'accepted') throw result.why;
    expect(await bench.change(result.session, user.password, to)).toBe('set');
    await result.session.close();
    for (const text of [user.username, user.password.reveal(), to.reveal(), 'secret-rotation'])
      expect(contains(wire.heard(), text)).toBe(false);
    await bench.expectChanged(user, to);
  });

  test.each([
    ['an unknown authority', 'localhost', trusting(''), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['another authority than sslca', 'localhost', trusting(tls.otherCa), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['another address than the host’s', OTHER_ADDRESS, trusting(tls.ca), 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['another name than sslservername', 'localhost', trusting(tls.ca, 'db.example'), 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['another address than sslservername', 'localhost', trusting(tls.ca, '10.0.0.1'), 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ])(
    'is refused when the certificate is of %s, and the server is not told who wants in',
    async (_, host, wanted, code) => {
      await using user = await bench.user();
      await using wire = await relay(bench.server);
      const before = (await bench.server.log()).length;

      const result = await through(wire, user, { host, tls: wanted });

      expectTlsError(result, user, host, code);
      for (const text of [user.username, user.password.reveal()]) expect(contains(wire.heard(), text)).toBe(false);
      expect((await bench.server.log()).slice(before)).not.toContain(user.username);
    },
  );

  describe('with a certificate', () => {
    test.each([
      ['self-signed', tls.selfSigned, trusting('', 'localhost'), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      ['expired', tls.expired, trusting(tls.expired, 'localhost'), 'CERT_HAS_EXPIRED'],
    ])('that is %s is refused before anything is said', async (_, cert, wanted, code) => {
      const heard: Buffer[] = [];
      await using server = await fakeServer(async (socket) => {
        await bench.subject.fake.untilTls(socket);
        const secured = new TLSSocket(socket, { isServer: true, key: tls.key, cert });
        secured.on('data', (bytes) => heard.push(bytes)).on('error', () => {});
      });
      const as = nobody();

      const result = await bench.login(as, { host: server.host, port: server.port, tls: wanted });

      expectTlsError(result, as, server.host, code);
      expect(Buffer.concat(heard).toString()).toBe('');
    });
  });

  const plain = servers[bench.server.row];
  const title = 'is refused by a server that has none, which is not told who wants in';
  if ('remedy' in plain) {
    absent(title, plain.remedy);
    return;
  }
  test(title, async () => {
    const as = nobody();
    await using wire = await relay(plain);

    const result = await through(wire, as, { tls: trusting(tls.ca, 'localhost') });

    expectTlsError(result, as, wire.host, bench.subject.fake.beginsWithTls ? CUT_IN_HANDSHAKE.code : undefined);
    for (const text of [as.username, as.password.reveal()]) expect(contains(wire.heard(), text)).toBe(false);
  });
}

function inClear(bench: Bench): void {
  const { hidesPasswordsWithoutTls } = bench.subject;

  test('is not used where the secret says so, and only then; the password is not sent all the same', async () => {
    await using user = await bench.user();
    await using wire = await relay(bench.server);

    const result = await bench.login(user, { host: wire.host, port: wire.port });

    if (result.is !== 'accepted') throw result.why;
    await result.session.close();
    expect(contains(wire.heard(), user.username)).toBe(true);
    expect(contains(wire.heard(), user.password.reveal())).toBe(false);
  });

  if (isNone(hidesPasswordsWithoutTls)) testNone('a change that hides the new password', hidesPasswordsWithoutTls);
  else
    test('is not used in a change that hides the new password', async () => {
      await using user = await bench.user();
      await using wire = await relay(bench.server);
      const to = newPassword();
      await using own = await bench.session(user, undefined, { host: wire.host, port: wire.port });

      await bench.change(own, user.password, to);

      for (const password of [user.password, to]) expect(contains(wire.heard(), password.reveal())).toBe(false);
      await bench.expectChanged(user, to);
    });
}
