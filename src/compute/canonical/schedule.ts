/**
 * # Schedule: the scalars of an optimiser step, computed once per step (section 9 of docs/spec/engine.md).
 *
 * Always true: recurrences and interpolations in f32, never a power function, so that every machine agrees on them.
 */
import { assert } from '../../base/assert.ts';
import { BINARY, type Kernels } from './kernels.ts';
import { minimum, ofBits } from './scalar.ts';

const f = Math.fround;

/** The bias correction 1/(1 - beta^t) of step t >= 1, with beta^t by t multiplications. */
export function biasCorrection(beta: number, t: number): number {
  let power = 1;
  for (let step = 0; step < t; step++) power = f(power * beta);
  return f(1 / f(1 - power));
}

/** A point of a learning rate: global step, f32 value. */
export type Knot = readonly [step: number, rate: number];

/** The learning rate of global step x: linear between knots (ascending steps), their values before and after. */
export function learningRate(knots: readonly Knot[], x: number): number {
  assert(knots.length > 0, 'a schedule has a knot');
  let before = knots[0] as Knot;
  if (x <= before[0]) return before[1];
  for (const knot of knots) {
    if (x < knot[0]) {
      const slope = f(f(x - before[0]) / f(knot[0] - before[0]));
      return f(before[1] + f(f(knot[1] - before[1]) * slope));
    }
    before = knot;
  }
  return before[1];
}

/** 1e-6: keeps the factor finite when every gradient is zero. */
const NORM_FLOOR = ofBits(0x358637bd);

/** Elements whose squares are summed together. */
const CHUNK = 4096;

/** Bytes of scratch for `clipGradient`: one f32 per chunk of 4,096 elements. */
export function clipScratch(n: number): number {
  return 4 * Math.ceil(n / CHUNK);
}

/** sqrt(SUM over chunks of SUM of squares) of n values in the kernels' memory. */
function globalNorm(kernels: Kernels, x: number, n: number, scratch: number): number {
  kernels.squareChunks(scratch, x, n);
  return f(Math.sqrt(kernels.sum(scratch, Math.ceil(n / CHUNK))));
}

/** The factor min(1, most / (norm + 1e-6)). */
export function clipFactor(norm: number, most: number): number {
  return minimum(1, f(most / f(norm + NORM_FLOOR)));
}

/** Scales the flat gradient g[n] to a global norm of at most `most`; always multiplies, also by 1. */
export function clipGradient(
  kernels: Kernels,
  gradient: { readonly g: number; readonly n: number; readonly most: number; readonly scratch: number },
): { readonly norm: number; readonly factor: number } {
  const { g, n, most, scratch } = gradient;
  const norm = globalNorm(kernels, g, n, scratch);
  const factor = clipFactor(norm, most);
  kernels.binaryScalar(BINARY.mul, g, g, factor, n);
  return { norm, factor };
}
