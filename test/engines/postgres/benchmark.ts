import type { BenchmarkEngine } from '../../benchmark/engine.ts';

export const benchmark: BenchmarkEngine = {
  driver: 'test/engines/postgres/floor-driver.ts',

  asked(name, bytes) {
    if (name === 'Terminate') return 'goodbye';
    if (name.startsWith('Query:')) return { statement: bytes.toString('utf8', 5, bytes.length - 1) };
    if (name !== 'Startup') return undefined;
    // Length and version, four bytes each, and then keys and values.
    const words = bytes.toString('utf8', 8).split('\0');
    return { login: String(words[words.indexOf('user') + 1]) };
  },
};
