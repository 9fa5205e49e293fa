import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { expect, test } from '@jest/globals';
import { certificatesIn, trustIn } from '../../../shared/database/tls.ts';
import { tls } from '../../fixtures/tls/tls.ts';

test('a certificate is trusted if it is of the system’s authorities, of Amazon’s for RDS, or of the secret’s', async () => {
  const { ca: trusted } = await trustIn(certificatesIn(tls.ca) ?? []);

  expect(trusted).toEqual(expect.arrayContaining([...rootCertificates, tls.ca.trim()]));
  const names = trusted.map((pem) => new X509Certificate(pem).subject);
  expect(names.filter((name) => /Amazon RDS eu-central-1 Root CA ECC384 G1/.test(name))).not.toEqual([]);
});

test('the same authorities are parsed once in a process', async () => {
  const added = certificatesIn(tls.ca) ?? [];
  const trust = await trustIn(added);
  expect(await trustIn([...added])).toBe(trust);
  expect(trust.secureContext).toBe(trust.secureContext);
  expect(await trustIn([])).not.toBe(trust);
});
