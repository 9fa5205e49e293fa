import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { expect, test } from '@jest/globals';
import { certificatesIn, trustIn } from '../../../shared/database/tls.ts';
import { tls } from '../../fixtures/tls/tls.ts';

test('a certificate is trusted if it is of the system’s authorities, of Amazon’s for RDS, or of the secret’s', () => {
  const trusted = trustIn(certificatesIn(tls.ca) ?? []).ca;

  expect(trusted).toEqual(expect.arrayContaining([...rootCertificates, tls.ca.trim()]));
  const names = trusted.map((pem) => new X509Certificate(pem).subject);
  expect(names.filter((name) => /Amazon RDS eu-central-1 Root CA ECC384 G1/.test(name))).not.toEqual([]);
});

test('the same authorities are parsed once in a process', () => {
  const added = certificatesIn(tls.ca) ?? [];
  expect(trustIn(added)).toBe(trustIn([...added]));
  expect(trustIn(added).secureContext).toBe(trustIn(added).secureContext);
  expect(trustIn([])).not.toBe(trustIn(added));
});
