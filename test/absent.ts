/** What becomes of tests that this machine cannot run. */
import { test } from '@jest/globals';

/** Stands for tests that this machine cannot run: a test that is skipped by name, or fails if REQUIRE_SERVERS=all. */
export function absent(what: string, remedy: string): void {
  const isRequired = process.env['REQUIRE_SERVERS'] === 'all';
  (isRequired ? test : test.skip)(`skipped: ${what} (${remedy})`, () => {
    throw new Error(`REQUIRE_SERVERS=all, but this is missing: ${what} (${remedy})`);
  });
}
