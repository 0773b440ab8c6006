/** # Progress: a line says how far, how fast, and how long still. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressLine } from '../../src/node/progress.ts';

test('the rest is said in seconds, minutes and hours, and a standstill by its name', () => {
  const line = (before: number, best: number, target: number): string => progressLine(before, best, target, 5_000, 3);
  assert.equal(line(0, 1_000, 2_000), 'syncing: #1000 of #2000, 200.0 blocks/s, 3 peers, 5 s left');
  assert.match(line(0, 1_000, 101_000), /9 min left/);
  assert.match(line(0, 10, 100_000), /14 h left/);
  assert.match(line(7, 7, 100), /0\.0 blocks\/s, 3 peers, waiting for blocks/);
});
