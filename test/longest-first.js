/** The order in which test files begin. Those that take minutes are first, so that none of them runs on alone at the end. */
import TestSequencer from '@jest/test-sequencer';

const LONGEST = [/\/crash-matrix\/matrix\.test\.ts$/, /\/conformance\/[a-z]+-[\d.]+\.test\.ts$/, /\/demo\.test\.ts$/];

export default class LongestFirst extends TestSequencer {
  /** Beyond that by what they took in the last run on this machine, or by their size, as Jest does. */
  sort(tests) {
    const rank = ({ path }) => LONGEST.findIndex((pattern) => pattern.test(path)) + 1 || LONGEST.length + 1;
    return super.sort(tests).toSorted((one, other) => rank(one) - rank(other));
  }
}
