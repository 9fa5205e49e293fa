/** Programs from requirements-dev.txt and requirements-aws.txt, for tests that need them. */
import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe } from '@jest/globals';
import { absent } from './absent.ts';

export type ToolName = 'sam' | 'cfn-lint' | 'checkov' | 'aws' | 'ministack';

const remedyFor = (tool: ToolName) => `pip install -r requirements-${tool === 'ministack' ? 'aws' : 'dev'}.txt`;

/** One `describe`; without the tool on PATH it has a test that is skipped by name, or fails with REQUIRE_SERVERS=all. */
export function describeTool(tool: ToolName, title: string, tests: () => void): void {
  describe(title, () => (fileOf(tool) === undefined ? absent(tool, remedyFor(tool)) : tests()));
}

/** The same for tests that use the tool's own Python code. Where pip has installed the tool, Python stands beside it. */
export function describeToolCode(tool: ToolName, title: string, tests: (python: string) => void): void {
  const file = fileOf(tool);
  const python = file && join(dirname(realpathSync(file)), 'python3');
  describe(title, () => (python && existsSync(python) ? tests(python) : absent(`${tool} from pip`, remedyFor(tool))));
}

/** The program; describeTool has seen that it is there. */
export function fileOf(tool: ToolName): string | undefined {
  return path.map((directory) => join(directory, tool)).find((file) => existsSync(file));
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
 * @param input for its stdin
 * @returns what it wrote to stdout; rejects, with all that it wrote, if it fails
 */
export async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  variables: Readonly<Record<string, string>> = {},
  input?: string,
): Promise<string> {
  const env = {
    ...environment,
    PATH: path.join(delimiter),
    SAM_CLI_TELEMETRY: '0',
    AWS_DEFAULT_REGION: 'us-east-1',
    ...variables,
  };
  try {
    const running = promisify(execFile)(program, args, { cwd, env, maxBuffer: 1e8 });
    if (input !== undefined) running.child.stdin?.end(input);
    return (await running).stdout;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string };
    throw new Error(`${program} ${args.join(' ')}:\n${stdout}${stderr || message}`, { cause: error });
  }
}
