import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { expect, test } from '@jest/globals';
import { certificatesIn, trustedRoots } from '../../../shared/database/tls.ts';
import { tls } from '../../fixtures/tls/tls.ts';

test('a certificate is trusted if it is of the system’s authorities, of Amazon’s for RDS, or of the secret’s', () => {
  const trusted = trustedRoots(certificatesIn(tls.ca) ?? []);

  expect(trusted).toEqual(expect.arrayContaining([...rootCertificates, tls.ca.trim()]));
  const names = trusted.map((pem) => new X509Certificate(pem).subject);
  expect(names.filter((name) => /Amazon RDS eu-central-1 Root CA ECC384 G1/.test(name))).not.toEqual([]);
});
