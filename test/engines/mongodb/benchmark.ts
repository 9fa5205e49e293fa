import { EJSON } from 'bson';
import type { BenchmarkEngine } from '../../benchmark/engine.ts';
import { bodyOf } from './crash-matrix/protocol.ts';

/** What the driver adds to each command by itself. */
const ADDED = new Set(['lsid', '$clusterTime', '$readPreference']);

export const benchmark: BenchmarkEngine = {
  driver: 'test/engines/mongodb/floor-driver.ts',

  asked(name, bytes) {
    if (name === 'Query:endSessions') return 'goodbye';
    if (name.startsWith('Query:sasl')) return undefined;
    const body = bodyOf(bytes);
    const opening: Buffer | undefined = body['speculativeAuthenticate']?.payload;
    if (opening) return { login: String(/n=([^,]*),/.exec(Buffer.from(opening).toString())?.[1]) };
    return { statement: EJSON.stringify(Object.fromEntries(Object.entries(body).filter(([key]) => !ADDED.has(key)))) };
  },
};
