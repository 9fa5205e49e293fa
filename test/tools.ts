/** Programs from requirements-dev.txt, for tests that need them. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describe } from '@jest/globals';
import { absent } from './absent.ts';

export type ToolName = 'sam' | 'cfn-lint' | 'checkov' | 'aws';

/** One `describe`; without the tool on PATH it has a test that is skipped by name, or fails with REQUIRE_SERVERS=all. */
export function describeTool(tool: ToolName, title: string, tests: () => void): void {
  const isThere = path.some((directory) => existsSync(join(directory, tool)));
  describe(title, () => (isThere ? tests() : absent(tool, 'pip install -r requirements-dev.txt')));
}

/** What npm puts before a shell's own: programs that only an installed tree has. */
const path = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => !directory.includes('node_modules'));

/** As in a shell of somebody who just opened it: nothing of npm, nothing of Node's settings for the tests. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|INIT_CWD$)/i.test(name)),
);

/**
 * @param program one of the tools, or another
 * @param variables of the environment, over those that are there
 * @returns what it wrote to stdout; rejects, with all that it wrote, if it fails
 */
export async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<string> {
  const env = {
    ...environment,
    PATH: path.join(delimiter),
    SAM_CLI_TELEMETRY: '0',
    AWS_DEFAULT_REGION: 'us-east-1',
    ...variables,
  };
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd, env, maxBuffer: 1e8 });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string };
    throw new Error(`${program} ${args.join(' ')}:\n${stdout}${stderr || message}`, { cause: error });
  }
}
