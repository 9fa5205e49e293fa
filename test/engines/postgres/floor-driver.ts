import { createSecureContext, type SecureContext } from 'node:tls';
import pg from 'pg';
import { scramVerifier } from '../../../functions/postgres/scram.ts';
import { Secret } from '../../../shared/core/secret.ts';
import type { FloorDriver } from '../../benchmark/engine.ts';

export const floorDriver: FloorDriver = {
  async logIn({ host, port, dbname, ssl, sslca }, { username, password }) {
    const client = new pg.Client({
      ...{ host, port, database: dbname, user: username, password },
      ssl: ssl && { secureContext: trustIn(sslca) },
    });
    await client.connect();
    return { run: (statement) => client.query(statement), close: async () => void client.end() };
  },
  derived: [
    {
      form: /SCRAM-SHA-256\$(\d+):[^']+/,
      from: (password, [, iterations]) => scramVerifier(new Secret(password), Number(iterations)),
    },
  ],
};

let trust: SecureContext | undefined;

/** Parsed once: all that a process trusts is one authority. */
function trustIn(ca: string | undefined): SecureContext {
  trust ??= createSecureContext({ ca });
  return trust;
}
