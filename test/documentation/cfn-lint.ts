import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '../../local/owner.ts';
import { run } from '../tools.ts';

/** Resolves to nothing if cfn-lint has nothing to say of the template, in JSON or YAML; rejects with what it says. */
export async function cfnLint(template: string): Promise<string> {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, 'template.yaml'), template);
  return await run('cfn-lint', ['template.yaml'], directory.path);
}
