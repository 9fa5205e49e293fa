/** Which layer broke a connection: deadline, DNS, TCP, TLS, or the protocol. */

import { DeadlineError, type RotationError } from '../core/errors.ts';
import type { Endpoint } from './engine.ts';
import { ConnectionError, DatabaseError, HostNotFoundError, TlsError } from './errors.ts';

/** What an engine knows about a connection that failed without an error from the server. */
export type Broken = {
  to: Endpoint;
  username: string;
  /** The users' name for the server: `PostgreSQL`. */
  product: string;
  /** What the server answered when the client asked for TLS. Undefined if it did not answer. */
  offersTls: boolean | undefined;
  /** The connection broke after that answer and before the first message inside TLS. */
  isInHandshake: boolean;
  /** The TCP connection came about. Undefined if the driver does not tell. */
  isConnected: boolean | undefined;
  /** The login was over, so a statement may have been under way. */
  isLoggedIn: boolean;
  /** The driver gave up, and not the network: the connection is still open. */
  isMisunderstood: boolean;
  /**
   * The driver's ways to authenticate, as the end of a sentence: `SCRAM-SHA-256, MD5 or a
   * password`.
   */
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

const NO_WAY = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']);

/**
 * The error that names the layer. Node's error codes decide, and how far the connection got.
 * @param code the code of Node or OpenSSL; undefined if the error has none
 */
export function connectionFailure(error: unknown, code: string | undefined, broken: Broken): RotationError {
  const { to, username, product, offersTls, isInHandshake, isConnected, isLoggedIn, isMisunderstood, ways } = broken;
  const details = { user: username, host: to.host, code };
  // The deadline knows neither user nor host.
  if (error instanceof DeadlineError)
    return new DeadlineError(`${error.message} ${isLoggedIn ? UNDER_WAY : silence(isConnected)}`, details);
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
  if (isLoggedIn)
    return new ConnectionError(
      `The connection to ${server} ${whose} broke (${code ?? CLOSED}): look at whether the server is up. ${UNDER_WAY}`,
      details,
    );
  return new ConnectionError(noLogin(server, whose, code), details);
}

const UNDER_WAY = 'A statement under way may have happened.';
const CLOSED = 'closed by the server';

/** What to look at if a login got no answer. */
function silence(isConnected: boolean | undefined): string {
  const network =
    'look at the security groups of function and database, at routes and network ACLs, and at "host" and "port" in the secret';
  if (isConnected)
    return 'The server took the connection and then said nothing: it may be overloaded, or be another one.';
  if (isConnected === false) return `No connection came about: ${network}.`;
  return `If no connection came about, ${network}; if one did, the server may be overloaded.`;
}

/** A connection that failed before the login was over. */
function noLogin(server: string, whose: string, code: string | undefined): string {
  if (code === 'ECONNREFUSED')
    return `Nothing listens at ${server} ${whose}, or a firewall says so (${code}): correct "host" and "port" in the secret, or start the server.`;
  if (code !== undefined && NO_WAY.has(code))
    return `There is no way to ${server} ${whose} (${code}): look at the function's subnets, routes and security groups.`;
  return (
    `The connection to ${server} ${whose} was closed before the login was over (${code ?? CLOSED}): the server may be starting, stopping or ` +
    'overloaded, or another one listens there.'
  );
}
