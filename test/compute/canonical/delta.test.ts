import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeDelta,
  deltaNorm,
  deltaValues,
  encodeDelta,
  mergeRound,
  quantiseDelta,
} from '../../../src/compute/canonical/delta.ts';
import { sumArray } from '../../../src/compute/canonical/reference/sums.ts';

const f = Math.fround;
const floats = (length: number) =>
  fc.array(fc.float({ min: -4, max: 4, noNaN: true, noDefaultInfinity: true }), {
    minLength: length,
    maxLength: length,
  });
const pair = fc.integer({ min: 1, max: 700 }).chain((n) => fc.tuple(floats(n), floats(n)));

test('a delta survives its blob, and misses the true change by at most half a level', () => {
  fc.assert(
    fc.property(pair, ([before, after]) => {
      const [from, to] = [Float32Array.from(before), Float32Array.from(after)];
      const delta = quantiseDelta(from, to);
      const decoded = decodeDelta(encodeDelta(delta), from.length);
      assert.deepEqual(decoded, delta);
      deltaValues(delta).forEach((value, i) => {
        const scale = delta.scales[Math.floor(i / 256)] as number;
        const change = f((from[i] as number) - (to[i] as number));
        // The scale's own rounding adds a few parts in 2^24 of 127 levels.
        assert.ok(Math.abs(value - change) <= scale * 0.50002, `element ${i}`);
      });
    }),
    { numRuns: 60 },
  );
});

test('an unchanged block costs no level, and its scale is the floor', () => {
  const weights = Float32Array.of(1, 2, 3);
  const { scales, levels } = quantiseDelta(weights, weights);
  assert.deepEqual(Array.from(levels), [0, 0, 0]);
  assert.equal(scales[0], f(f(1e-12) / 127));
});

test('a blob of a wrong length, with a level of -128 or with an impossible scale is no delta', () => {
  const n = 300;
  const blob = encodeDelta(quantiseDelta(new Float32Array(n).fill(1), new Float32Array(n)));
  assert.equal(decodeDelta(blob.subarray(1), n), undefined);
  assert.equal(decodeDelta(blob, n - 1), undefined);
  const spoil = (change: (copy: Uint8Array) => void) => {
    const copy = blob.slice();
    change(copy);
    return decodeDelta(copy, n);
  };
  assert.notEqual(
    spoil(() => undefined),
    undefined,
  );
  assert.equal(
    spoil((copy) => copy.fill(0x80, 8, 9)),
    undefined,
  );
  for (const scale of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.equal(
      spoil((copy) => new DataView(copy.buffer).setFloat32(4, scale, true)),
      undefined,
    );
  }
});

test('the norm is the root of sums over chunks of 4,096', () => {
  const values = Float32Array.from({ length: 5000 }, (_, i) => f(Math.fround(i % 7) - 3));
  const squares = values.map((value) => value * value);
  const chunks = Float32Array.of(sumArray(squares.subarray(0, 4096)), sumArray(squares.subarray(4096)));
  assert.equal(deltaNorm(values), f(Math.sqrt(sumArray(chunks))));
});

test('one fragment merges as a Nesterov step on its own values', () => {
  const [before, after] = [Float32Array.of(1, 2, 3), Float32Array.of(0.5, 2.25, 3)];
  const delta = quantiseDelta(before, after);
  const [g, step] = [deltaValues(delta), { lr: f(0.7), mu: f(0.9) }];
  const norm = deltaNorm(g);
  const factor = Math.min(1, f(norm / f(norm + f(1e-6))));
  const [theta, u] = [before.slice(), new Float32Array(3)];
  mergeRound(theta, u, [delta], step);
  g.forEach((value, i) => {
    const gi = f(value * factor);
    assert.equal(u[i], gi);
    assert.equal(theta[i], f((before[i] as number) - f(step.lr * f(gi + f(step.mu * gi)))));
  });
});

test('a fragment ten times as large as the median moves the weights no further than the median does', () => {
  const zero = new Float32Array(512);
  const towards = (size: number) => quantiseDelta(zero, new Float32Array(512).fill(-size));
  const merged = (sizes: readonly number[]) => {
    const theta = new Float32Array(512);
    mergeRound(theta, new Float32Array(512), sizes.map(towards), { lr: 1, mu: 0 });
    return theta[0] as number;
  };
  assert.ok(Math.abs(merged([1, 1, 10]) - merged([1, 1, 1])) < 1e-5);
  // Half of two is the lower one: a pair cannot drag each other up.
  assert.ok(Math.abs(merged([1, 10]) - merged([1, 1])) < 1e-5);
});
