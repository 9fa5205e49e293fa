/** What the tools of the field say of template.yaml. */
import { expect, test } from '@jest/globals';
import { describeTool, run } from '../tools.ts';
import { root } from './template.ts';

const MINUTES = 60_000;

describeTool('sam', 'sam validate --lint', () => {
  test(
    'has nothing to say',
    async () => {
      expect(await run('sam', ['validate', '--lint'], root)).toContain('is a valid SAM Template');
    },
    3 * MINUTES,
  );
});

describeTool('cfn-lint', 'cfn-lint', () => {
  test(
    'has nothing to say',
    async () => {
      expect(await run('cfn-lint', ['template.yaml'], root)).toBe('');
    },
    3 * MINUTES,
  );
});

describeTool('checkov', 'checkov', () => {
  test(
    'finds nothing but what the template says a reason for',
    async () => {
      const args = ['--skip-download', '--file', 'template.yaml', '--output', 'json', '--soft-fail'];
      const { results } = JSON.parse(await run('checkov', args, root));
      expect(results.failed_checks).toEqual([]);
      const skipped: { check_id: string; check_result: { suppress_comment: string } }[] = results.skipped_checks;
      expect(new Set(skipped.map(({ check_id }) => check_id))).toEqual(
        new Set(['CKV_AWS_116', 'CKV_AWS_158', 'CKV_AWS_173']),
      );
      for (const { check_result } of skipped) expect(check_result.suppress_comment).toMatch(/\w.{20,}\.$/);
    },
    3 * MINUTES,
  );
});
