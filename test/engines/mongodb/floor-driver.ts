import { createSecureContext, type SecureContext } from 'node:tls';
import { EJSON } from 'bson';
import { MongoClient } from 'mongodb';
import type { FloorDriver } from '../../benchmark/engine.ts';

export const floorDriver: FloorDriver = {
  async logIn({ host, port, ssl, sslca }, auth) {
    const client = new MongoClient(`mongodb://${host}:${port}/`, {
      ...{ auth, authSource: 'admin', directConnection: true, maxPoolSize: 1, serverMonitoringMode: 'poll' },
      ...{ retryReads: false, retryWrites: false },
      ...(ssl && { tls: true, secureContext: trustIn(sslca) }),
    });
    await client.connect();
    return {
      run: (statement) => {
        const { $db, ...command } = EJSON.parse(statement);
        return client.db($db).command(command);
      },
      close: () => client.close(),
    };
  },
  derived: [],
};

let trust: SecureContext | undefined;

/** Parsed once: all that a process trusts is one authority. */
function trustIn(ca: string | undefined): SecureContext {
  trust ??= createSecureContext({ ca });
  return trust;
}
