/** The CloudFormation templates of the documents. */
import { expect, test } from '@jest/globals';
import { describeTool } from '../tools.ts';
import { cfnLint } from './cfn-lint.ts';
import { blocksIn } from './documents.ts';

const A_MINUTE = 60_000;

const TEMPLATE = `
Resources:
  Schedule:
    Type: AWS::SecretsManager::RotationSchedule
    Properties:
      SecretId: orders-app
      RotationRules:
        AutomaticallyAfterDays: 30
`;

describeTool('cfn-lint', 'cfn-lint', () => {
  for (const { where, text } of blocksIn('yaml'))
    test(`has nothing to say of ${where}`, async () => expect(await cfnLint(text)).toBe(''), A_MINUTE);

  test(
    'has nothing to say of a template that is right',
    async () => expect(await cfnLint(TEMPLATE)).toBe(''),
    A_MINUTE,
  );

  test.each([
    ['AutomaticallyAfterDays', 'AutomaticAfterDays'],
    ['RotationSchedule', 'SecretRotation'],
    ['orders-app', '!Ref Secret'],
  ])(
    'has something to say if %s is %s',
    async (right, wrong) => {
      await expect(cfnLint(TEMPLATE.replace(right, wrong))).rejects.toThrow(wrong.replace('!Ref ', ''));
    },
    A_MINUTE,
  );
});
