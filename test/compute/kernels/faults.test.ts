import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BINARY, type KernelCalls, type Kernels, UNARY } from '../../../src/compute/canonical/kernels.ts';
import { sumArray } from '../../../src/compute/canonical/reference/sums.ts';
import { referenceKernels } from '../../../src/compute/canonical/reference.ts';
import { exp, maximum, minimum, ofBits, rne } from '../../../src/compute/canonical/scalar.ts';
import { differences } from './engine-vectors.ts';
import { missing, vectorCases } from './sources.ts';

/** What a subtly wrong executor does in place of some kernels. */
type Fault = (right: Kernels) => Partial<KernelCalls>;

const f = Math.fround;
/** One rounding where two are due: the product of two f32 values is exact in f64. */
const fused = (a: number, b: number, c: number): number => f(a * b + c);

function view(kernels: Kernels, at: number, n: number): Float32Array {
  return kernels.f32.subarray(at / 4, at / 4 + n);
}

/** exp with every multiply and add of the polynomial contracted. */
function fusedExp(x: number): number {
  if (x < -87) return 0;
  const z = minimum(maximum(x, -87), 87);
  const n = rne(f(z * ofBits(0x3fb8aa3b)));
  let r = fused(-n, ofBits(0x3f318000), z);
  r = fused(-n, ofBits(0xb95e8083), r);
  let p = ofBits(0x39506967);
  for (const bits of [0x3ab743ce, 0x3c088908, 0x3d2aa9c1, 0x3e2aaaaa, 0x3f000000]) p = fused(p, r, ofBits(bits));
  const y = f(fused(f(p * r), r, r) + 1);
  return Number.isNaN(y) ? y : f(y * ofBits((n + 127) << 23));
}

/** A sum over `lanes` lanes, which are then added in order: 1 lane is the sequential sum. */
function laneSum(x: Float32Array, lanes: number): number {
  const sums = new Float32Array(lanes);
  x.forEach((value, i) => {
    sums[i % lanes] = (sums[i % lanes] as number) + value;
  });
  return sums.reduce((sum, value) => f(sum + value), 0);
}

/** Softmax whose last step is `last(e, S)`. */
function softmaxWith(right: Kernels, last: (e: number, total: number) => number): KernelCalls['softmax'] {
  return (p, x, rows, n, causal) => {
    for (let i = 0; i < rows; i++) {
      const range = causal ? (i % n) + 1 : n;
      const row = view(right, x + 4 * i * n, range).slice();
      const most = row.reduce(maximum, Number.NEGATIVE_INFINITY);
      const e = row.map((value) => exp(f(value - most)));
      const total = sumArray(e);
      view(right, p + 4 * i * n, n)
        .fill(0)
        .set(e.map((value) => last(value, total)));
    }
  };
}

/** Quantisation of rows with another element rule. */
function quantiseWith(
  right: Kernels,
  level: (x: number, a: number, u: number | undefined) => number,
): Partial<KernelCalls> {
  return {
    quantiseRows(q, s, x, m, k, transposed, u) {
      right.quantiseRows(q, s, x, m, k, transposed, u);
      for (let i = 0; i < m; i++) {
        const row = view(right, x + 4 * i * k, k);
        const a = maximum(
          row.reduce((most, value) => maximum(most, Math.abs(value)), 0),
          ofBits(0x2b8cbccc),
        );
        const draws = u === 0 ? [] : view(right, u + 4 * i * k, k);
        row.forEach((value, l) => {
          right.i8[q + i * k + l] = level(value, a, draws[l]);
        });
      }
    },
  };
}

const clamp = (value: number): number => minimum(maximum(value, -63), 63);

const faults: Readonly<Record<string, Fault>> = {
  'a fused multiply-add in a polynomial': (right) => ({
    unary(op, out, x, n) {
      if (op !== UNARY.exp) return right.unary(op, out, x, n);
      view(right, out, n).set(view(right, x, n).map(fusedExp));
    },
  }),
  'a fused multiply-add in GemmF32': (right) => ({
    gemmF32(c, a, b, m, n, k) {
      const [left, other, to] = [view(right, a, m * k), view(right, b, k * n), view(right, c, m * n)];
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let l = 0; l < k; l++) sum = fused(left[i * k + l] as number, other[l * n + j] as number, sum);
          to[i * n + j] = sum;
        }
      }
    },
  }),
  'a sequential sum': (right) => ({ sum: (x, n) => laneSum(view(right, x, n), 1) }),
  'a sum of four lanes': (right) => ({ sum: (x, n) => laneSum(view(right, x, n), 4) }),
  'p = e / S in place of e * (1 / S)': (right) => ({ softmax: softmaxWith(right, (e, total) => f(e / total)) }),
  'a mean by multiplication with 1/n': (right) => ({
    layerNorm(y, mean, rstd, x, gamma, beta, rows, n, eps) {
      right.layerNorm(y, mean, rstd, x, gamma, beta, rows, n, eps);
      for (let i = 0; i < rows; i++) {
        right.f32[mean / 4 + i] = f(sumArray(view(right, x + 4 * i * n, n)) * f(1 / n));
      }
    },
  }),
  'x / s in place of x * r': (right) =>
    quantiseWith(right, (x, a, u) => {
      const scaled = f(x / f(a / 63));
      return clamp(u === undefined ? rne(scaled) : Math.floor(f(scaled + u)));
    }),
  'a missing clamp': (right) =>
    quantiseWith(right, (x, a, u) => {
      const scaled = f(x * f(63 / a));
      return u === undefined ? rne(scaled) : Math.floor(f(scaled + u));
    }),
  'flushed subnormals': (right) => ({
    binary(op, out, a, b, n) {
      right.binary(op, out, a, b, n);
      const flush = (value: number) => (Math.abs(value) < ofBits(0x00800000) ? 0 : value);
      if (op === BINARY.mul) view(right, out, n).set(view(right, out, n).map(flush));
    },
  }),
  'swapped halves of a random word': (right) => ({
    uniform16(u, n, key0, key1, node, purpose) {
      const even = n + (n % 2);
      right.grow(u + 4 * even);
      right.uniform16(u, even, key0, key1, node, purpose);
      const values = view(right, u, even);
      for (let e = 0; e < even; e += 2) {
        [values[e], values[e + 1]] = [values[e + 1] as number, values[e] as number];
      }
    },
  }),
};

describe('the published vectors catch', { skip: missing }, () => {
  const cases = vectorCases();
  for (const [name, fault] of Object.entries(faults)) {
    test(name, () => {
      const right = referenceKernels(1 << 20);
      const wrong: Kernels = Object.assign(Object.create(right), {
        grow: (bytes: number) => right.grow(bytes),
        ...fault(right),
      });
      const failing = cases.filter((source) => differences(wrong, source, cases).length > 0);
      assert.ok(failing.length > 0, 'no vector notices');
    });
  }
});
