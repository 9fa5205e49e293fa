import { DeadlineError, type RotationError } from '../core/errors.ts';
import type { Endpoint } from './engine.ts';
import { ConnectionError, DatabaseError, HostNotFoundError, TlsError } from './errors.ts';

/** What an engine knows of a connection that failed without a word of the server's. */
export type Broken = {
  to: Endpoint;
  username: string;
  /** As users call the server: `PostgreSQL`. */
  product: string;
  /** The server's answer to the wish for TLS; undefined if there was none. */
  offersTls: boolean | undefined;
  /** It broke between that answer and the first word inside TLS. */
  isInHandshake: boolean;
  /** It is the driver that gave up: the connection is still there. */
  isMisunderstood: boolean;
  /** The ways to authenticate that the driver knows, as the end of a sentence. */
  ways: string;
};

const DNS = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME']);
const TCP = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/**
 * Which layer failed, decided by Node's error codes and by how far the connection got.
 * @param code Node's or OpenSSL's; undefined if there is none
 */
export function connectionFailure(error: unknown, code: string | undefined, broken: Broken): RotationError {
  const { to, username, product, offersTls, isInHandshake, isMisunderstood, ways } = broken;
  const details = { user: username, host: to.host, code };
  // The deadline does not know whom it is about.
  if (error instanceof DeadlineError)
    return new DeadlineError(`${error.message} A statement under way may have happened.`, details);
  const server = `${to.host}:${to.port}`;
  const whose = `(user "${username}")`;
  if (code !== undefined && DNS.has(code))
    return new HostNotFoundError(`The host ${to.host} ${whose} does not resolve (${code}).`, details);
  if (offersTls === false)
    return new TlsError(
      `${product} at ${server} ${whose} offers no TLS: turn it on there, or say "ssl": false in the secret to do without.`,
      details,
    );
  const handshaking = isInHandshake && code !== undefined && !TCP.has(code);
  if (handshaking && /^(EPROTO|ERR_SSL_)/.test(code))
    return new TlsError(
      `The TLS handshake with ${server} ${whose} failed (${code}): look at the protocol versions that the server allows, and at ` +
        'whether it wants a client certificate.',
      details,
    );
  if (handshaking)
    return new TlsError(
      `The certificate of ${server} ${whose} does not verify (${code}): give its authority in the secret's "sslca", or its ` +
        'name in "sslservername".',
      details,
    );
  if (isMisunderstood)
    return new DatabaseError(
      `The server at ${server} ${whose} does not speak ${product}'s protocol, or asks for a way to authenticate other than ${ways}.`,
      details,
    );
  return new ConnectionError(
    `The connection to ${server} ${whose} failed or broke (${code ?? 'closed by the server'}): look at security groups and at ` +
      'whether the server is up. A statement under way may have happened.',
    details,
  );
}
