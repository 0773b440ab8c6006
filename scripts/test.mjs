// Runs the test suite with node's own runner: fast files first, the ones that start processes last and one at a time.
// `npm test -- state` runs the files whose path contains "state".
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const filters = process.argv.slice(2);
const all = readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true })
  // What test/clients and the bench install has tests of its own.
  .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts') && !entry.parentPath.includes('node_modules'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)))
  .filter((file) => filters.length === 0 || filters.some((part) => file.includes(part)))
  .sort();
// Tests under devnet/ start whole networks: beside anything else on two cores their clocks would lie.
const heavy = all.filter((file) => file.includes('test/devnet/'));
const light = all.filter((file) => !heavy.includes(file));
if (!existsSync(join(root, '..', 'shared', 'vectors'))) {
  console.error('notice: ../shared/vectors is absent; its cases are reported as skipped');
}
const reporter = process.env.CI ? ['--test-reporter=tap'] : [];
// Every file is a process of its own: with compiled code kept between them a tenth of the time is saved.
const cache = join(root, 'node_modules', '.cache', 'compile');
const env = { NODE_COMPILE_CACHE: cache, ...process.env };
let status = 0;
// A file that hangs is named after minutes; networks of processes may take longer.
for (const [files, concurrency, timeoutMs] of [
  [light, 2, 300_000],
  [heavy, 1, 900_000],
]) {
  if (files.length === 0) continue;
  const args = ['--no-warnings', '--test', `--test-concurrency=${concurrency}`, `--test-timeout=${timeoutMs}`];
  const done = spawnSync(process.execPath, [...args, ...reporter, ...files], { cwd: root, env, stdio: 'inherit' });
  status ||= done.status ?? 1;
}
process.exit(status);
