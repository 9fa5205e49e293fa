/** What a mongod is started with, wherever it comes from. */
import type { Address, Settings } from '../../../local/servers/source.ts';

const REPLICA_SET = 'rs0';

/** A stand-alone server has no majority to wait for. */
export function ofReplicaSet(keyFile: string): string[] {
  return [
    ...['--replSet', REPLICA_SET, '--keyFile', keyFile],
    ...['--setParameter', 'shutdownTimeoutMillisForSignaledShutdown=100'], // there is nobody to hand its clients to
    ...['--wiredTigerCacheSizeGB', '0.25'], // several servers share a small machine
  ];
}

/** Beside plain text, as mongod's preferTLS has it, FerretDB cannot. */
export function withTls(file: string): string[] {
  return ['--tlsMode', 'requireTLS', '--tlsCertificateKeyFile', file];
}

/**
 * Whose certificates are good: without that no mongod uses TLS any more, https://jira.mongodb.org/browse/SERVER-72839, and with it alone clients would
 * need one, too. Nobody's but the server's own, as it would send its clients the authority's beside that.
 */
export function trusting(file: string): string[] {
  return ['--tlsCAFile', file, '--tlsAllowConnectionsWithoutCertificates'];
}

export function commandLine({ settings = {} }: Settings): string[] {
  return Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
}

/** What the members of a set know each other by; there is one. */
export function keyOf({ password }: Address['superuser']): string {
  return Buffer.from(password).toString('base64');
}

export function certificateAndKey({ certificate, key }: NonNullable<Settings['tls']>): string {
  return `${certificate.trim()}\n${key.trim()}\n`;
}
