/** Runs shell blocks of the documents as they stand there, with an AWS of this machine. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '../../local/owner.ts';
import { run } from '../tools.ts';
import { Aws, PENDING_VERSION_ID } from './aws.ts';

/** Where a document leaves a place for what only its reader knows, it has a variable of the shell. */
const VALUES = {
  AWS_REGION: 'eu-west-1',
  ROTATION_LAMBDA_ARN: 'arn:aws:lambda:eu-west-1:123456789012:function:secret-rotation',
  OLD_ROTATION_LAMBDA_ARN: 'arn:aws:lambda:eu-west-1:123456789012:function:SecretsManagerRotation',
  PENDING_VERSION_ID,
  VPC_ID: 'vpc-0a1b2c3d',
  SUBNET_1: 'subnet-0a1b2c3d',
  SUBNET_2: 'subnet-0a1b2c3e',
  DATABASE_SECURITY_GROUP: 'sg-0a1b2c3d',
  FUNCTION_SECURITY_GROUP: 'sg-0a1b2c3e',
  ENDPOINT_SECURITY_GROUP: 'sg-0a1b2c3f',
};

/** npm's calls are written down; what needs the clone, or fetches things, is not run. */
const PRELUDE = `
npm() { printf '%s\\n' "$*" >>"$NPM_CALLS"; }
npx() { :; }
pip() { :; }
sam() { :; }
set -eu
. ../block
`;

/** Nothing of the environment of whoever runs the tests, but where programs are. */
const BARE = ['-c', 'exec env -i PATH="$PATH" HOME="$HOME" LANG=C.UTF-8 bash "$0"', '../prelude'];

export type Ran = {
  /** What AWS was asked for. */
  calls: readonly string[];
  /** npm's arguments. */
  npm: readonly string[];
  output: string;
};

/** In an empty directory with these files, by name. Rejects with what was written, if a command fails or a variable is not set. */
export async function runShell(script: string, files: Readonly<Record<string, string>> = {}): Promise<Ran> {
  await using directory = await temporaryDirectory();
  await using aws = await Aws.start({ isPending: script.includes('AWSPENDING') });
  const at = (name: string) => join(directory.path, name);
  await mkdir(at('here'));
  for (const [name, text] of Object.entries(files)) await writeFile(at(`here/${name}`), text);
  const variables = {
    ...VALUES,
    NPM_CALLS: at('npm'),
    AWS_ENDPOINT_URL: aws.endpoint,
    AWS_DEFAULT_REGION: VALUES.AWS_REGION,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_MAX_ATTEMPTS: '1',
    AWS_CONFIG_FILE: at('config'),
  };
  const exported = Object.entries(variables).map(([name, value]) => `export ${name}='${value}'\n`);
  await writeFile(at('prelude'), exported.join('') + PRELUDE);
  await writeFile(at('block'), script);
  await writeFile(at('npm'), '');
  const output = await run('bash', BARE, at('here'));
  const npm = (await readFile(at('npm'), 'utf8')).split('\n').filter((line) => line !== '');
  return { calls: aws.calls, npm, output };
}
