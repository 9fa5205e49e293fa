import { availableParallelism } from 'node:os';

/** Tests run as ES modules on Node 24; @swc/jest only strips the types. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  globalSetup: '<rootDir>/test/global-setup.ts',
  globalTeardown: '<rootDir>/test/global-teardown.ts',
  testSequencer: '<rootDir>/test/longest-first.js',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': ['@swc/jest', { jsc: { parser: { syntax: 'typescript' }, target: 'esnext' }, module: { type: 'es6' } }],
  },
  // A whole run of the conformance suite writes what it has seen into the README.
  ...(process.env['WRITE_SUPPORT_MATRIX'] && {
    reporters: ['default', '<rootDir>/test/conformance/support-matrix-reporter.ts'],
  }),
  testTimeout: 60_000,
  // A test file waits for servers and deadlines much of its time.
  maxWorkers: Math.ceil(1.5 * availableParallelism()),
};
