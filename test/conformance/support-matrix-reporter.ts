/** Jest's reporter that writes the README's support matrix after a whole run: see jest.config.js. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type RowName, rowNames } from '../engines/servers.ts';
import { borrow } from '../global-setup.ts';
import { linesOf, type Result, rendered, replacedIn } from './support-matrix.ts';

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
      const lines = linesOf(results, await servers());
      writeFileSync(README, replacedIn(readFileSync(README, 'utf8'), rendered(lines, today())));
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
