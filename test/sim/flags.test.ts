/** # Flags of the simulator: one that makes no sense is named with its range; a run that time cut off is not well. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BadFlag, flagsOf } from './flags.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

function run(flags: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', MAIN, ...flags.split(' ')], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

const WRONG: Readonly<Record<string, string>> = {
  '--schedules 4 --jobs 0': '--jobs is a whole number from 1 to 256, not 0',
  '--nodes 3': '--nodes on a chain of work is a whole number from 4 to 10, not 3',
  '--nodes 11': '--nodes on a chain of work is a whole number from 4 to 10, not 11',
  '--schedules 8 --nodes 4': '--nodes on chains of both kinds is a whole number from 5 to 10, not 4',
  '--chain stake --schedule traitors':
    '--schedule on a chain of stake is one of calm, lossy, partition, swizzle, churn, byzantine, mixed, clocks, not traitors',
  '--sedule calm': "Unknown option '--sedule'",
};

test('a flag that makes no sense is named with its range', () => {
  for (const [flags, message] of Object.entries(WRONG)) {
    assert.throws(() => flagsOf(flags.split(' ')), new BadFlag(message));
  }
});

test('with a wrong flag nothing runs, and one line says why', () => {
  const [[flags, said] = ['', '']] = Object.entries(WRONG);
  assert.deepEqual(run(flags), { status: 2, stdout: '', stderr: `${said}\n` });
});

test('all schedules but that of traitors are run on both kinds of chain', () => {
  assert.equal(flagsOf(['--schedules', '8', '--schedule', 'churn']).chain, undefined);
  assert.equal(flagsOf(['--schedules', '8', '--schedule', 'traitors']).chain, 'work');
  assert.equal(flagsOf([]).chain, 'work');
});

test('a run whose time is over before the replayed schedules are done says so, and fails', () => {
  const { status, stdout } = run('--schedules 30 --jobs 1 --within 1 --minutes 10');
  assert.equal(status, 1);
  assert.match(stdout, /^NOT ALL: stopped after 1 s, with \d+ of 30 schedules done$/m);
  assert.match(stdout, /^FAILED: too few; at least the first 20, which are run twice, must be done$/m);
});
