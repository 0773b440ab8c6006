// Writes genesis/dev.json and genesis/local.json anew: jobs as this tree compiles them, records as it packs the corpus.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
for (const chain of ['dev', 'local']) {
  const args = ['--no-warnings', 'src/cli/main.ts', 'build-spec', '--chain', chain, '--recompute'];
  const text = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1_048_576 });
  writeFileSync(join(root, 'genesis', `${chain}.json`), text);
  console.log(`genesis/${chain}.json`);
}
