import type { BenchmarkEngine } from '../../benchmark/engine.ts';

const HEADER = 4;
/** Of a query, where the client may send attributes: how many there are, in how many sets. */
const NO_ATTRIBUTES = Buffer.from([0, 1]);

export const benchmark: BenchmarkEngine = {
  driver: 'test/engines/mysql/floor-driver.ts',

  asked(name, bytes) {
    const payload = bytes.subarray(HEADER);
    if (name === 'Quit') return 'goodbye';
    if (name.startsWith('Query:')) {
      const rest = payload.subarray(1);
      return { statement: (rest.indexOf(NO_ATTRIBUTES) === 0 ? rest.subarray(2) : rest).toString() };
    }
    if (name !== 'HandshakeResponse') return undefined;
    // Capabilities and the longest packet, four bytes each, the character set and 23 bytes that mean nothing.
    return { login: payload.toString('utf8', 32, payload.indexOf(0, 32)) };
  },
};
