/** What `sam deploy` makes of samconfig.toml and of its own prompts. SAM's own code says so; only its calls to AWS are left out. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { temporaryDirectory } from '../../local/owner.ts';
import { ENGINES } from '../../scripts/build.ts';
import { describeToolCode, run } from '../tools.ts';
import { type Given, problem, root, template } from './template.ts';

const ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!cluster-1234abcd-AbCdEf';
const KEY = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';

/** Typed in at the prompts of `--guided`. */
const ANSWERS: readonly Given[] = [
  {},
  {
    masterSecretArn: `${ARN},${ARN}`,
    masterSecretKmsKeyArn: `${KEY},${KEY}`,
    vpcSubnetIds: 'subnet-0a1b2c3d,subnet-0a1b2c3e',
    endpoint: 'https://vpce-0123-abc.secretsmanager.eu-west-1.vpce.amazonaws.com:443/',
    privateCa: ' -----BEGIN CERTIFICATE----- MIIB+/a= MIIB+/a== -----END CERTIFICATE----- ',
  },
  ...[
    "'",
    '"',
    `/@"'`,
    '"in quotes"',
    ' between blanks ',
    '" excludeLowercase="true',
    String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 32 + i)).replace('\\', ''),
  ].map((excludeCharacters) => ({ excludeCharacters })),
];

type Run = { arguments: string[]; answers: Given };
type Deployed = { parameters: Given; bucket: string } | { error: string };

const DEFAULTS = Object.fromEntries(
  Object.entries(template.Parameters).map(([name, { Default }]) => [name, String(Default)]),
);
const OWN_BUCKET = ['--no-resolve-s3', '--s3-bucket', 'own'];

describeToolCode('sam', 'sam deploy', (python) => {
  const results: Deployed[] = [];
  const runs: Run[] = [];
  const add = (args: string[], answers: Given = {}) => runs.push({ arguments: args, answers }) - 1;

  beforeAll(async () => {
    await using directory = await temporaryDirectory();
    for (const file of ['template.yaml', 'samconfig.toml']) await cp(join(root, file), join(directory.path, file));
    const script = join(root, 'test', 'template', 'sam-deploy.py');
    results.push(...JSON.parse(await run(python, [script, JSON.stringify(runs)], directory.path)));
  }, 300_000);

  describe('after sam deploy --guided has saved its parameters', () => {
    for (const [index, answers] of ANSWERS.entries()) {
      const environment = ['--config-env', `saved-${index}`];
      const [guided, afterwards] = [add(['--guided', ...environment], answers), add(environment)];

      test(`deploys the same ones: ${JSON.stringify(answers)}`, () => {
        for (const [name, value] of Object.entries(answers)) expect(problem(name, value)).toBeUndefined();
        const deployed = { parameters: { ...DEFAULTS, ...answers }, bucket: 'managed' };
        expect(results[guided]).toEqual(deployed);
        expect(results[afterwards]).toEqual(deployed);
      });
    }
  });

  describe.each(ENGINES)('with the environment %s of samconfig.toml', (engine) => {
    const environment = ['--config-env', engine];
    const parameters = { engine, functionName: `secret-rotation-${engine}` };
    const [plain, toOwnBucket, guided] = [
      add(environment),
      add([...environment, ...OWN_BUCKET]),
      add(['--guided', ...environment]),
    ];

    test('deploys that engine, by way of the bucket that SAM manages', () => {
      expect(results[plain]).toEqual({ parameters, bucket: 'managed' });
    });

    test('takes a bucket of one’s own, as the README says', () => {
      expect(results[toOwnBucket]).toEqual({ parameters, bucket: 'own' });
    });

    test('asks for the other parameters with --guided', () => {
      expect(results[guided]).toEqual({ parameters: { ...DEFAULTS, ...parameters }, bucket: 'managed' });
    });
  });

  const withoutNo = add(['--config-env', 'postgres', ...OWN_BUCKET.slice(1)]);
  test('needs --no-resolve-s3 for a bucket of one’s own', () => {
    expect(results[withoutNo]).toEqual({
      error: expect.stringContaining('Cannot use both --resolve-s3 and --s3-bucket'),
    });
  });
});
