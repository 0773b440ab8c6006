import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PURPOSE, recordIndices, uniformAt } from '../../../src/compute/canonical/philox.ts';
import { referenceKernels } from '../../../src/compute/canonical/reference.ts';
import { clipGradient, clipScratch, learningRate } from '../../../src/compute/canonical/schedule.ts';
import { stateLeaves, stateRoot } from '../../../src/compute/canonical/state-root.ts';
import { LEAF_BYTES } from '../../../src/compute/merkle.ts';

const f = Math.fround;

test('the learning rate stays between its knots and keeps its ends', () => {
  const knots = [
    [0, 0],
    [20, f(1e-3)],
    [2000, f(3e-4)],
  ] as const;
  assert.equal(learningRate(knots, 0), 0);
  assert.equal(learningRate(knots, 1_000_000), f(3e-4));
  for (let x = 0; x < 2100; x += 7) {
    const rate = learningRate(knots, x);
    assert.ok(rate >= 0 && rate <= f(1e-3), `step ${x}`);
  }
});

test('a gradient is clipped to its bound, and a small one is left as it is', () => {
  const kernels = referenceKernels(1 << 20);
  const [g, n] = [1 << 16, 10_000];
  const scratch = g + 4 * n;
  kernels.grow(scratch + clipScratch(n));
  const values = kernels.f32.subarray(g / 4, g / 4 + n).fill(0.25);
  const first = clipGradient(kernels, { g, n, most: 5, scratch });
  assert.equal(first.norm, 25);
  assert.ok(Math.abs((values[0] as number) - 0.05) < 1e-6);
  const second = clipGradient(kernels, { g, n, most: 50, scratch });
  assert.equal(second.factor, 1);
});

test('record indices are fair, bounded and a function of the key', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4_294_967_296 }), fc.nat(0xffffffff), (records, word) => {
      const drawn = recordIndices(records, 40, [word, 7]);
      assert.ok(drawn.every((index) => index < records));
      assert.deepEqual(recordIndices(records, 40, [word, 7]), drawn);
    }),
  );
  const counts = [0, 0, 0];
  for (const index of recordIndices(3, 30_000, [1, 2])) counts[index] = (counts[index] as number) + 1;
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 400);
});

test('two purposes, nodes or keys share no stream', () => {
  const draw = (node: number, purpose: number, key: number) =>
    Array.from({ length: 32 }, (_, e) => uniformAt(e, [key, 0], node, purpose)).join();
  const streams = [draw(1, PURPOSE.operandA, 5), draw(1, PURPOSE.operandB, 5), draw(2, PURPOSE.operandA, 5)];
  assert.equal(new Set([...streams, draw(1, PURPOSE.operandA, 6)]).size, 4);
});

test('a state is cut into leaves across its parts, without padding', () => {
  const parts = [5000, 5000, 5000].map((n, i) => new Uint8Array(n).fill(i + 1));
  const whole = new Uint8Array(15_000);
  parts.forEach((part, i) => {
    whole.set(part, 5000 * i);
  });
  assert.equal(stateLeaves(parts).length, Math.ceil(15_000 / LEAF_BYTES));
  assert.deepEqual(stateRoot(parts), stateRoot([whole]));
});
