/** Jest's reporter that writes the README's support matrix after a whole run: see jest.config.js. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type RowName, rowNames, rows } from '../engines/servers.ts';
import { borrow } from '../global-setup.ts';
import { linesOf, merged, type Result, readFrom, rendered, replacedIn } from './support-matrix.ts';

const README = new URL('../../README.md', import.meta.url);

/** Of Jest's AggregatedResult, https://jestjs.io/docs/configuration#custom-reporters */
type RunResult = {
  testResults: {
    testFilePath: string;
    testExecError?: unknown;
    testResults: { ancestorTitles: string[]; title: string; status: string }[];
  }[];
};

export default class SupportMatrixReporter {
  #error: Error | undefined;

  async onRunComplete(_: unknown, { testResults }: RunResult): Promise<void> {
    try {
      const results: Result[] = testResults.flatMap(({ testResults: tests }) =>
        tests.map(({ ancestorTitles, title, status }) => ({ titles: [...ancestorTitles, title], status })),
      );
      const broken = testResults.find(({ testExecError }) => testExecError);
      if (broken) throw new Error(`No support matrix is written: ${broken.testFilePath} did not run`);
      // With a server of another version in a row's place, it is about that one.
      const named = rowNames.filter((row) => process.env[rows[row].npmVariable ?? '']);
      const seen = linesOf(results, await servers(), today(), named.length > 0 ? named : rowNames);
      const readme = readFileSync(README, 'utf8');
      writeFileSync(README, replacedIn(readme, rendered(merged(readFrom(readme), seen))));
    } catch (error) {
      this.#error = error as Error;
    }
  }

  getLastError(): Error | undefined {
    return this.#error;
  }
}

/** As the servers say that all test files share. */
async function servers(): Promise<Partial<Record<RowName, string>>> {
  return Object.fromEntries(
    Object.entries(await borrow({ rows: rowNames })).flatMap(([row, found]) =>
      'version' in found ? [[row, `${found.product} ${found.version}`]] : [],
    ),
  );
}

const today = () => new Date().toISOString().slice(0, 10);
