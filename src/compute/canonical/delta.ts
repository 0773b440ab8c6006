/**
 * # Delta: what a fragment gives back, and how a round merges it (section 16 of docs/spec/engine.md).
 *
 * Always true: every operation is one f32 rounding (Math.fround or a store), so that all checkers of a round reach the
 * same theta, bit for bit. A delta holds one f32 scale and up to 256 int8 levels per block of 256 weights.
 */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { sumOf } from './reference/sums.ts';
import { maximum, minimum, ofBits, rne } from './scalar.ts';
import { clipFactor } from './schedule.ts';

const f = Math.fround;
const BLOCK = 256;
const CHUNK = 4096;
const LEVELS = 127;
const FLOOR = ofBits(0x2b8cbccc);

/** The change of n weights: scales[ceil(n/256)], levels[n] within -127 .. 127. */
export interface Delta {
  readonly scales: Float32Array;
  readonly levels: Int8Array;
}

/** Quantises theta_0 - theta_H. Both hold n finite values. */
export function quantiseDelta(before: Float32Array, after: Float32Array): Delta {
  assert(before.length === after.length, 'both ends of a fragment have the same weights');
  const n = before.length;
  const scales = new Float32Array(Math.ceil(n / BLOCK));
  const levels = new Int8Array(n);
  for (let block = 0; block < scales.length; block++) {
    const end = Math.min(n, (block + 1) * BLOCK);
    let absmax = 0;
    for (let i = block * BLOCK; i < end; i++) absmax = maximum(absmax, Math.abs(change(before, after, i)));
    const a = maximum(absmax, FLOOR);
    scales[block] = a / LEVELS;
    const r = f(LEVELS / a);
    for (let i = block * BLOCK; i < end; i++) {
      levels[i] = minimum(maximum(rne(f(change(before, after, i) * r)), -LEVELS), LEVELS);
    }
  }
  return { scales, levels };
}

function change(before: Float32Array, after: Float32Array, i: number): number {
  return f((before[i] as number) - (after[i] as number));
}

/** Bytes of the blob of a delta of n weights. */
function deltaBytes(n: number): number {
  return 4 * Math.ceil(n / BLOCK) + n;
}

/** The blob: scales f32 little-endian, then levels. */
export function encodeDelta(delta: Delta): Bytes {
  const out = new Uint8Array(deltaBytes(delta.levels.length));
  const view = new DataView(out.buffer);
  delta.scales.forEach((scale, i) => {
    view.setFloat32(4 * i, scale, true);
  });
  out.set(new Uint8Array(delta.levels.buffer, delta.levels.byteOffset, delta.levels.length), 4 * delta.scales.length);
  return out;
}

/**
 * The delta of n weights that a blob holds, or undefined: a wrong length, a level of -128, or a scale that is not a
 * positive finite number. The bytes may come from a peer.
 */
export function decodeDelta(blob: Bytes, n: number): Delta | undefined {
  if (blob.length !== deltaBytes(n)) return undefined;
  const view = new DataView(blob.buffer, blob.byteOffset, blob.length);
  const scales = new Float32Array(Math.ceil(n / BLOCK));
  for (let i = 0; i < scales.length; i++) scales[i] = view.getFloat32(4 * i, true);
  const levels = new Int8Array(n);
  levels.set(new Int8Array(blob.buffer, blob.byteOffset + 4 * scales.length, n));
  if (!scales.every((scale) => scale > 0 && scale < Number.POSITIVE_INFINITY)) return undefined;
  if (levels.includes(-LEVELS - 1)) return undefined;
  return { scales, levels };
}

/** value = f32(q) * s of every weight. */
export function deltaValues(delta: Delta): Float32Array {
  const { levels, scales } = delta;
  const values = new Float32Array(levels.length);
  for (let i = 0; i < values.length; i++) values[i] = (levels[i] as number) * (scales[Math.floor(i / BLOCK)] as number);
  return values;
}

/** sqrt of the SUM over chunks of 4,096 of the SUM of squares: the norm of a fragment's values. */
export function deltaNorm(values: Float32Array): number {
  const chunks = new Float32Array(Math.ceil(values.length / CHUNK));
  for (let c = 0; c < chunks.length; c++) {
    const chunk = values.subarray(c * CHUNK, (c + 1) * CHUNK);
    chunks[c] = sumOf(chunk.length, (i) => f((chunk[i] as number) * (chunk[i] as number)));
  }
  return f(Math.sqrt(sumOf(chunks.length, (c) => chunks[c] as number)));
}

/** The constants of the outer optimiser, f32 values of the job. */
export interface OuterStep {
  readonly lr: number;
  readonly mu: number;
}

/**
 * Merges the accepted deltas of a round, in the fragments' order, into theta and u, which it changes: every delta is
 * clipped to the median norm, their mean is a gradient, and a Nesterov step follows. Needs at least one delta.
 */
export function mergeRound(theta: Float32Array, u: Float32Array, deltas: readonly Delta[], step: OuterStep): void {
  assert(deltas.length > 0, 'a round with nothing accepted is not merged');
  assert(u.length === theta.length && deltas.every((d) => d.levels.length === theta.length), 'one size');
  const values = deltas.map(deltaValues);
  const norms = values.map(deltaNorm);
  const sorted = [...norms].sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] as number;
  const factors = norms.map((norm) => clipFactor(norm, median));
  const count = f(deltas.length);
  for (let i = 0; i < theta.length; i++) {
    let sum = 0;
    for (let d = 0; d < values.length; d++) {
      sum = f(sum + f(((values[d] as Float32Array)[i] as number) * (factors[d] as number)));
    }
    const g = f(sum / count);
    const ui = f(f(step.mu * (u[i] as number)) + g);
    u[i] = ui;
    theta[i] = (theta[i] as number) - f(step.lr * f(g + f(step.mu * ui)));
  }
}
