import { EJSON } from 'bson';
import type { BenchmarkEngine } from '../../benchmark/engine.ts';
import { bodyOf } from './crash-matrix/protocol.ts';

/** What the driver adds to each command by itself. */
const ADDED = new Set(['lsid', '$clusterTime', '$readPreference']);

export const benchmark: BenchmarkEngine = {
  driver: 'test/engines/mongodb/floor-driver.ts',

  asked(name, bytes) {
    if (name === 'Query:endSessions') return 'goodbye';
    const body = bodyOf(bytes);
    const opening =
      body['speculativeAuthenticate']?.payload ?? (name === 'Query:saslStart' ? body['payload'] : undefined);
    const user = /n=([^,]*),/.exec(opening === undefined ? '' : Buffer.from(opening.buffer ?? opening).toString())?.[1];
    if (user !== undefined && name === 'Query:hello') return { login: user };
    if (name.startsWith('Query:sasl')) return undefined;
    return { statement: EJSON.stringify(Object.fromEntries(Object.entries(body).filter(([key]) => !ADDED.has(key)))) };
  },
};
